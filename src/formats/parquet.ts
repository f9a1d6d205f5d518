import { ConnectorError } from '../errors.ts';
import type { SpooledFile } from '../fetch/spooled_file.ts';
import type { WorkerContext } from '../task.ts';
import { asBinaryFile } from './binary_copy.ts';
import type {
  CopyInput,
  CopyPlan,
  FileColumn,
  FileFormat,
  FilePart,
  FormatSettings,
  RowBatch,
  SortedRows,
  SortKey,
} from './format.ts';
import { splitLines, toBatch, wholeLines } from './parquet/batches.ts';
import { planBinary } from './parquet/binary/kinds.ts';
import type { FileDescription, ReaderColumn, RowGroup } from './parquet/protocol.ts';
import { quoteName, quoteText } from './parquet/quote.ts';
import { type Reader, type ReadRequest, readTooEarly } from './parquet/reader_process.ts';
import { planSorting } from './parquet/sort.ts';
import { footerThere, type RowRange, stretchesOf } from './parquet/stretches.ts';
import { RAISED, readRaised, scalarText, type TextColumn, textQuery } from './parquet/text.ts';
import { postgresType } from './parquet/types.ts';
import type { Pool } from './pool.ts';

/** Enough for the footers of nearly all files: some hundred bytes a column and row group. */
const TAIL_BYTES = 1 << 20;

/** Parquet, read by DuckDB in a process apart. A file is one part. */
export const parquet: FileFormat = {
  // What is where stands at its end.
  tailBytes: TAIL_BYTES,
  async *parts(file: SpooledFile, settings: FormatSettings, worker: WorkerContext, signal: AbortSignal) {
    // An empty object is no Parquet file, but it has no rows either.
    if (file.sizeBytes === 0) return;
    await file.onDisk();
    await footerThere(file);
    const { readers, sorters } = worker;
    const source = { file, readers, sorters, signal };
    // Where it is going to be sorted, a reader besides would only cost memory.
    const describers = (settings.columnstore && sorters) || readers;
    yield new ParquetPart(source, settings, await describe({ ...source, readers: describers }));
  },
};

/** A file, who reads it, and until when. */
interface ParquetSource {
  file: SpooledFile;
  readers: Pool<Reader>;
  sorters: Pool<Reader> | null;
  signal: AbortSignal;
}

async function describe({ file, readers, signal }: ParquetSource): Promise<FileDescription> {
  const reader = await readers.acquire(signal);
  try {
    const description = await reader.describe(file.path);
    for (const { name } of description.columns) if (name.includes('\0')) throw nulInName(name);
    return description;
  } catch (error) {
    throw explain(error);
  } finally {
    readers.release(reader);
  }
}

class ParquetPart implements FilePart {
  readonly name = null;
  readonly unit = 'row';
  readonly #source: ParquetSource;
  readonly #maxRowBytes: number;
  readonly #columns: ReaderColumn[];
  readonly #rowGroups: RowGroup[];

