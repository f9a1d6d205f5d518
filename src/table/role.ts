import pg from 'pg';
import { ConnectorError } from '../errors.ts';
import { toImportError } from '../sql_errors.ts';

/**
 * Runs something with another role's rights, inside the caller's transaction, and takes the worker's own again.
 * After an error the transaction is lost anyway, and its rollback takes the role back.
 * @throws ConnectorError `permission_denied`, `owner_missing`
 */
export async function asRole<T>(client: pg.ClientBase, role: string, run: () => Promise<T>): Promise<T> {
  await client.query(takeRole(role)).catch((error) => {
    throw explainRefusedRole(error, role);
  });
  const result = await run().catch((error) => {
    throw explainDenial(error, role);
  });
  await client.query(RESET_ROLE);
  return result;
}

/** The statement that takes a role's rights until RESET_ROLE, or the end of the transaction. */
export function takeRole(role: string): string {
  return `set local role ${pg.escapeIdentifier(role)}`;
}

export const RESET_ROLE = 'reset role';

/** Of a table's missing rights PostgreSQL does not say whose they would have to be. */
export function explainDenial(error: unknown, role: string): unknown {
  const denial = toImportError(error);
  if (!(denial instanceof ConnectorError && denial.code === 'permission_denied')) return error;
  return new ConnectorError(
    denial.code,
    `${denial.message} for role ${role}, the connector's owner, with whose rights it imports`,
    {
      line: denial.line,
      column: denial.column,
      cause: denial.cause,
      hint: `Grant ${pg.escapeIdentifier(role)} what it lacks, then retry.`,
    },
  );
}

/** What to do where the worker may not take the role, or the role is gone. */
export function explainRefusedRole(error: unknown, role: string): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  if (error.code === '42501') {
    return new ConnectorError(
      'permission_denied',
      `the worker's database role may not act as ${role}, the connector's owner: ${error.message}`,
      {
        cause: error,
        hint: `Grant ${pg.escapeIdentifier(role)} to the role in the worker's DATABASE_URL, then retry.`,
      },
    );
  }
  if (error.code !== '22023') return error;
  return new ConnectorError(
    'owner_missing',
    `the connector's owner, the role ${role}, does not exist any more`,
    {
      cause: error,
      hint: 'Delete the connector, and insert it again as the role that is to own it.',
    },
  );
}
