/**
 * The Parquet format. A reader process with DuckDB reads the file, or runs the connector's transform on it. A file is one
 * part.
 */
import type { SpooledFile } from '../fetch/spooled_file.ts';
import { rowsDoNotAddUp } from '../reconcile.ts';
import type { DuckdbFile } from './duckdb_file.ts';
import { quoteName } from './duckdb_quote.ts';
import type {
  CopyInput,
  CopyPlan,
  FileFormat,
  FilePart,
  FormatSettings,
  FormatTools,
  InferredColumn,
  RowBatch,
  SortedRows,
  SortedRun,
  SortKey,
} from './format.ts';
import { splitLines, toBatch, wholeLines } from './parquet/batches.ts';
import { epochOf } from './parquet/epoch.ts';
import { explain, nulInName } from './parquet/errors.ts';
import { limitExpansion, refuseTooManyRows } from './parquet/limits.ts';
import type { FileDescription, ReaderColumn, RowGroup, Sorting } from './parquet/protocol.ts';
import { type Reader, type ReadRequest, readTooEarly } from './parquet/reader_process.ts';
import { Requests } from './parquet/requests.ts';
import { type RowRange, rowRanges, waitForFooter } from './parquet/row_ranges.ts';
import { COMPARED, inOrderQuery, sortRows } from './parquet/runs.ts';
import { planSorting } from './parquet/sort.ts';
import { type TextColumn, valueText } from './parquet/text.ts';
import { ofParquet, ROW_NUMBER } from './parquet/transform.ts';
import { isNested, postgresType } from './parquet/types.ts';
import { binaryFormat } from './pg_binary/frame.ts';
import type { Pool } from './pool.ts';
import { CountedRows, type RowBytes, textFormat } from './row_bytes.ts';
import { planOrder } from './sort/plan_order.ts';
import { type RowOrder, runLimits } from './sort/row_order.ts';
import { hasSortKernel } from './sort/sort_kernel.ts';
import { toSortedRuns } from './sort/sorted_runs.ts';
import { requireTransforms } from './transforms.ts';

/** Holds the footers of nearly all files: a footer has some hundred bytes per column and row group. */
const TAIL_BYTES = 1 << 20;

export const parquet: FileFormat = {
  // The footer says where everything is, and it is at the end.
  tailBytes: TAIL_BYTES,
  async *parts(file: SpooledFile, settings: FormatSettings, tools: FormatTools, signal: AbortSignal) {
    requireTransforms(settings, tools);
    // An empty object is not valid Parquet, but it has no rows, so it does not fail.
    if (file.sizeBytes === 0) return;
    await file.onDisk();
    // A transform may read any part of the file first.
    await (settings.transform === null ? waitForFooter(file) : file.whole());
    const transform = settings.transform === null ? null : ofParquet(file.path, settings.transform);
    yield await openDuckdbFile({ name: null, file, transform }, settings, tools, signal);
  },
};

/** Returns the part. With a transform, its columns and rows are the transform's. */
export async function openDuckdbFile(
  { name, file, transform }: DuckdbFile,
  settings: FormatSettings,
  { readers, sorters, runBytes, config }: FormatTools,
  signal: AbortSignal,
): Promise<FilePart> {
  const sortsInRuns = sorters !== null && config.csvKernel !== 'off' && hasSortKernel();
  const source = { name, file, transform, readers, sorters, runBytes: sortsInRuns ? runBytes : null, signal };
  return new ParquetPart(source, settings, await describe(source));
}

/** The length of a value in COPY's binary format, more or less. */
const BYTES_OF_VALUE = 12;

/** A file, and the pools whose processes read it. */
interface ParquetSource extends DuckdbFile {
  readers: Pool<Reader>;
  sorters: Pool<Reader> | null;
  /** Null where nothing is sorted in runs. */
  runBytes: number | null;
  signal: AbortSignal;
}

async function describe({ file, transform, readers, signal }: ParquetSource): Promise<FileDescription> {
  const reader = await readers.acquire(signal);
  try {
    const description = await reader.describe(file.path, transform);
    for (const { name } of description.columns) if (name.includes('\0')) throw nulInName(name);
    return description;
  } catch (error) {
    throw explain(error, null);
  } finally {
    readers.release(reader);
  }
}

class ParquetPart implements FilePart {
  readonly name: string | null;
  readonly unit = 'row';

  readonly #source: ParquetSource;
  readonly #settings: FormatSettings;
  readonly #columns: ReaderColumn[];
  readonly #rowGroups: RowGroup[];
  /** The footer's row count; null if there is a transform. */
  readonly #rowCount: number | null;
  readonly #requests: Requests;

  constructor(source: ParquetSource, settings: FormatSettings, description: FileDescription) {
    const { columns, rowGroups } = description;
    this.name = source.name;
    this.#source = source;
    this.#settings = settings;
    this.#columns = columns;
    this.#rowGroups = rowGroups;
    this.#rowCount = source.transform === null ? rowGroups.reduce((sum, { rows }) => sum + rows, 0) : null;
    this.#requests = new Requests(source, settings, description, this.#rowCount);
  }

