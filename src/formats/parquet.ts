import { stat } from 'node:fs/promises';
import { ConnectorError } from '../errors.ts';
import type { WorkerContext } from '../task.ts';
import type {
  CopyInput,
  CopyPlan,
  FileColumn,
  FileFormat,
  FilePart,
  FormatSettings,
  RowBatch,
} from './format.ts';
import { splitLines, toBatch } from './parquet/batches.ts';
import type { ReaderColumn } from './parquet/protocol.ts';
import type { ReaderPool } from './parquet/reader_pool.ts';
import { RAISED, readRaised, textQuery } from './parquet/text.ts';
import { postgresType } from './parquet/types.ts';

/** Parquet, read by DuckDB in a process apart. A file is one part. */
export const parquet: FileFormat = {
  async *parts(path: string, settings: FormatSettings, worker: WorkerContext) {
    // An empty object is no Parquet file, but it has no rows either.
    if ((await stat(path)).size === 0) return;
    yield new ParquetPart(path, settings, worker.readers, await describe(worker.readers, path));
  },
};

async function describe(readers: ReaderPool, path: string): Promise<ReaderColumn[]> {
  const reader = await readers.acquire();
  try {
    return await reader.describe(path);
  } catch (error) {
    throw explain(error);
  } finally {
    readers.release(reader);
  }
}

class ParquetPart implements FilePart {
  readonly name = null;
  readonly unit = 'row';
  readonly #path: string;
  readonly #maxRowBytes: number;
  readonly #readers: ReaderPool;
  readonly #columns: ReaderColumn[];

  constructor(path: string, settings: FormatSettings, readers: ReaderPool, columns: ReaderColumn[]) {
    this.#path = path;
    this.#maxRowBytes = settings.max_row_bytes;
    this.#readers = readers;
    this.#columns = columns;
  }

  get columnNames(): string[] {
    return this.#columns.map((column) => column.name);
  }

  get columnCount(): number {
    return this.#columns.length;
  }

  async inferColumns(): Promise<FileColumn[]> {
    return this.#columns.map(({ name, duckdbType, nullable }) => ({
      name,
      type: postgresType(duckdbType),
      nullable,
    }));
  }

  copyInput(plan: CopyPlan): CopyInput {
    return textInput(this.#read(this.#query(plan, 'fail')), 1);
  }

  async *batches(plan: CopyPlan): AsyncGenerator<RowBatch> {
    let row = 1;
    for await (const chunk of this.#read(this.#query(plan, 'mark'))) {
      const lines = splitLines(chunk, row);
      yield toBatch(lines);
      row += lines.rows.length + lines.refusals.length;
    }
  }

  #query(plan: CopyPlan, onBadValue: 'fail' | 'mark'): string {
    const columns = plan.columns.map(({ position, target }) => ({
      ...this.#columns[position]!,
      targetType: target.baseType,
    }));
    const hasRowNumber = !this.#columns.some((column) => column.name.toLowerCase() === 'file_row_number');
    return textQuery({
      path: this.#path,
      columns,
      constant: plan.constant?.value ?? null,
      hasRowNumber,
      onBadValue,
    });
  }

  async *#read(query: string): AsyncGenerator<Uint8Array> {
    const reader = await this.#readers.acquire();
    try {
      yield* reader.read(query, this.#maxRowBytes);
    } catch (error) {
      throw explain(error);
    } finally {
      this.#readers.release(reader);
    }
  }
}

function textInput(data: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, firstLine: number): CopyInput {
  return { options: 'format text', firstLine, unit: 'row', data };
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
  const { code, row, column, reason, hint } = readRaised(text.split('\n')[0]!);
  return new ConnectorError(code, `row ${row}, column ${column}: ${reason}`, { hint, line: row, column });
}
