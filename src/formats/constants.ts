/** A "constant" is a column with the same value in every row of a file. It is encoded for binary COPY once a file. */
import type { TableColumn } from '../table/table.ts';
import { kindOf, putterOf } from './pg_binary/kinds.ts';
import { putInt32, UNSURE, VALUE_ROOM } from './pg_binary/values.ts';

export interface ConstantColumn {
  /** The part of the key that it comes from; null for the file's id. */
  source: string | null;
  target: TableColumn;
  /** Text for the input function of the column's type; null for NULL. */
  value: string | null;
}

/** Fields of COPY's binary format, each with its length, that are appended to every row. */
export interface BinaryFields {
  count: number;
  bytes: Uint8Array;
}

/** Returns the constants in binary form; null if only PostgreSQL can parse one of them. */
export function toBinaryFields(constants: ConstantColumn[], timeZone: string): BinaryFields | null {
  const fields = constants.map((constant) => toBinaryField(constant, timeZone));
  if (!fields.every((field) => field !== null)) return null;
  return { count: fields.length, bytes: Buffer.concat(fields) };
}

function toBinaryField({ target, value }: ConstantColumn, timeZone: string): Uint8Array | null {
  const kind = kindOf(target, timeZone);
  if (kind === undefined) return null;
  const text = Buffer.from(value ?? '');
  const field = new Uint8Array(4 + text.length + VALUE_ROOM);
  const end = value === null ? 4 : putterOf(kind)(text, 0, text.length, field, 4);
  if (end === UNSURE) return null;
  putInt32(value === null ? -1 : end - 4, field, 0);
  return field.subarray(0, end);
}
