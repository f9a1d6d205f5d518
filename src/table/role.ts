/** Runs statements with the rights of a connector's owner. */
import pg from 'pg';
import { ConnectorError } from '../errors.ts';
import { toImportError } from '../sql_errors.ts';

/**
 * Runs a function with another role's rights, inside the caller's transaction, then resets the role. After an error it does
 * not: the rollback resets the role, too.
 * @throws ConnectorError `permission_denied`, `owner_missing`
 */
export async function asRole<T>(client: pg.ClientBase, role: string, run: () => Promise<T>): Promise<T> {
  await client.query(takeRole(role)).catch((error) => {
    throw explainRefusedRole(error, role, client);
  });
  const result = await run().catch((error) => {
    throw explainDenial(error, role);
  });
  await client.query(RESET_ROLE);
  return result;
}

/** Returns the statement that takes a role's rights until RESET_ROLE, or until the end of the transaction. */
export function takeRole(role: string): string {
  return `set local role ${pg.escapeIdentifier(role)}`;
}

export const RESET_ROLE = 'reset role';

/** Adds the role to a `permission_denied` error, because PostgreSQL does not name it. */
export function explainDenial(error: unknown, role: string): unknown {
  const denial = toImportError(error);
  if (!(denial instanceof ConnectorError && denial.code === 'permission_denied')) return error;
  return new ConnectorError(
    denial.code,
    `${denial.message} for role ${role}, the connector's owner, whose rights imports use`,
    {
      line: denial.line,
      column: denial.column,
      cause: denial.cause,
      hint: `Grant ${pg.escapeIdentifier(role)} the missing privilege, then retry.`,
    },
  );
}

/** Explains why a session cannot take a role: a grant is missing, or the role was dropped. */
export function explainRefusedRole(error: unknown, role: string, client: pg.ClientBase): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  if (error.code === '42501') {
    const login = (client as pg.Client).user ?? '';
    return new ConnectorError(
      'permission_denied',
      `the login for imports, ${login}, may not act as ${role}, the connector's owner: ${error.message}`,
      {
        cause: error,
        hint: `Run: grant ${pg.escapeIdentifier(role)} to ${pg.escapeIdentifier(login)}; Then retry.`,
      },
    );
  }
  if (error.code !== '22023') return error;
  return new ConnectorError(
    'owner_missing',
    `the connector's owner, the role ${role}, does not exist any more`,
    {
      cause: error,
      hint: 'Delete the connector, and insert it again as its new owner.',
    },
  );
}
