/**
 * "Entering" the owner's role and leaving it: how statements of a worker run with the rights of a connector's owner. The only place
 * that knows how. A worker enters it for each group of statements, so that the rest of an import runs as the worker.
 */
import pg from 'pg';
import { FIXED_PATH } from '../db/session_settings.ts';
import { ConnectorError } from '../errors.ts';
import { toImportError } from '../sql_errors.ts';

/**
 * The path on which types are found that a person names, as in `s3_connector_private.is_type`: PostgreSQL's own come first. For
 * statements that run no code of the owner.
 */
export const TYPES_PATH = 'pg_catalog, public, pg_temp';

/**
 * Runs a function with another role's rights, inside the caller's transaction, then leaves the role. After an error it does
 * not: the rollback leaves the role, too.
 * @param path the search_path; without one, the role's usual path
 * @throws ConnectorError `permission_denied`, `owner_missing`
 */
export async function asRole<T>(
  client: pg.ClientBase,
  role: string,
  run: () => Promise<T>,
  path?: string,
): Promise<T> {
  await client.query(enterRole(role, path).join('; ')).catch((error) => {
    throw explainRefusedRole(error, role, client);
  });
  const result = await run().catch((error) => {
    throw explainDenial(error, role);
  });
  await client.query(LEAVE_ROLE.join('; '));
  return result;
}

/**
 * Returns the statements that enter a role, until LEAVE_ROLE, or until the end of the transaction or the savepoint. The role's own
 * code needs its usual path: triggers, defaults, on_import. Our own statements must qualify all names on that path.
 */
export function enterRole(role: string, path?: string): string[] {
  const usual = `s3_connector_import.usual_search_path(${pg.escapeLiteral(role)})`;
  return [
    path === undefined
      ? `select pg_catalog.set_config('search_path', ${usual}, true)`
      : `set local search_path to ${path}`,
    `set local role ${pg.escapeIdentifier(role)}`,
  ];
}

/** The statements that leave a role. Its code may have changed settings with which our functions are parsed. */
export const LEAVE_ROLE = [
  // Not `reset role`: a role can give itself another default.
  'set local role none',
  `set local search_path to ${FIXED_PATH}`,
  'set local standard_conforming_strings to on',
];

/**
 * Returns the statements that run deferred triggers, with the owner's rights. Before PostgreSQL 18, a commit would run them with
 * the worker's. Send them when all rows are there, because a file's later rows may fulfil a deferred constraint.
 */
export function runDeferred(role: string): string[] {
  return [...enterRole(role), 'set constraints all immediate', ...LEAVE_ROLE];
}

/** Adds the role to a `permission_denied` error, or one of a policy, because PostgreSQL does not name it. */
export function explainDenial(error: unknown, role: string): unknown {
  const denial = toImportError(error);
  if (denial instanceof ConnectorError && denial.code === 'policy_violated')
    return explainPolicy(denial, role);
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

function explainPolicy({ code, message, line, column, cause }: ConnectorError, role: string): ConnectorError {
  return new ConnectorError(code, message, {
    line,
    column,
    cause,
    hint: `The policies for role ${role}, the connector's owner, decide. Change them or the file, then retry it, or set on_bad_row to skip.`,
  });
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
