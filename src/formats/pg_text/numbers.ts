/**
 * Parses numbers: integers, decimals with an exponent, and the words NaN and Infinity. The parsers accept what is beyond
 * doubt; each caller adds its own rule, for example the number of digits.
 */
import { isWord } from './words.ts';

const ZERO = 0x30;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const EXPONENT = 0x65;
/** Setting this bit makes an ASCII letter lower case. */
const LOWER = 0x20;

/** Returns the position after a sign, if there is one. */
export function afterSign(bytes: Uint8Array, start: number): number {
  const byte = bytes[start];
  return byte === MINUS || byte === PLUS ? start + 1 : start;
}

/** Returns the value of the digits; NaN if the text is empty, or has other characters than digits. */
export function parseDigits(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return Number.NaN;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** The result of parseDecimal: its digits are from `first` to the end that it returned, except for the point. */
export const decimal = {
  /** The position after the sign. */
  first: 0,
  /** The position of the point; the end of the digits if there is none. */
  point: 0,
};

/**
 * Finds an optional sign, and digits with at most one point before, among or after them.
 * @returns the position after the longest such text, which may be empty
 */
export function parseDecimal(bytes: Uint8Array, start: number, end: number): number {
  const first = start < end ? afterSign(bytes, start) : start;
  let at = first;
  let point = -1;
  for (; at < end; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit >= 0 && digit <= 9) continue;
    if (point >= 0 || digit !== POINT - ZERO) break;
    point = at;
  }
  decimal.first = first;
  decimal.point = point < 0 ? at : point;
  return at;
}

/** Returns the power of ten of `e5`, `E+5` or `e-5`; NaN if the text is none, or has more than `maxDigits` digits. */
export function parseExponent(bytes: Uint8Array, start: number, end: number, maxDigits: number): number {
  if (start >= end || ((bytes[start] as number) | LOWER) !== EXPONENT) return Number.NaN;
  const first = afterSign(bytes, start + 1);
  if (end - first > maxDigits) return Number.NaN;
  const value = parseDigits(bytes, first, end);
  return bytes[start + 1] === MINUS ? -value : value;
}

/** Returns NaN or Infinity for their words, without a sign; undefined for other texts. */
export function parseFloatWord(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (isWord(bytes, start, end, 'nan')) return Number.NaN;
  const infinite = isWord(bytes, start, end, 'inf') || isWord(bytes, start, end, 'infinity');
  return infinite ? Number.POSITIVE_INFINITY : undefined;
}
