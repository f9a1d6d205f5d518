/** Errors of the Parquet format that a person can act on. */
import { ConnectorError } from '../../errors.ts';
import type { Transform } from '../duckdb_file.ts';
import type { ReaderColumn } from './protocol.ts';
import { RAISED, readRaised } from './text.ts';

/** How DuckDB, C++ and V8 begin to say that there is no memory. A reader that said so is not used again. */
export const OUT_OF_MEMORY = /^(Out of Memory|std::bad_alloc|Array buffer allocation failed)/;

/** Returns the error for a column that the table needs but that cannot be read. */
export function unreadableColumn({ name, unreadable }: ReaderColumn): ConnectorError {
  const { code, reason } = unreadable!;
  return new ConnectorError(code, `column ${name} cannot be read: ${reason}`, {
    column: name,
    hint: 'Write the column as another type (for example as text), or leave it out: add a row to column_mappings with target_column null.',
  });
}

export function nulInName(name: string): ConnectorError {
  return new ConnectorError(
    'nul_character',
    `the name of column ${name} has a NUL character, which PostgreSQL does not allow in names`,
    { hint: 'Write the file with another name for the column.' },
  );
}

/** Returns a clear error for one that DuckDB, or our own SQL in it, raised; other errors are unchanged. */
export function explain(error: unknown, transform: Transform | null): unknown {
  if (!(error instanceof ConnectorError)) return error;
  if (error.code === 'transform_failed') return transformFailed(error);
  if (error.code !== 'reader_failed') return error;
  const raised = error.message.indexOf(RAISED);
  if (raised !== -1) return raisedError(error.message.slice(raised + RAISED.length));
  if (OUT_OF_MEMORY.test(error.message)) return outOfMemory(error);
  if (transform !== null) return badCsvLine(error) ?? transformFailed(error);
  return new ConnectorError('bad_parquet', `the file cannot be read as Parquet: ${reasonOf(error)}`, {
    cause: error,
  });
}

function transformFailed(cause: ConnectorError): ConnectorError {
  return new ConnectorError('transform_failed', `the transform cannot be run: ${reasonOf(cause)}`, {
    hint: 'The transform must be one DuckDB select that reads only the relation "file", and calls only functions that compute values. Pause the connector, fix its transform, and test it with dry_run_file.',
    cause,
  });
}

/** Returns the error for a line of a CSV that DuckDB cannot read; null if it is another error. */
function badCsvLine(cause: ConnectorError): ConnectorError | null {
  const found = /CSV Error on Line: (\d+)/.exec(cause.message);
  if (!found) return null;
  const line = Number(found[1]);
  // The reason is a few lines below, before what could be set to read it.
  const below = cause.message.slice(found.index).split('\n').slice(1);
  const end = below.findIndex((text) => text.trimStart().startsWith('Possible'));
  const last = below.slice(0, Math.max(end, 0)).findLast((text) => text.trim() !== '');
  if (last === undefined) return null;
  const reason = last.trim().slice(0, MAX_REASON);
  return new ConnectorError('bad_row', `line ${line}: DuckDB reads the file for the transform: ${reason}`, {
    line,
    hint: "Fix the file, or the options of its file format. DuckDB's CSV is stricter than COPY's, and a line that it cannot read fails the file.",
    cause,
  });
}

/** Longer reasons are cut, in characters: DuckDB quotes names and values of the file. */
const MAX_REASON = 1000;
/** A word that begins like a path, with the quotes around it. */
const PATH = / ?['"]?\/[^'" ]*['"]?/g;

/** Returns the first line of the message, without local paths. */
export function reasonOf({ message }: Pick<Error, 'message'>): string {
  const line = message.slice(0, MAX_REASON).split('\n', 1)[0]!;
  return line.replace(PATH, (word) => {
    const [first, last] = [word.indexOf('/'), word.lastIndexOf('/')];
    return first === last ? word : word.slice(last + 1).replace(/^[\w.]*['"]?/, '');
  });
}

function outOfMemory(cause: ConnectorError): ConnectorError {
  return new ConnectorError(
    'out_of_memory',
    'reading the file takes more memory than a reader has: a value, or a row group, is too large',
    {
      hint: "Write the file with smaller row groups and pages. If that does not help, as with wide nested columns, ask the worker's operator to raise LARGE_READER_MEMORY_MB, then retry the file.",
      cause,
    },
  );
}

function raisedError(text: string): ConnectorError {
  const { code, row, column, reason, hint } = readRaised(text.split('\n')[0]!);
  return new ConnectorError(code, `row ${row}, column ${column}: ${reason}`, { hint, line: row, column });
}
