import type { TableColumn } from '../table/table.ts';
import { kindOf, putterOf } from './csv/binary/kinds.ts';
import { putInt32, UNSURE, VALUE_ROOM } from './csv/binary/values.ts';

/** A column of the table that gets the same value in every row. */
export interface ConstantColumn {
  /** The part of the key that it comes from; null for the file's id. */
  source: string | null;
  target: TableColumn;
  /** As PostgreSQL's input function of the column's type reads it; null is null. */
  value: string | null;
}

/** Fields of COPY's binary format, each with its length, that end every row. */
export interface BinaryFields {
  count: number;
  bytes: Uint8Array;
}

/** The constants in binary form; null where only PostgreSQL can tell what it makes of one of them. */
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
