import { ConnectorError } from '../errors.ts';
import { passingTrouble } from '../sql_errors.ts';

/** The code of a session that was not opened in time. */
export const TOO_LATE = 'SESSION_TIMEOUT';

/** What to do about what a connection is refused with: Node's codes, and SQLSTATEs. */
const HINTS: Record<string, string> = {
  ECONNREFUSED: 'No server listens there: check host and port in DATABASE_URL, and that PostgreSQL runs.',
  ENOTFOUND: 'There is no such host: check DATABASE_URL.',
  [TOO_LATE]:
    'Look at the server, and at the way to it. A pooler in session mode is silent while it has no place free: raise its pool size.',
  '28P01': 'Check user and password in DATABASE_URL.',
  '28000': "Check the user in DATABASE_URL, and the server's pg_hba.conf.",
  '53300': 'Raise max_connections, or the limit of the database or the role, or lower WORKER_CONCURRENCY.',
  '3D000': 'Create the database first, or check its name in DATABASE_URL.',
};

/** An error of connecting to the database, with what to do about it. */
export function explainRefusal(error: Error & { code?: string }): ConnectorError {
  // Several addresses that all refuse are an error without a message.
  const message = `no connection to the database: ${error.message || error.code}`;
  return new ConnectorError('no_connection', message, {
    passing: passingTrouble(error) !== undefined,
    hint: HINTS[error.code ?? ''],
    cause: error,
  });
}
