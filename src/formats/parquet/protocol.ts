/** The messages between the worker and a reader process. */

import type { Transform } from '../duckdb_file.ts';
import type { BinaryPlan } from './binary/kinds.ts';

export type ReaderRequest = {
  /** The only file that the request may read, set if it contains a user's SQL. Default: any below the spool directory. */
  confinedTo?: string | undefined;
} & (
  | { type: 'describe'; path: string; transform: Transform | null }
  /** A query with one BLOB column, whose values are written one after the other. */
  | {
      type: 'read';
      query: string;
      rows: ExpectedRows;
      maxRowBytes: number;
      maxRows: number | null;
      sorting?: Sorting | undefined;
      extent?: Extent | null;
    }
  /** The columns of a query as rows of COPY's binary format, without header and trailer. */
  | {
      type: 'read_binary';
      plan: BinaryPlan;
      rows: ExpectedRows;
      maxRowBytes: number;
      maxRows: number | null;
      sorting?: Sorting | undefined;
      extent?: Extent | null;
    }
  /** A query with one row of texts. */
  | { type: 'look'; query: string }
);

/** The rows that a query must return, so that the end of its stream can be told from an error. */
export interface ExpectedRows {
  /** The number of the first row, from 0. */
  first: number;
  /** The number of rows; null if the query marks its end itself, with a last row numbered -1. */
  count: number | null;
  /** Whether the query's last column holds the rows' numbers. */
  numbers: 'in order' | 'in any order' | 'none';
}

/** How the reader sorts a query's rows. */
export interface Sorting {
  /** What the query reads from. */
  source: string;
  /** A condition that is true for a row that must come last, if there is one. */
  last: string | null;
  keys: {
    /** A column of the source, quoted. */
    column: string;
    /** Whether equal texts only need to be adjacent: then their dictionary numbers are sorted, which is faster. */
    dictionary: boolean;
    direction: string;
  }[];
}

/** The "extent" of a file is the part fetched so far: its bytes up to `available`, and those from `tailFrom` on. */
export interface Extent {
  available: number;
  tailFrom: number;
}

/**
 * The answer of a reader process. The rows do not come through this channel, which is slow, but through OUTPUT; `written`
 * is the number of bytes sent there.
 */
export type ReaderAnswer = Outcome & { written: number };

export type Outcome =
  | { type: 'described'; file: FileDescription }
  | { type: 'looked'; values: (string | null)[] }
  | { type: 'done'; rows: number }
  | { type: 'read_too_early' }
  /** `rows`: how many rows were written before. */
  | { type: 'failed'; message: string; rows: number }
  | { type: 'rows_do_not_add_up'; message: string }
  | { type: 'transform_refused'; message: string }
  | { type: 'row_too_large'; row: number; bytes: number }
  | { type: 'too_many_rows'; rows: number };

/** The file descriptor to which a reader process writes rows, and nothing else. */
export const OUTPUT = 3;

export interface FileDescription {
  /** The transform's columns, if there is one. */
  columns: ReaderColumn[];
  /** Columns that the transform does not see. */
  hidden: string[];
  /** In file order. */
  rowGroups: RowGroup[];
}

/** A "row group": the section of a Parquet file that holds all columns of some rows. */
export interface RowGroup {
  rows: number;
  /** Its first byte in the file; `end` is the byte after its last. */
  start: number;
  end: number;
}

/** How a column's times were written, if not in the usual way; see spark.ts. */
export interface WrittenTime {
  /** Whether they are INT96, which are instants. */
  int96: boolean;
  /** Hybrid: Julian before 1582-10-15. */
  calendar: 'gregorian' | 'hybrid' | 'unknown before 1900';
}

export interface ReaderColumn {
  name: string;
  /** Its name in DuckDB's queries, where case does not distinguish names. */
  duckdbName: string;
  duckdbType: string;
  /** Whether any row group has a null, or no statistics. */
  nullable: boolean;
  /** Whether the file has only nulls in it, without a type. */
  untyped: boolean;
  written: WrittenTime | null;
  /** Why its values cannot be read without loss, and the error's code; null if they can. */
  unreadable: { code: 'unsupported_type' | 'unsupported_nesting'; reason: string } | null;
}

/** Returns where a reader process spills to disk. Each process needs its own directory: DuckDB's file names are the same. */
export function spillDirectory(spoolDir: string, pid: number): string {
  return `${spoolDir}/duckdb.${pid}`;
}
