/** The interface of a file format: "parts", the COPY input made of them, and batches from which bad rows are sorted out. */
import type { ConnectorError } from '../errors.ts';
import type { SpooledFile } from '../fetch/spooled_file.ts';
import type { TableColumn } from '../table/table.ts';
import type { ConstantColumn } from './constants.ts';
import type { CsvOptions, KernelMode } from './csv/options.ts';
import type { DuckdbFile } from './duckdb_file.ts';
import type { EncoderThread } from './encoder/encoder_thread.ts';
import type { JsonOptions } from './json/options.ts';
import type { Reader } from './parquet/reader_process.ts';
import type { Decision } from './pg_text/column_kinds.ts';
import type { Pool } from './pool.ts';
import type { BareRows, RowBytes } from './row_bytes.ts';

/** A column of a file, with the PostgreSQL type that holds all its values. */
export interface FileColumn {
  name: string;
  type: string;
  nullable: boolean;
}

/** A column with what its values, or the file, say about its type. */
export interface InferredColumn extends FileColumn {
  /** The kind that all its values have (pg_text/text_kinds.ts), finer than the type. Absent: the file declares the type. */
  kind?: number;
  /** Whether the column has no value, so that any type would do. */
  isUnknown: boolean;
  /** The values that decided the type, the last one in the end; none if the type is not from values. */
  decisions: Decision[];
}

/** A column of the file that goes into a column of the table. */
export interface MatchedColumn {
  /** Position in the file, from 0. */
  position: number;
  target: TableColumn;
  /** Whether it is the field as the file has it, which may go into another column, too. Such columns are the last ones. */
  asIs?: boolean;
  /** The column as which its values are converted, where `target` takes them as text. */
  readAs?: TableColumn;
}

/** A column of the table whose values PostgreSQL computes from the rows of a staging table. */
export interface ComputedColumn {
  target: TableColumn;
  /** One SQL expression over `value` and `row`. */
  expression: string;
  /** Whether column_mappings has the expression, and not ourselves. */
  isOwn: boolean;
  /** What `value` is: the field at a position, or a part of the key; null: there is no `value`. */
  value: number | { text: string | null } | null;
}

/** What goes into the rescue column of the table: it does not come by COPY. */
export interface RescuePlan {
  target: TableColumn;
  /** The file's columns that the table lacks, ordered as in the file, with unique names. */
  unknown: { position: number; name: string }[];
  /** Whether values that their column's type refuses go there, too. */
  values: boolean;
  /** For a part whose rows name their own columns: in place of `unknown`, the whole record without the keys that have a place. */
  record?: { except: string[]; unknown: string[] };
}

/** The keys of a part whose rows each name their own columns: see `FilePart.namesKeys`. */
export interface PlannedKeys {
  /** The source column of each position: those of the part, and then those that any row may have. */
  names: string[];
  /** Keys that are left out on purpose. */
  known: string[];
  /** Keys that no row had so far, of columns that have a default: the plan does not fill these. */
  late: string[];
  /** Whether a key that is none of these fails the file. */
  refusesUnknown: boolean;
  /** The names of the table's columns, for messages. */
  has: string[];
}

/** Which columns of a part go into which columns of the table. */
export interface CopyPlan {
  /** Ordered as in the file. */
  columns: MatchedColumn[];
  /** The number of fields in a row of the file. */
  width: number;
  /** The column that gets the row's line or number. It follows the file's columns in the COPY. */
  line: TableColumn | null;
  /** They follow in the COPY, in this order. */
  constants: ConstantColumn[];
  /** They do not come by COPY. */
  computed: ComputedColumn[];
  /** Null: nothing is rescued. */
  rescue: RescuePlan | null;
  /** Whether the rows may be split over several COPY statements: see TargetTable. */
  splittable: boolean;
  /** The columns that say what becomes of a row, if rows are changes. The table may lack them. Null: the file has none. */
  changes?: { change: TableColumn | null; sequence: TableColumn | null };
  /** Only for a part whose rows name their own columns. */
  keys?: PlannedKeys;
  /** What is suspicious in it, for the file's notice; null: nothing. */
  notice: string | null;
}

/** The options and the bytes of one COPY statement. */
export interface CopyInput {
  /** The list in COPY's WITH clause. */
  options: string;
  data: RowBytes;
  /** Maps COPY's line number to the line or row of the file, both from 1. */
  lineOf(line: number): number;
  unit: 'line' | 'row';
  /** The same bytes without what surrounds the rows, for a COPY that has the rows of several files. Read this or `data`. */
  bare?: BareRows;
}

/** A row that was left out, with the reason. */
export interface Refusal {
  /** The line on which the row starts, or the row's number, from 1. */
  line: number;
  column: string | null;
  reason: string;
  raw: string;
  /** Set if a value does not fit its column's type. */
  mismatch?: ConnectorError | undefined;
}

/** Rows of a part, held in memory. */
export interface RowSet {
  count: number;
  /** Returns the input for rows `start` to `end` (excluded), except those in `without`, which is in ascending order. */
  copyInput(start: number, end: number, without?: number[]): CopyInput;
  /** Returns the row that a line of the file belongs to. */
  rowAt(line: number): number;
  /** Returns the line on which a row starts. */
  line(row: number): number;
  /** Returns a row's text, unchanged from the file. */
  raw(row: number): string;
}

/** A "probe": a COPY that only checks rows and never keeps any. */
export interface Probe {
  /** The number of columns in the probe's rows, counted from COPY's first column. */
  columns: number;
  input: CopyInput;
}

/**
 * "Ragged" rows: all have the same wrong number of fields. COPY refuses each of them, but may report another error:
 * it first converts the row's encoding and the values before the missing one.
 */
