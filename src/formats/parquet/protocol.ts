import type { BinaryPlan } from './binary/kinds.ts';

/** What the worker asks of a reader process. */
export type ReaderRequest = {
  /** The only file that the request may read, because a person's SQL is in it; else any below the spool directory. */
  confinedTo?: string | undefined;
} & (
  | { type: 'describe'; path: string; transform: string | null }
  /** A query whose one column is a BLOB; its values are written one after the other. */
  | {
      type: 'read';
      query: string;
      rows: ExpectedRows;
      maxRowBytes: number;
      sorting?: Sorting | undefined;
      extent?: Extent | null;
    }
  /** The columns of a query as rows of COPY's binary format, without header and trailer. */
  | {
      type: 'read_binary';
      plan: BinaryPlan;
      rows: ExpectedRows;
      maxRowBytes: number;
      sorting?: Sorting | undefined;
      extent?: Extent | null;
    }
  /** A query with one row of texts. */
  | { type: 'look'; query: string }
);

/** Which rows a query gives, so that the end of its stream can be told from an error. */
export interface ExpectedRows {
  /** The number of the first one, from 0. */
  first: number;
  /** How many there are; null where the query says so itself, by a last row with the number -1. */
  count: number | null;
  /** Whether the query's last column holds the rows' numbers. */
  numbers: 'in order' | 'in any order' | 'none';
}

/** What a query's rows are sorted by, for the reader. */
export interface Sorting {
  /** What the query reads from. */
  source: string;
  /** A condition for a row that comes behind all others, if there is one. */
  last: string | null;
  keys: {
    /** Of the source, quoted. */
    column: string;
    /** Texts that only need to stand together: their numbers in a dictionary are faster to sort. */
    dictionary: boolean;
    direction: string;
  }[];
}

/** What of a file is there: its bytes up to `available`, and those from `tailFrom` on. */
export interface Extent {
  available: number;
  tailFrom: number;
}

/**
 * What a reader process answers to each request. What it reads goes another way, through OUTPUT, because the channel of the
 * requests is slow; `written` says how many bytes went there.
 */
export type ReaderAnswer = Outcome & { written: number };

export type Outcome =
  | { type: 'described'; file: FileDescription }
  | { type: 'looked'; values: (string | null)[] }
  | { type: 'done'; rows: number }
  | { type: 'read_too_early' }
  /** After so many rows, which are written. */
  | { type: 'failed'; message: string; rows: number }
  | { type: 'rows_do_not_add_up'; message: string; rows: number }
  | { type: 'transform_refused'; message: string }
  | { type: 'row_too_large'; row: number; bytes: number };

/** The file descriptor of a reader process to which it writes what it reads; nothing else is ever written there. */
export const OUTPUT = 3;

export interface FileDescription {
  /** Those of its transform, if it has one. */
  columns: ReaderColumn[];
  /** Columns that the transform does not see. */
  hidden: string[];
  /** In the order of their rows. */
  rowGroups: RowGroup[];
}

/** A part of the file that holds all columns of some rows. */
export interface RowGroup {
  rows: number;
  /** Where its bytes lie in the file. */
  start: number;
  end: number;
}

export interface ReaderColumn {
  name: string;
  duckdbType: string;
  /** Whether any row group holds a null, or does not say. */
  nullable: boolean;
  /** Why its values cannot be read as they are, and the code of that error; null where they can. */
  unreadable: { code: 'unsupported_type' | 'unsupported_nesting'; reason: string } | null;
}

/** Where a reader process puts what does not fit into its memory; each has its own, as their files have the same names. */
export function spillDirectory(spoolDir: string, pid: number): string {
  return `${spoolDir}/duckdb.${pid}`;
}
