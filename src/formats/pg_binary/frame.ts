/** The frame of COPY's binary format: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT */
import type { CopyBytes, RowBytes } from '../row_bytes.ts';

/** The signature, the flags, and a header extension of length 0. */
export const BINARY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
export const BINARY_TRAILER = Buffer.from([0xff, 0xff]);

/** Returns what COPY gets for rows in binary format. */
export function binaryFormat(rows: RowBytes): CopyBytes {
  return {
    options: 'format binary',
    data: asBinaryFile(rows),
    bare: { head: BINARY_HEADER, rows, tail: BINARY_TRAILER, lineEnd: null },
  };
}

/** Adds the header and the trailer to rows. */
async function* asBinaryFile(rows: RowBytes): RowBytes {
  yield BINARY_HEADER;
  const count = yield* rows;
  yield BINARY_TRAILER;
  return count;
}
