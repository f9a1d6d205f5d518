import { stat } from 'node:fs/promises';
import { ConnectorError } from '../errors.ts';
import type { WorkerContext } from '../task.ts';
import type { CopyInput, CopyPlan, FileFormat, FilePart, FormatSettings } from './format.ts';
import type { ReaderColumn } from './parquet/protocol.ts';
import type { Reader } from './parquet/reader_pool.ts';
import { RAISED, textQuery } from './parquet/text.ts';
import { postgresType } from './parquet/types.ts';

/** Parquet, read by DuckDB in a process apart. A file is one part. */
export const parquet: FileFormat = {
  async *parts(path: string, settings: FormatSettings, worker: WorkerContext) {
    // An empty object is no Parquet file, but it has no rows either.
    if ((await stat(path)).size === 0) return;
    const reader = await worker.readers.acquire();
    try {
      yield part(reader, path, await describe(reader, path), settings);
    } finally {
      worker.readers.release(reader);
    }
  },
};

async function describe(reader: Reader, path: string): Promise<ReaderColumn[]> {
  try {
    return await reader.describe(path);
  } catch (error) {
    throw explain(error);
  }
}

function part(reader: Reader, path: string, columns: ReaderColumn[], settings: FormatSettings): FilePart {
  return {
    name: null,
    columnNames: columns.map((column) => column.name),
    columnCount: columns.length,
    async inferColumns() {
      return columns.map(({ name, duckdbType, nullable }) => ({
        name,
        type: postgresType(duckdbType),
        nullable,
      }));
    },
    copyInput: (plan) => copyInput(reader, path, columns, settings, plan),
  };
}

function copyInput(
  reader: Reader,
  path: string,
  columns: ReaderColumn[],
  settings: FormatSettings,
  plan: CopyPlan,
): CopyInput {
  const wanted = plan.columns.map(({ position, target }) => ({
    ...columns[position]!,
    targetType: target.baseType,
  }));
  const hasRowNumber = !columns.some((column) => column.name.toLowerCase() === 'file_row_number');
  const query = textQuery(path, wanted, plan.constant?.value ?? null, hasRowNumber);
  return {
    options: 'format text',
    firstLine: 1,
    unit: 'row',
    data: explained(reader.read(query, settings.max_row_bytes)),
  };
}

async function* explained(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    throw explain(error);
  }
}

/** What DuckDB, or our own SQL in it, says of a file, as an error a person can act on. */
function explain(error: unknown): unknown {
  if (!(error instanceof ConnectorError) || error.code !== 'reader_failed') return error;
  const raised = error.message.indexOf(RAISED);
  if (raised !== -1) return raisedError(error.message.slice(raised + RAISED.length));
  const reason = error.message.split('\n')[0]!.replace(/ ?'?\/[^' ]*\/[\w.]+'?/g, '');
  return new ConnectorError('bad_parquet', `the file cannot be read as Parquet: ${reason}`, { cause: error });
}

function raisedError(text: string): ConnectorError {
  const [code, row, ...name] = text.split('|');
  const where = `row ${row}, column ${name.join('|').split('\n')[0]}`;
  if (code === 'nul_character') {
    return new ConnectorError(
      'nul_character',
      `${where}: the text has a NUL character, which PostgreSQL cannot hold`,
    );
  }
  return new ConnectorError(
    'value_out_of_range',
    `${where}: the time has nanoseconds, PostgreSQL's have microseconds`,
    {
      hint: 'Map the column to a column of type text in column_mappings, to keep them.',
    },
  );
}
