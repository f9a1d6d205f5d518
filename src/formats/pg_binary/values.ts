/** Functions that "put" a text as a value of COPY's binary format, one function a type. */

/**
 * Encodes a text.
 *
 * @param bytes has the text from `start` to `end` (excluded)
 * @param to is written from `at` on; it needs room for the text's length and VALUE_ROOM more bytes
 * @returns the end of the value in `to`, or UNSURE if PostgreSQL must parse the text
 */
export type PutValue = (bytes: Uint8Array, start: number, end: number, to: Uint8Array, at: number) => number;

/** The text is invalid, or PostgreSQL must parse it. */
export const UNSURE = -1;

/** How many bytes longer than its text a value may be; a numeric of one digit has ten bytes. */
export const VALUE_ROOM = 24;

/** Writes a 32-bit integer, most significant byte first; returns its end. */
export function putInt32(value: number, to: Uint8Array, at: number): number {
  to[at] = value >>> 24;
  to[at + 1] = value >>> 16;
  to[at + 2] = value >>> 8;
  to[at + 3] = value;
  return at + 4;
}

const TWO_32 = 2 ** 32;

/** Writes a 64-bit integer that is an exact JavaScript number; returns its end. */
export function putSafeInt64(value: number, to: Uint8Array, at: number): number {
  const high = Math.floor(value / TWO_32);
  putInt32(high, to, at);
  return putInt32(value - high * TWO_32, to, at + 4);
}

/** Writes a 64-bit integer; returns its end. */
export function putInt64(value: bigint, to: Uint8Array, at: number): number {
  putInt32(Number(value >> 32n), to, at);
  return putInt32(Number(value & 0xffffffffn), to, at + 4);
}
