import type { TableColumn } from '../target/table.ts';
import type { WorkerContext } from '../task.ts';
import { csv } from './csv.ts';
import { parquet } from './parquet.ts';

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
  /** A column of the table that gets the same value in every row. */
  constant: { target: TableColumn; value: string } | null;
}

/** What COPY is given for one part: its statement's options, and the bytes. */
export interface CopyInput {
  /** The list in COPY's WITH clause. */
  options: string;
  data: AsyncIterable<Uint8Array>;
  /** What COPY's line 1 is in the file: a CSV's line after its header, a Parquet file's first row. */
  firstLine: number;
  unit: 'line' | 'row';
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
  copyInput(plan: CopyPlan): CopyInput;
}

/** The columns of a connector that say how its files are written. */
export interface FormatSettings {
  csv_delimiter: string;
  csv_quote: string;
  csv_escape: string;
  csv_null: string;
  csv_encoding: string;
  csv_skip_header: boolean;
  max_file_bytes: number;
  max_row_bytes: number;
}

/** A file format. A new one is one new file, and its line in FORMATS. */
export interface FileFormat {
  /** The parts of a spooled file that hold rows, in order. */
  parts(path: string, settings: FormatSettings, worker: WorkerContext): AsyncIterable<FilePart>;
}

/** By `connectors.file_format`. */
export const FORMATS: Record<'csv' | 'parquet', FileFormat> = { csv, parquet };
