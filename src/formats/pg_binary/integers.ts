/** Encodes smallint, integer and bigint. */
import { afterSign, parseDigits } from '../pg_text/numbers.ts';
import { type PutValue, putInt32, putInt64, putSafeInt64, UNSURE } from './values.ts';

const MINUS = 0x2d;

/** With up to SAFE_DIGITS a JavaScript number is exact, and up to INT64_DIGITS always fit into 64 bits. */
const SAFE_DIGITS = 15;
const INT64_DIGITS = 18;
const NINE_DIGITS = 1_000_000_000;

/** smallint: an optional sign and digits, as pg_strtoint16 reads them (src/backend/utils/adt/numutils.c). */
export const putInt2: PutValue = (bytes, start, end, to, at) => {
  const value = parseSafe(bytes, start, end);
  if (!(value >= -0x8000 && value <= 0x7fff)) return UNSURE;
  to[at] = value >> 8;
  to[at + 1] = value;
  return at + 2;
};

/** integer. */
export const putInt4: PutValue = (bytes, start, end, to, at) => {
  const value = parseSafe(bytes, start, end);
  return value >= -0x80000000 && value <= 0x7fffffff ? putInt32(value, to, at) : UNSURE;
};

/** bigint. */
export const putInt8: PutValue = (bytes, start, end, to, at) => {
  const value = parseSafe(bytes, start, end);
  if (!Number.isNaN(value)) return putSafeInt64(value, to, at);
  const first = afterSign(bytes, start);
  if (end - first > INT64_DIGITS || end - first <= SAFE_DIGITS) return UNSURE;
  const high = parseDigits(bytes, first, end - 9);
  const low = parseDigits(bytes, end - 9, end);
  if (!(high + low >= 0)) return UNSURE;
  const size = BigInt(high) * BigInt(NINE_DIGITS) + BigInt(low);
  return putInt64(bytes[start] === MINUS ? -size : size, to, at);
};

/** Returns NaN if the text is not an integer of at most SAFE_DIGITS digits. */
function parseSafe(bytes: Uint8Array, start: number, end: number): number {
  const first = afterSign(bytes, start);
  if (end - first > SAFE_DIGITS) return Number.NaN;
  const size = parseDigits(bytes, first, end);
  // The subtraction avoids -0, which is another value as a float.
  return bytes[start] === MINUS ? 0 - size : size;
}