  get size(): FilePart['size'] {
    return this.#rowCount === null ? undefined : { rows: this.#rowCount, rowGroups: this.#rowGroups.length };
  }

  get columnNames(): string[] {
    return this.#columns.map((column) => column.name);
  }

  get columnCount(): number {
    return this.#columns.length;
  }

  get columnTypes(): (string | null)[] {
    return this.#columns.map((column) => (column.unreadable === null ? typeOf(column) : null));
  }

  async inferColumns(): Promise<InferredColumn[]> {
    const nulls = this.#source.transform === null ? null : await this.#findNulls();
    const { date_formats } = this.#settings.format;
    // As with CSV, numbers become times only where a column mapping says so.
    const own = { date_format: 'server', date_formats } as const;
    return this.#columns.map((column, i) => ({
      name: column.name,
      type: epochOf(column, own) ? 'timestamptz' : typeOf(column),
      nullable: nulls ? nulls[i] !== 'false' : column.nullable,
      isUnknown: column.untyped && !isNested(column.duckdbType),
      decisions: [],
    }));
  }

  /** Returns for each column, as text, whether any row of the transform is null; null if there are no rows. */
  async #findNulls(): Promise<(string | null)[]> {
    const { readers, signal } = this.#source;
    const found = this.#columns.map(
      ({ duckdbName }) => `cast(bool_or(${quoteName(duckdbName)} is null) as varchar)`,
    );
    const reader = await readers.acquire(signal);
    try {
      return await reader.look(
        `select ${found.join(', ')} from ${this.#requests.from()}`,
        this.#requests.confinedTo,
      );
    } catch (error) {
      throw explain(error, this.#source.transform);
    } finally {
      readers.release(reader);
    }
  }

  copyInputs(plan: CopyPlan): CopyInput[] {
    this.#refuseTooManyRows(plan);
    return [
      toInput(
        this.#requests.copy(plan),
        this.#read((rows) => this.#requests.copy(plan, { rows })),
      ),
    ];
  }

  async sort(plan: CopyPlan, keys: SortKey[], timeColumn: string): Promise<SortedRows | null> {
    this.#refuseTooManyRows(plan);
    const order = this.#orderOfRuns(plan, keys, timeColumn);
    if (order !== null && (await this.#keepsApart(order, plan)))
      return { runs: () => this.#sortedRuns(plan, order), close: () => {} };
    const { file, sorters, signal } = this.#source;
    const columns = this.#requests.columns(plan);
    const endRow = this.#rowCount === null ? `${ROW_NUMBER} < 0` : null;
    const sorting = planSorting(this.#requests.from(), plan, columns, keys, endRow);
    if (sorters === null || sorting === null) return null;
    await file.whole();
    const reader = await sorters.acquire(signal);
    return {
      runs: () => this.#sortedRun(reader, plan, sorting, timeColumn),
      close: () => sorters.release(reader),
    };
  }

  /** Returns how the rows are sorted in runs; null if they cannot be. */
  #orderOfRuns(plan: CopyPlan, keys: SortKey[], timeColumn: string): RowOrder | null {
    const { runBytes } = this.#source;
    const request = runBytes === null || this.#rowCount === null ? null : this.#requests.copy(plan);
    if (request?.type !== 'read_binary') return null;
    // PostgreSQL ignores spaces at the end of such a text when it compares.
    const kinds = request.plan.kinds.map((kind, i) =>
      plan.columns[i]?.target.baseType === 'character' ? undefined : COMPARED[kind],
    );
    return planOrder(
      plan,
      kinds,
      keys,
      timeColumn,
      runLimits(runBytes!, this.#rowCount! * BYTES_OF_VALUE * plan.columns.length),
    );
  }

  /** Whether sorted runs would not overlap, as far as the statistics of the row groups say. */
  async #keepsApart(
    { firstRunBytes, runBytes, timeFirst, time }: RowOrder,
    plan: CopyPlan,
  ): Promise<boolean> {
    // All rows are in one run.
    if (firstRunBytes === runBytes) return true;
    if (!timeFirst || this.#rowGroups.length === 1) return false;
    const { file, readers, signal } = this.#source;
    const column = this.#columns[plan.columns[time.field]!.position]!;
    const reader = await readers.acquire(signal);
    try {
      const [inOrder] = await reader.look(inOrderQuery(file.path, column), undefined);
      return inOrder === 'true';
    } catch (error) {
      throw explain(error, null);
    } finally {
      readers.release(reader);
    }
  }

  #sortedRuns(plan: CopyPlan, order: RowOrder): AsyncGenerator<SortedRun, undefined> {
    const rows = this.#read((range) => this.#requests.copy(plan, { rows: range }));
    return toSortedRuns(sortRows(rows, order), order, 'row', () => {
      throw new Error('a Parquet file has no rows that only PostgreSQL can parse');
    });
  }

  /** Yields all rows as one run. */
  async *#sortedRun(
    reader: Reader,
    plan: CopyPlan,
    sorting: Sorting,
    timeColumn: string,
  ): AsyncGenerator<SortedRun> {
    const constant = plan.constants.find(({ target }) => target.name === timeColumn);
    const column =
      this.#requests.columns(plan)[plan.columns.findIndex(({ target }) => target.name === timeColumn)];
    const range = column ? await this.#bounds(reader, column) : null;
    const { value = null } = constant ?? {};
    const request = this.#requests.copy(plan, { sorting });
    const input = toInput(request, this.#check(this.#readExplained(reader, request)));
    yield { input, range: range ?? [value, value], apart: true };
  }

  async *batches(plan: CopyPlan): AsyncGenerator<RowBatch> {
    this.#refuseTooManyRows(plan);
    const read = new CountedRows(this.#read((rows) => this.#requests.text(plan, 'mark', { rows })));
    let row = 1;
    for await (const chunk of wholeLines(read)) {
      const batch = toBatch(splitLines(chunk, row));
      yield batch;
      row += batch.rowsRead;
    }
    if (row - 1 !== read.count) throw rowsDoNotAddUp(`${read.count} rows were read as ${row - 1} lines`);
  }

  #read(requestFor: (rows?: RowRange) => ReadRequest): RowBytes {
    return this.#check(this.#readRanges(requestFor));
  }

  /** Reads the file as its bytes come. The reader is released while the file waits for bytes, so that others can use it. */
  async *#readRanges(requestFor: (rows?: RowRange) => ReadRequest): RowBytes {
    const { file, readers, signal } = this.#source;
    let count = 0;
    for await (const rows of this.#rowRanges(file)) {
      const reader = await readers.acquire(signal);
      try {
        const request = requestFor(rows);
        count += rows
          ? yield* this.#readRange(reader, request, rows)
          : yield* this.#readExplained(reader, request);
      } finally {
        readers.release(reader);
      }
    }
    return count;
  }

  #refuseTooManyRows(plan: CopyPlan): void {
    if (this.#rowCount !== null) refuseTooManyRows(this.#rowCount, plan, this.#settings);
  }

  /** @throws ConnectorError `rows_do_not_add_up` if the number of rows differs from the footer's, `expanded_too_large` */
  async *#check(rows: RowBytes): RowBytes {
    const count = yield* limitExpansion(rows, this.#settings);
    if (this.#rowCount !== null && count !== this.#rowCount)
      throw rowsDoNotAddUp(`the file's footer says ${this.#rowCount}, and ${count} were read`);
    return count;
  }

  async *#rowRanges(file: SpooledFile): AsyncGenerator<RowRange | undefined> {
    const inRanges = this.#requests.isNumbered && this.#rowCount !== null;
    if (inRanges && file.available < file.sizeBytes) return yield* rowRanges(file, this.#rowGroups);
    await file.whole();
    yield undefined;
  }

  /** Reads a row range of a file that is still being fetched. Fails if the reader read bytes that had not arrived. */
  async *#readRange(reader: Reader, request: ReadRequest, { from, to }: RowRange): RowBytes {
    const { available, tailFrom } = this.#source.file;
    const rows = yield* this.#readExplained(reader, { ...request, extent: { available, tailFrom } });
    if (rows !== to - from) throw readTooEarly(`rows ${from + 1} to ${to} were read as ${rows} rows`);
    return rows;
  }

  async *#readExplained(reader: Reader, request: ReadRequest): RowBytes {
    try {
      return yield* reader.read(request);
    } catch (error) {
      throw explain(error, this.#source.transform);
    }
  }

  /** Returns the lowest and the highest value. */
  async #bounds(reader: Reader, column: TextColumn): Promise<[string | null, string | null]> {
    const [lowest, highest] = ['min', 'max'].map((end) => valueText(`${end}(${column.value})`, column));
    const query = `select ${lowest}, ${highest} from ${this.#requests.from()}`;
    const found = await reader.look(query, this.#requests.confinedTo).catch((error) => {
      throw explain(error, this.#source.transform);
    });
    return [found[0] ?? null, found[1] ?? null];
  }
}

/** Later files may have any type in an untyped column; DuckDB takes it for an integer. */
function typeOf({ duckdbType, untyped }: ReaderColumn): string {
  return postgresType(untyped ? duckdbType.replace('INTEGER', 'VARCHAR') : duckdbType);
}

function toInput({ type }: ReadRequest, rows: RowBytes): CopyInput {
  const format = type === 'read' ? textFormat(rows) : binaryFormat(rows);
  return { ...format, lineOf: (line) => line, unit: 'row' };
}
