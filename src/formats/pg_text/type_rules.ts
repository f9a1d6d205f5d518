/**
 * The types that inference knows, and their syntax. A "type rule" accepts less than its type's parser: it decides the type
 * of a new table. Values are ranges of a buffer, which is faster than strings.
 */
import { decimal, parseDecimal, parseExponent, parseFloatWord } from './numbers.ts';
import { parseDate, parseOffset, parseStamp, time } from './times.ts';
import { parseBoolean, parseUuid } from './words.ts';

export interface TypeRule {
  /** The name of the value's syntax; several kinds may have the same type. */
  kind: string;
  /** PostgreSQL's type for a column with only values of this kind. */
  type: string;
  /** Whether the value has this syntax; the type itself may accept more. */
  matches: (bytes: Uint8Array, start: number, end: number) => boolean;
  /** Kinds whose type also accepts every value of this kind. */
  widensTo: string[];
}

/** Longer values are always text. */
export const LONGEST_TYPED_VALUE = 128;

/**
 * In order of preference: a column with two kinds gets the first kind that both widen to, or text. A new type is one new
 * entry.
 */
export const TYPE_RULES: TypeRule[] = [
  { kind: 'truth', type: 'boolean', matches: isTruth, widensTo: [] },
  // A column with nothing but NaN may be anything. Among numbers, NaN is a number.
  {
    kind: 'not a number',
    type: 'text',
    matches: isNotANumber,
    widensTo: ['decimal', 'fixed decimal', 'negative zero', 'long decimal'],
  },
  {
    kind: 'integer',
    type: 'bigint',
    matches: isInteger,
    widensTo: ['long integer', 'decimal', 'fixed decimal', 'negative zero', 'long decimal'],
  },
  // More digits than a double represents exactly.
  { kind: 'long integer', type: 'bigint', matches: isLongInteger, widensTo: ['long decimal'] },
  {
    kind: 'decimal',
    type: 'double precision',
    matches: isDecimal,
    widensTo: ['fixed decimal', 'negative zero', 'long decimal'],
  },
  // `1.50`: only numeric keeps the zeros. `1.0` is how many programs write a float.
  {
    kind: 'fixed decimal',
    type: 'numeric',
    matches: isFixedDecimal,
    widensTo: ['negative zero', 'long decimal'],
  },
  // Of the types of numbers, only those of floats have it. Beside it, trailing zeros are not kept.
  { kind: 'negative zero', type: 'double precision', matches: isNegativeZero, widensTo: [] },
  { kind: 'long decimal', type: 'numeric', matches: isLongDecimal, widensTo: [] },
  { kind: 'date', type: 'date', matches: isDate, widensTo: ['timestamp'] },
  { kind: 'timestamp', type: 'timestamptz', matches: isTimestamp, widensTo: [] },
  { kind: 'uuid', type: 'uuid', matches: isUuid, widensTo: [] },
];

const ZERO = 0x30;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
/** Setting this bit makes an ASCII letter lower case. */
const LOWER = 0x20;

/** A double represents this many decimal digits exactly. */
const DOUBLE_DIGITS = 15;
/** Powers of ten that are safely in the range of a double. */
const DOUBLE_EXPONENT = 290;
/** Powers of ten that are safely in the range of a numeric. */
const NUMERIC_EXPONENT = 1000;
/** `e`, a sign, and the digits. */
const LONGEST_EXPONENT = 6;
const MAX_BIGINT = '9223372036854775807';
const MIN_BIGINT = '9223372036854775808';

/** `2024-01-31 23:59`. */
const SHORTEST_TIMESTAMP = 16;
/** PostgreSQL rounds a fraction to microseconds. */
const MAX_FRACTION_DIGITS = 9;

const T = 0x74;
const F = 0x66;

const NONE = 0;
const INTEGER = 1;
const LONG_INTEGER = 2;
const DECIMAL = 3;
const LONG_DECIMAL = 4;
const FIXED_DECIMAL = 5;
const NEGATIVE_ZERO = 6;

function isInteger(bytes: Uint8Array, start: number, end: number): boolean {
  return numberKind(bytes, start, end) === INTEGER;
}
function isLongInteger(bytes: Uint8Array, start: number, end: number): boolean {
  return numberKind(bytes, start, end) === LONG_INTEGER;
}
function isDecimal(bytes: Uint8Array, start: number, end: number): boolean {
  return numberKind(bytes, start, end) === DECIMAL;
}
function isLongDecimal(bytes: Uint8Array, start: number, end: number): boolean {
  return numberKind(bytes, start, end) === LONG_DECIMAL;
}
function isFixedDecimal(bytes: Uint8Array, start: number, end: number): boolean {
  return numberKind(bytes, start, end) === FIXED_DECIMAL;
}
function isNegativeZero(bytes: Uint8Array, start: number, end: number): boolean {
  return numberKind(bytes, start, end) === NEGATIVE_ZERO;
}

