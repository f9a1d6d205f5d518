/** Explains why the database refused a connection. */
import { ConnectorError } from '../errors.ts';
import { passingError } from '../sql_errors.ts';

/** The code of an error: a session was not opened in time. */
export const TOO_LATE = 'SESSION_TIMEOUT';

/** Hints by Node's code or SQLSTATE. */
const HINTS: Record<string, string> = {
  ECONNREFUSED: 'No server listens there. Check host and port in DATABASE_URL, and that PostgreSQL runs.',
  ENOTFOUND: 'There is no such host. Check DATABASE_URL.',
  [TOO_LATE]:
    'Check the server and the network. A full pooler in session mode does not answer: raise its pool size.',
  '28P01': 'Check user and password in DATABASE_URL.',
  '42501':
    'Only a superuser may change that setting. Have an administrator reset it for the role in DATABASE_URL.',
  '28000': "Check the user in DATABASE_URL, and the server's pg_hba.conf.",
  '53300': 'Raise max_connections, or the limit of the database or the role, or lower WORKER_CONCURRENCY.',
  '3D000': 'Create the database first, or check its name in DATABASE_URL.',
};

/** Returns the error with a message and a hint. */
export function explainRefusal(error: Error & { code?: string }): ConnectorError {
  // If a host has several addresses and all refuse, the error has no message.
  const message = `no connection to the database: ${error.message || error.code}`;
  return new ConnectorError('no_connection', message, {
    passing: passingError(error) !== undefined,
    hint: hintOfRefusal(error),
    cause: error,
  });
}

/** Returns what to do about a refused connection; undefined if the error says enough. */
export function hintOfRefusal(error: unknown): string | undefined {
  return HINTS[(error as { code?: string } | null)?.code ?? ''];
}

/** Returns an error about DATABASE_URL as one about IMPORT_DATABASE_URL. */
export function aboutImportUrl(error: unknown): unknown {
  if (!(error instanceof ConnectorError)) return error;
  const rename = (text: string) => text.replaceAll('DATABASE_URL', 'IMPORT_DATABASE_URL');
  const { code, message, passing, hint, cause } = error;
  return new ConnectorError(code, rename(message), { passing, hint: hint && rename(hint), cause });
}
