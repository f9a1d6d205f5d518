/** Turns errors of PostgreSQL into ConnectorErrors with stable codes. */
import pg from 'pg';
import { ConnectorError } from './errors.ts';

/** Maps the lines that COPY counts to the file. */
export interface InputPlace {
  /** Returns the line, or row, of the file for the line that COPY counts. Both start at 1. */
  lineOf(line: number): number;
  unit: 'line' | 'row';
}

/** SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html), whole or by class, of passing errors. */
const PASSING = [
  '08',
  // Read-only: the server may have just stopped being the primary.
  '25006',
  // Idle for too long within a transaction, or a transaction that took too long.
  '25P03',
  '25P04',
  '40',
  '53',
  '55P03',
  '57',
  '58',
];

/** Constraints of the staging table of changes. Their names are in PostgreSQL's messages. */
export const CHANGE_CONSTRAINT = '"value of change_column is not in change_values"';
export const TRUNCATE_CONSTRAINT = '"a truncate of the source table is not applied"';

/** Stable codes by SQLSTATE. Any other SQLSTATE is `sql_<SQLSTATE>`. */
const CODES: Record<string, string> = {
  '22P04': 'bad_row',
  '22021': 'invalid_encoding',
  '22P05': 'invalid_encoding',
  '22P02': 'bad_value',
  '22P03': 'bad_value',
  '22001': 'value_too_long',
  '22003': 'value_out_of_range',
  '22007': 'bad_value',
  '22008': 'value_out_of_range',
  '22023': 'bad_value',
  '23502': 'null_not_allowed',
  '23503': 'foreign_key_violated',
  '23505': 'conflict',
  '23514': 'check_violated',
  '23P01': 'conflict',
  '42501': 'permission_denied',
  '44000': 'check_violated',
  '42P01': 'table_missing',
  '3F000': 'schema_missing',
  '57014': 'statement_cancelled',
  '40001': 'serialization_failure',
  '40P01': 'deadlock',
  '55P03': 'lock_not_available',
  '25006': 'database_read_only',
  '53100': 'database_disk_full',
  '53300': 'too_many_connections',
  '57P01': 'connection_lost',
  '57P02': 'connection_lost',
  '57P03': 'connection_lost',
  '57P05': 'connection_lost',
  S3C01: 'attempt_superseded',
  S3C02: 'bad_token',
  S3C03: 'invariant_violated',
};

/** Returns a passing error of PostgreSQL, or of the connection to it, as ConnectorError; undefined for any other error. */
export function passingError(error: unknown): ConnectorError | undefined {
  const known = toImportError(error);
  return known instanceof ConnectorError && known.passing ? known : undefined;
}

/**
 * Turns an error of PostgreSQL, or of the connection to it, into a ConnectorError. Returns others unchanged. With the place of a
 * COPY's input, names line and column if they are known.
 */
export function toImportError(error: unknown, place?: InputPlace): unknown {
  if (!(error instanceof pg.DatabaseError)) return isConnectionError(error) ? connectionLost(error) : error;
  const sqlstate = error.code ?? 'XX000';
  const found = place ? findPlace(error, place) : {};
  const column = found.column === undefined ? '' : `, column ${found.column}`;
  const where =
    place && isTooBig(error)
      ? upTo(error, place)
      : found.line === undefined
        ? ''
        : `${place?.unit} ${found.line}${column}: `;
  return new ConnectorError(codeOf(error, sqlstate), `${where}${reasonOf(error)}`, {
    passing: isPassingSqlstate(sqlstate),
    hint: isTruncate(error)
      ? 'Truncate the table yourself, then leave the row out: correct the object and retry the file, or cancel the file.'
      : error.hint,
    cause: error,
    ...found,
  });
}

/** Errors of a statement about a table that was changed after it was described: no such table, schema, column. */
const CHANGED = ['42P01', '3F000', '42703'];

/** Returns whether a statement failed because its table was changed. An error in a trigger has a context, and is not one. */
export function isTableChange(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && CHANGED.includes(error.code ?? '') && !error.where;
}

/** Returns a passing error: the next attempt describes the table again. */
export function tableChanged(error: pg.DatabaseError): ConnectorError {
  return new ConnectorError(
    'table_changed',
    `the target table was changed or dropped while the import waited for it: ${reasonOf(error)}`,
    { passing: true, cause: error },
  );
}

function codeOf(error: pg.DatabaseError, sqlstate: string): string {
  // A policy's check has the SQLSTATE of a missing privilege. Only the function that raised it tells them apart in all languages.
  if (sqlstate === '42501' && error.routine === 'ExecWithCheckOptions') return 'policy_violated';
  // PostgreSQL reports a NUL as an invalid byte sequence.
  if (sqlstate === '22021' && error.message.endsWith('0x00')) return 'nul_character';
  if (isTruncate(error)) return 'truncate_not_applied';
  return CODES[sqlstate] ?? `sql_${sqlstate}`;
}