/** `-12`, `1.50`, `.5`, `1e-3`. No plus sign and no leading zeros: phone numbers and zip codes are text. */
function numberKind(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] === PLUS) return NONE;
  const at = parseDecimal(bytes, start, end);
  const { first, point } = decimal;
  const whole = point - first;
  if (whole > 1 && bytes[first] === ZERO) return NONE;
  if (point === end) return whole === 0 ? NONE : integerKind(bytes, first, end, first > start);
  const fraction = at - point - 1;
  if (point < at ? fraction === 0 : whole === 0) return NONE;
  const exponent = at === end ? 0 : exponentOf(bytes, at, end);
  if (Number.isNaN(exponent) || Math.abs(exponent) > NUMERIC_EXPONENT) return NONE;
  const digits = significantDigits(bytes, first, at);
  if (digits > DOUBLE_DIGITS || Math.abs(exponent) + (at - first) > DOUBLE_EXPONENT) return LONG_DECIMAL;
  if (first > start && isZero(bytes, first, at)) return NEGATIVE_ZERO;
  return at === end && fraction > 1 && bytes[end - 1] === ZERO ? FIXED_DECIMAL : DECIMAL;
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== ZERO && bytes[at] !== POINT) return false;
  return true;
}

function integerKind(bytes: Uint8Array, start: number, end: number, negative: boolean): number {
  const digits = end - start;
  if (negative && digits === 1 && bytes[start] === ZERO) return NEGATIVE_ZERO;
  if (digits <= DOUBLE_DIGITS) return INTEGER;
  if (digits < MAX_BIGINT.length) return LONG_INTEGER;
  if (digits > MAX_BIGINT.length) return LONG_DECIMAL;
  const limit = negative ? MIN_BIGINT : MAX_BIGINT;
  for (let at = 0; at < digits; at++) {
    const difference = (bytes[start + at] as number) - limit.charCodeAt(at);
    if (difference !== 0) return difference < 0 ? LONG_INTEGER : LONG_DECIMAL;
  }
  return LONG_INTEGER;
}

/** Counts the digits from the first that is not zero; trailing zeros count. */
function significantDigits(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] === ZERO || bytes[at] === POINT)) at++;
  let digits = 0;
  for (; at < end; at++) if (bytes[at] !== POINT) digits++;
  return digits;
}

/** Returns the number after `e`; NaN if it is not an exponent. */
function exponentOf(bytes: Uint8Array, start: number, end: number): number {
  return end - start > LONGEST_EXPONENT ? Number.NaN : parseExponent(bytes, start, end, LONGEST_EXPONENT);
}

function isNotANumber(bytes: Uint8Array, start: number, end: number): boolean {
  const first = bytes[start] === MINUS ? start + 1 : start;
  const value = parseFloatWord(bytes, first, end);
  return value !== undefined && !(first > start && Number.isNaN(value));
}

/** `true`, `t`, `false`, `f`: a `1` may be a number, and a `yes` a text. */
function isTruth(bytes: Uint8Array, start: number, end: number): boolean {
  const first = (bytes[start] as number) | LOWER;
  return (first === T || first === F) && parseBoolean(bytes, start, end) >= 0;
}

/** `YYYY-MM-DD`, if the date exists. */
function isDate(bytes: Uint8Array, start: number, end: number): boolean {
  return !Number.isNaN(parseDate(bytes, start, end));
}

/** `YYYY-MM-DD[T ]HH:MM[:SS[.fraction]][zone]`. A date alone is none. */
function isTimestamp(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < SHORTEST_TIMESTAMP || Number.isNaN(parseStamp(bytes, start, end))) return false;
  if (time.fractionDigits > MAX_FRACTION_DIGITS) return false;
  return time.end === end || !Number.isNaN(parseOffset(bytes, time.end, end));
}

const UUID = new Uint8Array(16);

/** The usual form, 8-4-4-4-12 hexadecimal digits. */
function isUuid(bytes: Uint8Array, start: number, end: number): boolean {
  return parseUuid(bytes, start, end, UUID, 0);
}