export interface RaggedRows extends RowSet {
  fields: number;
  /** Returns a probe that fails if a row has such an earlier error. `rowAt` is -1 if its line numbers mean nothing. */
  probe(start: number, end: number, without: number[]): Probe;
}

/** Some MB of a part's rows in memory, from which bad rows are sorted out. */
export interface RowBatch extends RowSet {
  /** Rows read from the file: the sum of `count`, `refusals` and the `ragged` rows. */
  rowsRead: number;
  /** Rows that the reader itself refused. Created lazily, because millions are possible. */
  refusals: Iterable<Refusal>;
  ragged: RaggedRows[];
}

/** A column of the table to sort by. */
export interface SortKey {
  column: string;
  /** Equal values only need to be adjacent; their order does not matter. */
  segment: boolean;
  descending: boolean;
  nullsFirst: boolean;
  /** Whether PostgreSQL compares the column's texts by their bytes. */
  byBytes: boolean;
}

/** Rows of a part for one COPY, sorted as PostgreSQL would sort them. */
export interface SortedRun {
  /** Its line numbers are not the file's. */
  input: CopyInput;
  /**
   * The lowest and the highest value of the table's time column, or a lower and a higher one, as text that PostgreSQL reads. Null: the
   * rows are not sorted.
   */
  range: [lowest: string | null, highest: string | null] | null;
  /** Whether its rows overlap with none of the runs before, in any segment. */
  apart: boolean;
}

/** A part's rows, sorted in runs. */
export interface SortedRows {
  /** Yields the same rows as a part's `copyInputs`. Read all data of one before asking for the next. */
  runs(): AsyncIterable<SortedRun>;
  /** Releases the sorter; rows that were not read yet are lost. */
  close(): void;
}

/** A "part" is read as one table: a file, or one entry of an archive. */
export interface FilePart {
  /** The name within the archive; null for the file itself. */
  name: string | null;
  /** Column names in order; null if the file has none. */
  columnNames: string[] | null;
  /** Without names: the number of fields in the first row, which may be a bad one. */
  columnCount: number;
  /** The PostgreSQL types of its columns, with null for one that cannot be read. Absent: all are text. */
  columnTypes?: (string | null)[] | undefined;
  /** Its rows and row groups, if they are known before it is read. */
  size?: { rows: number; rowGroups: number } | undefined;
  /** Whether the fields that a row has too many are left out. */
  cutsLongRows?: boolean;
  /** Whether each row names its own columns. Then `columnNames` are those of the first rows; after `inferColumns`, of all rows. */
  namesKeys?: boolean;
  /**
   * Returns columns whose types keep every value of the part; null if the part has neither rows nor types.
   * @param maxBytes how much of it to read at most
   */
  inferColumns(maxBytes?: number): Promise<InferredColumn[] | null>;
  /**
   * Refuses a part that is evidently of another format. For a part that makes the table: later ones are compared with it.
   * @throws ConnectorError `not_csv`, `invalid_json`
   */
  refuseImplausible?(): Promise<void>;
  /** Returns what was suspicious in the rows that were read, and what to do; null or absent: nothing. */
  notice?(): string | null;
  /** Returns what is suspicious in the first rows. */
  lookForNotice?(): Promise<string | null>;
  /** Returns the part's rows in order, as consecutive COPY inputs. Read all data of one before asking for the next. */
  copyInputs(plan: CopyPlan): AsyncIterable<CopyInput> | Iterable<CopyInput>;
  /** The word for a line number in messages. */
  unit: 'line' | 'row';
  /** Returns the same rows, sorted; null if PostgreSQL would sort them differently. Absent if the format cannot sort. */
  sort?(plan: CopyPlan, keys: SortKey[], timeColumn: string): Promise<SortedRows | null>;
  /** Returns the same rows, some MB at a time. */
  batches(plan: CopyPlan): AsyncIterable<RowBatch>;
}

/** What the worker lends a format. */
export interface FormatTools {
  readonly config: { encodeCsvFromBytes: number; csvKernel: KernelMode; allowTransform: boolean };
  /** Processes that read Parquet. */
  readonly readers: Pool<Reader>;
  /** Readers that also sort; null where nothing is to be sorted. */
  readonly sorters: Pool<Reader> | null;
  /** Threads that encode large CSV files. */
  readonly encoders: Pool<EncoderThread>;
  /** How much memory a run of sorted rows may take in a thread, in bytes; see sort/run.ts. */
  readonly runBytes: number;
  /** Reads a file with DuckDB. With a transform, the part's columns and rows are the transform's. */
  openDuckdbFile(
    file: DuckdbFile,
    settings: FormatSettings,
    tools: FormatTools,
    signal: AbortSignal,
  ): Promise<FilePart>;
}

/** The connector's columns that control how its files are read. */
export interface FormatSettings {
  format: CsvOptions & JsonOptions;
  match_columns_by: 'name' | 'position';
  on_unknown_column: 'fail' | 'ignore' | 'add' | 'rescue';
  on_missing_column: 'default' | 'fail';
  time_zone: string;
  columnstore: boolean;
  transform: string | null;
  sequence_column: string | null;
  max_file_bytes: number;
  max_row_bytes: number;
  max_rows: number | null;
}

/** A file format. A new one is one new file, and its line in registry.ts. */
export interface FileFormat {
  /** How many bytes at the end of a large file are needed first, and fetched by a request of their own; 0 for none. */
  tailBytes: number;
  /** Returns the parts that hold rows, in order. Reading a part waits for bytes that are still being fetched. */
  parts(
    file: SpooledFile,
    settings: FormatSettings,
    tools: FormatTools,
    signal: AbortSignal,
  ): AsyncIterable<FilePart>;
}
