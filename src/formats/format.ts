import type { SpooledFile } from '../fetch/spooled_file.ts';
import type { TableColumn } from '../table/table.ts';
import type { WorkerContext } from '../task.ts';
import type { ConstantColumn } from './constants.ts';
import { csv } from './csv.ts';
import { parquet } from './parquet.ts';
import type { RowBytes } from './row_bytes.ts';

/** A column of a file, with the PostgreSQL type that holds all its values. */
export interface FileColumn {
  name: string;
  type: string;
  nullable: boolean;
}

/** A column of the file that goes into a column of the table. */
export interface MatchedColumn {
  /** Position in the file, from 0. */
  position: number;
  target: TableColumn;
}

/** What of a part goes where. */
export interface CopyPlan {
  /** In the order of the file. */
  columns: MatchedColumn[];
  /** Columns of the table that follow those of the file, in this order. */
  constants: ConstantColumn[];
  /** Whether the rows may come in more than one COPY: see TargetTable. */
  splittable: boolean;
}

/** What one COPY is given: its statement's options, and the bytes. */
export interface CopyInput {
  /** The list in COPY's WITH clause. */
  options: string;
  data: RowBytes;
  /** The line of the file, or its row, that COPY counts as `line`, from 1. */
  lineOf(line: number): number;
  unit: 'line' | 'row';
}

/** A row that was left out, and why. */
export interface Refusal {
  /** Line of the file where the row starts, or its number, from 1. */
  line: number;
  column: string | null;
  reason: string;
  raw: string;
}

/** Rows of a part, held in memory. */
export interface RowSet {
  count: number;
  /** COPY's input for the rows from `start` up to, not including, `end`, except those of `without`, which ascend. */
  copyInput(start: number, end: number, without?: number[]): CopyInput;
  /** The row that a line of the file belongs to. */
  rowAt(line: number): number;
  /** The line at which a row starts. */
  line(row: number): number;
  /** A row as it stands in the file. */
  raw(row: number): string;
}

/** A "probe": a COPY that lands nothing. */
export interface Probe {
  /** How many of COPY's columns, from the first one, its rows have. */
  columns: number;
  input: CopyInput;
}

/**
 * Rows with the same wrong number of fields. COPY refuses each of them, but not always for that: it converts the
 * encoding of a row, and the values before a missing one, first.
 */
export interface RaggedRows extends RowSet {
  fields: number;
  /** Fails, as COPY would, where one of the rows has such an earlier error. Its lines may say nothing: `rowAt` is -1. */
  probe(start: number, end: number, without: number[]): Probe;
}

/** Some rows of a part, so that the refused ones can be told from the others. */
export interface RowBatch extends RowSet {
  /** Rows that were read from the file: the `count`, the `refusals` and the `ragged` ones. */
  rowsRead: number;
  /** Rows that the reader itself refused; there may be millions, so they are made as they are asked for. */
  refusals: Iterable<Refusal>;
  ragged: RaggedRows[];
}

/** A column of the table to sort by. */
export interface SortKey {
  column: string;
  /** Its values need only stand together; which come first does not matter. */
  segment: boolean;
  descending: boolean;
  nullsFirst: boolean;
  /** Whether PostgreSQL compares its texts by their bytes. */
  byBytes: boolean;
}

/** The rows of a part in an order that PostgreSQL would have given them. */
export interface SortedRows {
  /** The lowest and the highest value of a column of the table, as text that PostgreSQL reads. */
  range(column: string): Promise<[lowest: string | null, highest: string | null]>;
  /** As a part's; their lines are not the file's rows. */
  copyInputs(): CopyInput[];
  /** Lets go of what sorts; rows that are not read by then are lost. */
  close(): void;
}

/** What is read as one table: a file, or one entry of an archive. */
export interface FilePart {
  /** Name within the archive; null for the file itself. */
  name: string | null;
  /** Column names in order; null where the file names none. */
  columnNames: string[] | null;
  columnCount: number;
  /** Types that hold every value of the part; null where it has neither rows nor types. */
  inferColumns(): Promise<FileColumn[] | null>;
  /** The part's rows, in order: one COPY after the other. Each one's data must be read before the next one is asked for. */
  copyInputs(plan: CopyPlan): AsyncIterable<CopyInput> | Iterable<CopyInput>;
  /** What lines are called in messages. */
  unit: 'line' | 'row';
  /** The same rows, sorted; null where PostgreSQL would sort them in another way. Not there: the format cannot sort. */
  sort?(plan: CopyPlan, keys: SortKey[]): Promise<SortedRows | null>;
  /** The same rows, some MB at a time. */
  batches(plan: CopyPlan): AsyncIterable<RowBatch>;
}

/** The columns of a connector that say how its files are written. */
export interface FormatSettings {
  csv_delimiter: string;
  csv_quote: string;
  csv_escape: string;
  csv_null: string;
  csv_encoding: string;
  csv_skip_header: boolean;
  time_zone: string;
  columnstore: boolean;
  transform: string | null;
  max_file_bytes: number;
  max_row_bytes: number;
}

/** A file format. A new one is one new file, and its line in FORMATS. */
export interface FileFormat {
  /** Bytes at the end of a large file that are needed before the others; 0: none. */
  tailBytes: number;
  /** The parts of a spooled file that hold rows, in order; whoever reads them waits for what is not there yet. */
  parts(
    file: SpooledFile,
    settings: FormatSettings,
    worker: WorkerContext,
    signal: AbortSignal,
  ): AsyncIterable<FilePart>;
}

/** By `connectors.file_format`. */
export const FORMATS: Record<'csv' | 'parquet', FileFormat> = { csv, parquet };