  constructor(source: ParquetSource, settings: FormatSettings, { columns, rowGroups }: FileDescription) {
    this.#source = source;
    this.#maxRowBytes = settings.max_row_bytes;
    this.#columns = columns;
    this.#rowGroups = rowGroups;
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

  copyInputs(plan: CopyPlan): CopyInput[] {
    return [
      toInput(
        this.#copyRequest(plan, this.#from()),
        this.#read((from) => this.#copyRequest(plan, from)),
      ),
    ];
  }

  async sort(plan: CopyPlan, keys: SortKey[]): Promise<SortedRows | null> {
    const { file, sorters, signal } = this.#source;
    const columns = this.#wanted(plan);
    const sorting = planSorting(this.#from(), plan, columns, keys);
    if (sorters === null || sorting === null) return null;
    await file.whole();
    const reader = await sorters.acquire(signal);
    return {
      range: async (name) => {
        const column = columns[plan.columns.findIndex(({ target }) => target.name === name)];
        return column ? await lookAtRange(reader, this.#from(), column) : [null, null];
      },
      copyInputs: () => {
        const request = { ...this.#copyRequest(plan, this.#from()), sorting };
        return [toInput(request, readExplained(reader, request))];
      },
      close: () => sorters.release(reader),
    };
  }

  async *batches(plan: CopyPlan): AsyncGenerator<RowBatch> {
    let row = 1;
    for await (const chunk of wholeLines(this.#read((from) => this.#textRequest(plan, from, 'mark')))) {
      const lines = splitLines(chunk, row);
      yield toBatch(lines);
      row += lines.rows.length + lines.refusals.length;
    }
  }

  /** Binary where every column can be, and text where one cannot. */
  #copyRequest(plan: CopyPlan, from: string): ReadRequest {
    const binary = planBinary(from, this.#wanted(plan), constantOf(plan));
    return binary === null
      ? this.#textRequest(plan, from, 'fail')
      : { type: 'read_binary', plan: binary, maxRowBytes: this.#maxRowBytes };
  }

  #textRequest(plan: CopyPlan, from: string, onBadValue: 'fail' | 'mark'): ReadRequest {
    const query = textQuery({
      source: from,
      columns: this.#wanted(plan),
      constant: plan.constant?.value ?? null,
      rowNumber: this.#hasRowNumber ? 'file_row_number + 1' : '0',
      onBadValue,
    });
    return { type: 'read', query, maxRowBytes: this.#maxRowBytes };
  }

  #wanted(plan: CopyPlan): TextColumn[] {
    return plan.columns.map(({ position, target }) => {
      const column = this.#columns[position]!;
      if (column.unreadable !== null) throw unreadable(column);
      return { ...column, targetType: target.baseType };
    });
  }

  /** A file that has a column of that name cannot have its rows numbered. */
  get #hasRowNumber(): boolean {
    return !this.#columns.some((column) => column.name.toLowerCase() === 'file_row_number');
  }

  /** All rows, or some. */
  #from(rows?: RowRange): string {
    const all = `read_parquet(${quoteText(this.#source.file.path)}${this.#hasRowNumber ? ', file_row_number = true' : ''})`;
    // DuckDB does not look at row groups that hold none of them.
    return rows
      ? `(from ${all} where file_row_number >= ${rows.from} and file_row_number < ${rows.to})`
      : all;
  }

  /** Reads the file as its bytes come. A reader is held only as long as it reads: others need it while this file waits. */
  async *#read(requestFrom: (from: string) => ReadRequest): AsyncGenerator<Uint8Array> {
    const { file, readers, signal } = this.#source;
    for await (const rows of this.#stretches(file)) {
      const reader = await readers.acquire(signal);
      try {
        const request = requestFrom(this.#from(rows));
        if (rows) yield* readStretch(reader, request, file, rows);
        else yield* readExplained(reader, request);
      } finally {
        readers.release(reader);
      }
    }
  }

  async *#stretches(file: SpooledFile): AsyncGenerator<RowRange | undefined> {
    if (this.#hasRowNumber && file.available < file.sizeBytes)
      return yield* stretchesOf(file, this.#rowGroups);
    await file.whole();
    yield undefined;
  }
}

/** Reads some rows of a file that is still being fetched, and makes sure that they are those rows, and were there. */
async function* readStretch(
  reader: Reader,
  request: ReadRequest,
  { available, tailFrom }: SpooledFile,
  { from, to }: RowRange,
): AsyncGenerator<Uint8Array> {
  const rows = yield* readExplained(reader, { ...request, extent: { available, tailFrom } }, from);
  if (rows !== to - from) throw readTooEarly(`of its rows ${from + 1} to ${to} there are ${rows}`);
}

async function* readExplained(
  reader: Reader,
  request: ReadRequest,
  rowsBefore = 0,
): AsyncGenerator<Uint8Array, number> {
  try {
    return yield* reader.read(request, rowsBefore);
  } catch (error) {
    throw explain(error);
  }
}

async function lookAtRange(
  reader: Reader,
  source: string,
  { name, duckdbType }: TextColumn,
): Promise<[string | null, string | null]> {
  const [lowest, highest] = ['min', 'max'].map((end) => scalarText(`${end}(${quoteName(name)})`, duckdbType));
  const found = await reader.look(`select ${lowest}, ${highest} from ${source}`).catch((error) => {
    throw explain(error);
  });
  return [found[0] ?? null, found[1] ?? null];
}

function toInput({ type }: ReadRequest, rows: AsyncIterable<Uint8Array>): CopyInput {
  const format =
    type === 'read'
      ? { options: 'format text', data: rows }
      : { options: 'format binary', data: asBinaryFile(rows) };
  return { ...format, lineOf: (line) => line, unit: 'row' };
}

function unreadable({ name, unreadable: reason }: ReaderColumn): ConnectorError {
  return new ConnectorError('unsupported_type', `column ${name} cannot be read without loss: ${reason}`, {
    column: name,
    hint: 'Write it as text, or leave it out with a row in column_mappings whose target_column is null.',
  });
}

function nulInName(name: string): ConnectorError {
  return new ConnectorError(
    'nul_character',
    `the name of column ${name} has a NUL character, which no name in PostgreSQL can hold`,
    { hint: 'Write the file with another name for the column.' },
  );
}

function constantOf({ constant }: CopyPlan): { targetType: string; value: string } | null {
  return constant && { targetType: constant.target.baseType, value: constant.value };
}

/** What DuckDB, or our own SQL in it, says of a file, as an error a person can act on. */
function explain(error: unknown): unknown {
  if (!(error instanceof ConnectorError) || error.code !== 'reader_failed') return error;
  const raised = error.message.indexOf(RAISED);
  if (raised !== -1) return raisedError(error.message.slice(raised + RAISED.length));
  if (error.message.startsWith('Out of Memory')) return outOfMemory(error);
  const reason = error.message.split('\n')[0]!.replace(/ ?'?\/[^' ]*\/[\w.]+'?/g, '');
  return new ConnectorError('bad_parquet', `the file cannot be read as Parquet: ${reason}`, { cause: error });
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
