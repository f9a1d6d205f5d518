import type { BinaryPlan } from './binary/kinds.ts';
import type { Sorting } from './sort.ts';

/** What the worker asks of a reader process. */
export type ReaderRequest =
  | { type: 'describe'; path: string }
  /** A query whose one column is a BLOB; its values are sent on, many to a chunk. */
  | { type: 'read'; query: string; maxRowBytes: number; sorting?: Sorting | undefined }
  /** The columns of a query as COPY's binary format. */
  | { type: 'read_binary'; plan: BinaryPlan; maxRowBytes: number; sorting?: Sorting | undefined }
  /** A query with one row of texts. */
  | { type: 'look'; query: string }
  /** The receiver has room for one more chunk. */
  | { type: 'more' };

/** What a reader process answers. */
export type ReaderAnswer =
  | { type: 'described'; columns: ReaderColumn[] }
  | { type: 'chunk'; data: Uint8Array }
  | { type: 'looked'; values: (string | null)[] }
  | { type: 'done' }
  | { type: 'failed'; message: string }
  | { type: 'row_too_large'; row: number; bytes: number };

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
