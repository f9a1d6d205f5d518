import type { BinaryPlan } from './binary/kinds.ts';

/** What the worker asks of a reader process. */
export type ReaderRequest =
  | { type: 'describe'; path: string }
  /** A query whose one column is a BLOB; its values are sent on, many to a chunk. */
  | { type: 'read'; query: string; maxRowBytes: number }
  /** The columns of a query as COPY's binary format. */
  | { type: 'read_binary'; plan: BinaryPlan; maxRowBytes: number }
  /** The receiver has room for one more chunk. */
  | { type: 'more' };

/** What a reader process answers. */
export type ReaderAnswer =
  | { type: 'described'; columns: ReaderColumn[] }
  | { type: 'chunk'; data: Uint8Array }
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
