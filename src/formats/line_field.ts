/**
 * The "line field" is the row's line of the file in COPY's binary format. It stands before the constants, which are the end of each
 * row: encoders append it with them, empty, and the lines are filled in afterwards.
 */
import type { TableColumn } from '../table/table.ts';
import type { BinaryFields } from './constants.ts';
import { putInt32, putSafeInt64 } from './pg_binary/values.ts';

const LENGTH_BYTES = 4;
const LINE_BYTES = 8;

/** Whether rows can be encoded with their lines: a column of another type than bigint gets them as text. */
export function isEncodable(line: TableColumn | null): boolean {
  return line === null || line.baseType === 'bigint';
}

/** Returns the constants with an empty line field before them. */
export function withLineField({ count, bytes }: BinaryFields): BinaryFields {
  const field = new Uint8Array(LENGTH_BYTES + LINE_BYTES);
  putInt32(LINE_BYTES, field, 0);
  return { count: count + 1, bytes: Buffer.concat([field, bytes]) };
}

/** Fills in the line field at a position. */
export function fillLine(out: Uint8Array, at: number, line: number): void {
  putSafeInt64(line, out, at + LENGTH_BYTES);
}

/**
 * Fills in the line fields of rows.
 * @param ends the fields at the end of each row, with its line field first
 * @param lineAt the line of a row, by its index
 */
export function putLines(rows: Uint8Array, ends: BinaryFields, lineAt: (row: number) => number): void {
  const endBytes = ends.bytes.length;
  for (let at = 0, row = 0; at < rows.length; row++) {
    const fields = ((rows[at] as number) << 8) | (rows[at + 1] as number);
    at += 2;
    for (let field = ends.count; field < fields; field++) {
      const length =
        ((rows[at] as number) << 24) |
        ((rows[at + 1] as number) << 16) |
        ((rows[at + 2] as number) << 8) |
        (rows[at + 3] as number);
      at += length < 0 ? LENGTH_BYTES : LENGTH_BYTES + length;
    }
    fillLine(rows, at, lineAt(row));
    at += endBytes;
  }
}