/** Whether a change is a truncate, which empties the whole table. */
function isTruncate({ constraint }: pg.DatabaseError): boolean {
  return constraint !== undefined && `"${constraint}"` === TRUNCATE_CONSTRAINT;
}

/** Returns PostgreSQL's message and detail, without the place. */
export function reasonOf(error: pg.DatabaseError): string {
  return error.detail ? `${error.message} (${error.detail})` : error.message;
}

/** Returns whether errors with the SQLSTATE are passing. */
export function isPassingSqlstate(sqlstate: string): boolean {
  return PASSING.some((prefix) => sqlstate.startsWith(prefix));
}

/** Returns whether the key of a row was in the table already. */
export function isConflict(error: unknown): error is ConnectorError {
  return error instanceof ConnectorError && error.code === 'conflict';
}

/** Returns whether a value does not fit its column's type. */
export function isTypeMismatch(error: unknown): error is ConnectorError {
  const codes = ['bad_value', 'value_out_of_range', 'value_too_long'];
  return error instanceof ConnectorError && codes.includes(error.code) && error.column !== undefined;
}

/** Returns a conflict as the error of a bad row: one whose values, other than its key, another row has in a unique index. */
export function asBadRow({ message, hint, line, cause }: ConnectorError): ConnectorError {
  return new ConnectorError('unique_violated', message, { hint, line, cause });
}

/**
 * Returns whether the content of a row caused the error:
 * - data exceptions, violated constraints and policies, errors that a trigger raises
 * - limits that one row exceeds
 * - values that a type refuses with another SQLSTATE (hstore's are syntax errors)
 * - rows that our own reader refuses
 */
export function isBadRow(error: unknown): error is ConnectorError {
  if (!(error instanceof ConnectorError) || error.code === 'conflict' || error.passing) return false;
  if (!(error.cause instanceof pg.DatabaseError)) return error.line !== undefined;
  const sqlstate = error.cause.code ?? '';
  if (error.code === 'policy_violated') return true;
  // Leaving it out would leave all rows in the table.
  if (isTruncate(error.cause)) return false;
  if (/^(22|23|44|P0001)/.test(sqlstate)) return true;
  if (isTooBig(error.cause)) return true;
  if (sqlstate.startsWith('54')) return error.line !== undefined;
  // COPY names a column only while its value is read.
  return error.column !== undefined && sqlstate !== '42501';
}

/** Whether a row does not fit into a page. COPY notices it when it inserts several rows, and names the last that it read. */
function isTooBig({ code, message }: pg.DatabaseError): boolean {
  return code === '54000' && message.startsWith('row is too big');
}

/** Returns the place of the last row that COPY had read. */
function upTo(error: pg.DatabaseError, { lineOf, unit }: InputPlace): string {
  const found = copyPlace(error);
  return found ? `one of the rows up to ${unit} ${lineOf(Number(found[1]))}: ` : '';
}

const COPY_PLACE = /^COPY .+?, line (\d+)(?:, column ((?:[^:"]|"[^"]*")+))?/ms;
/** COPY's own context has two names, of at most 63 bytes, and 100 characters of the value. In characters. */
const MAX_COPY_PLACE = 1000;

/** Finds line and column in COPY's context: `COPY t, line 2, column temp: "x"`. It comes last. Those of triggers may have any length. */
function copyPlace({ where }: pg.DatabaseError): RegExpExecArray | null {
  return COPY_PLACE.exec((where ?? '').slice(-MAX_COPY_PLACE));
}

function findPlace(error: pg.DatabaseError, place: InputPlace): { line?: number; column?: string } {
  const found = copyPlace(error);
  if (!found || isTooBig(error)) return {};
  const line = place.lineOf(Number(found[1]));
  return found[2] === undefined ? { line } : { line, column: found[2] };
}

/** Messages of pg and Kysely for a lost connection. Errors of the socket have a code instead. */
const GONE =
  /^Connection terminated|^Postgres connection has been discarded|^Client (has encountered a connection error|was closed)|^timeout e|^no session within/;

/** Returns whether the error is one of the connection, and so passing. */
function isConnectionError(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENET)/.test(code ?? '') || GONE.test(message ?? '')
  );
}

function connectionLost(error: unknown): ConnectorError {
  const reason = error instanceof Error && error.message ? error.message : (error as { code?: string }).code;
  return new ConnectorError('connection_lost', `the connection to PostgreSQL was lost: ${reason}`, {
    passing: true,
    cause: error,
  });
}
