/**
 * Turns the text of a CSV field into the value that COPY's binary format holds for it.
 *
 * @param bytes holds the field, unquoted, from `start` up to, not including, `end`
 * @param to is written from `at` on, and has room for the field's length and VALUE_ROOM more
 * @returns where the value ends in `to`, or UNSURE if only PostgreSQL can tell what it makes of this text, or whether it
 *   refuses it
 */
export type PutValue = (bytes: Uint8Array, start: number, end: number, to: Uint8Array, at: number) => number;

/** Not a value, or one in a spelling that is left to PostgreSQL. */
export const UNSURE = -1;

/** Bytes by which a value may be longer than its text; a numeric of one digit has ten bytes. */
export const VALUE_ROOM = 24;

/** Puts a 32-bit integer, most significant byte first. */
export function putInt32(value: number, to: Uint8Array, at: number): number {
  to[at] = value >>> 24;
  to[at + 1] = value >>> 16;
  to[at + 2] = value >>> 8;
  to[at + 3] = value;
  return at + 4;
}

const TWO_32 = 2 ** 32;

/** Puts a 64-bit integer that a JavaScript number holds exactly. */
export function putSafeInt64(value: number, to: Uint8Array, at: number): number {
  const high = Math.floor(value / TWO_32);
  putInt32(high, to, at);
  return putInt32(value - high * TWO_32, to, at + 4);
}

/** Puts a 64-bit integer. */
export function putInt64(value: bigint, to: Uint8Array, at: number): number {
  putInt32(Number(value >> 32n), to, at);
  return putInt32(Number(value & 0xffffffffn), to, at + 4);
}
