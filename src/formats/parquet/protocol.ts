import type { BinaryPlan } from './binary/kinds.ts';
import type { Sorting } from './sort.ts';

/** What the worker asks of a reader process. */
export type ReaderRequest =
  | { type: 'describe'; path: string }
  /** A query whose one column is a BLOB; its values are written one after the other. */
  | {
      type: 'read';
      query: string;
      maxRowBytes: number;
      sorting?: Sorting | undefined;
      extent?: Extent | null;
    }
  /** The columns of a query as rows of COPY's binary format, without header and trailer. */
  | {
      type: 'read_binary';
      plan: BinaryPlan;
      maxRowBytes: number;
      sorting?: Sorting | undefined;
      extent?: Extent | null;
    }
  /** A query with one row of texts. */
  | { type: 'look'; query: string };

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
  | { type: 'failed'; message: string }
  | { type: 'row_too_large'; row: number; bytes: number };

/** The file descriptor of a reader process to which it writes what it reads; nothing else is ever written there. */
export const OUTPUT = 3;

export interface FileDescription {
  columns: ReaderColumn[];
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
  /** Why its values cannot be read as they are; null where they can. */
  unreadable: string | null;
}

/** Where a reader process puts what does not fit into its memory; each has its own, as their files have the same names. */
export function spillDirectory(spoolDir: string, pid: number): string {
  return `${spoolDir}/duckdb.${pid}`;
}
