import { ConnectorError } from '../../errors.ts';
import type { ReaderColumn } from './protocol.ts';
import { RAISED, readRaised } from './text.ts';

/** For a column that a table is to get, and that cannot be read. */
export function unreadableColumn({ name, unreadable }: ReaderColumn): ConnectorError {
  const { code, reason } = unreadable!;
  return new ConnectorError(code, `column ${name} cannot be read: ${reason}`, {
    column: name,
    hint: 'Write it in another way, as text for example, or leave it out with a row in column_mappings whose target_column is null.',
  });
}

export function nulInName(name: string): ConnectorError {
  return new ConnectorError(
    'nul_character',
    `the name of column ${name} has a NUL character, which no name in PostgreSQL can hold`,
    { hint: 'Write the file with another name for the column.' },
  );
}

/** What DuckDB, or our own SQL in it, says of a file or its transform, as an error a person can act on. */
export function explain(error: unknown, transform: string | null): unknown {
  if (!(error instanceof ConnectorError)) return error;
  if (error.code === 'transform_failed') return transformFailed(error);
  if (error.code !== 'reader_failed') return error;
  const raised = error.message.indexOf(RAISED);
  if (raised !== -1) return raisedError(error.message.slice(raised + RAISED.length));
  if (error.message.startsWith('Out of Memory')) return outOfMemory(error);
  if (transform !== null) return transformFailed(error);
  return new ConnectorError('bad_parquet', `the file cannot be read as Parquet: ${reasonOf(error)}`, {
    cause: error,
  });
}

function transformFailed(cause: ConnectorError): ConnectorError {
  return new ConnectorError('transform_failed', `the transform cannot be run: ${reasonOf(cause)}`, {
    hint: 'It is one select of DuckDB over the relation file, which reads no other file. Pause the connector, mend it, and try it with dry_run_file.',
    cause,
  });
}

/** The first line, without the paths of our own disk. */
function reasonOf({ message }: ConnectorError): string {
  return message.split('\n')[0]!.replace(/ ?['"]?\/[^'" ]*\/[\w.]+['"]?/g, '');
}

function outOfMemory(cause: ConnectorError): ConnectorError {
  return new ConnectorError(
    'out_of_memory',
    'reading the file takes more memory than a reader has: a value, or a row group, is too large',
    { hint: 'Write the file with smaller row groups and pages.', cause },
  );
}

function raisedError(text: string): ConnectorError {
  const { code, row, column, reason, hint } = readRaised(text.split('\n')[0]!);
  return new ConnectorError(code, `row ${row}, column ${column}: ${reason}`, { hint, line: row, column });
}
