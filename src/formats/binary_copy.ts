import type { RowBytes } from './row_bytes.ts';

/** COPY's binary format: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT */

/** Signature, flags, and the length of a header extension that there is not. */
export const BINARY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
export const BINARY_TRAILER = Buffer.from([0xff, 0xff]);

/** Rows with what stands before and after them. */
export async function* asBinaryFile(rows: RowBytes): RowBytes {
  yield BINARY_HEADER;
  const count = yield* rows;
  yield BINARY_TRAILER;
  return count;
}
