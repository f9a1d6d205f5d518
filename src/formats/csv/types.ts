/** The types that inference knows, and their syntax. Values are ranges of a buffer, which is faster than strings. */
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
  { kind: 'not a number', type: 'text', matches: isNotANumber, widensTo: ['decimal', 'long decimal'] },
  {
    kind: 'integer',
    type: 'bigint',
    matches: isInteger,
    widensTo: ['long integer', 'decimal', 'long decimal'],
  },
  // More digits than a double represents exactly.
  { kind: 'long integer', type: 'bigint', matches: isLongInteger, widensTo: ['long decimal'] },
  { kind: 'decimal', type: 'double precision', matches: isDecimal, widensTo: ['long decimal'] },
  { kind: 'long decimal', type: 'numeric', matches: isLongDecimal, widensTo: [] },
  { kind: 'date', type: 'date', matches: isDate, widensTo: ['timestamp'] },
  { kind: 'timestamp', type: 'timestamptz', matches: isTimestamp, widensTo: [] },
  { kind: 'uuid', type: 'uuid', matches: isUuid, widensTo: [] },
];

const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;

/** A double represents this many decimal digits exactly. */
const DOUBLE_DIGITS = 15;
/** Powers of ten that are safely in the range of a double. */
const DOUBLE_EXPONENT = 290;
/** Powers of ten that are safely in the range of a numeric. */
const NUMERIC_EXPONENT = 1000;
const MAX_BIGINT = '9223372036854775807';
const MIN_BIGINT = '9223372036854775808';

const NONE = 0;
const INTEGER = 1;
const LONG_INTEGER = 2;
const DECIMAL = 3;
const LONG_DECIMAL = 4;

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

/** `-12`, `1.50`, `.5`, `1e-3`. No plus sign and no leading zeros: phone numbers and zip codes are text. */
function numberKind(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start] === MINUS ? start + 1 : start;
  const pointAt = skipDigits(bytes, first, end);
  const whole = pointAt - first;
  if (whole > 1 && bytes[first] === ZERO) return NONE;
  if (pointAt === end) return whole === 0 ? NONE : integerKind(bytes, first, end, first > start);
  let at = pointAt;
  if (bytes[at] === POINT) {
    at = skipDigits(bytes, at + 1, end);
    if (at === pointAt + 1) return NONE;
  } else if (whole === 0) {
    return NONE;
  }
  const digits = significantDigits(bytes, first, at);
  const exponent = at === end ? 0 : exponentOf(bytes, at, end);
  if (Number.isNaN(exponent) || Math.abs(exponent) > NUMERIC_EXPONENT) return NONE;
  return digits <= DOUBLE_DIGITS && Math.abs(exponent) + (at - first) <= DOUBLE_EXPONENT
    ? DECIMAL
    : LONG_DECIMAL;
}

function integerKind(bytes: Uint8Array, start: number, end: number, negative: boolean): number {
  const digits = end - start;
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
  if (lower(bytes[start]) !== 0x65 || end - start > 6) return Number.NaN;
  const signed = bytes[start + 1] === MINUS || bytes[start + 1] === PLUS;
  const digitsAt = start + (signed ? 2 : 1);
  if (digitsAt >= end || skipDigits(bytes, digitsAt, end) < end) return Number.NaN;
  return numberAt(bytes, digitsAt, end - digitsAt) * (bytes[start + 1] === MINUS ? -1 : 1);
}

function isNotANumber(bytes: Uint8Array, start: number, end: number): boolean {
  if (isWord(bytes, start, end, 'nan')) return true;
  const word = bytes[start] === MINUS ? start + 1 : start;
  return isWord(bytes, word, end, 'infinity') || isWord(bytes, word, end, 'inf');
}

function isTruth(bytes: Uint8Array, start: number, end: number): boolean {
  switch (lower(bytes[start])) {
    case 0x74:
      return end - start === 1 || isWord(bytes, start, end, 'true');
    case 0x66:
      return end - start === 1 || isWord(bytes, start, end, 'false');
    default:
      return false;
  }
}

/** `YYYY-MM-DD`, if the date exists. */
function isDate(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === 10 && isDateAt(bytes, start);
}

function isDateAt(bytes: Uint8Array, at: number): boolean {
  if (bytes[at + 4] !== MINUS || bytes[at + 7] !== MINUS) return false;
  const year = numberAt(bytes, at, 4);
  const month = numberAt(bytes, at + 5, 2);
  const day = numberAt(bytes, at + 8, 2);
  return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** `YYYY-MM-DD[T ]HH:MM[:SS[.fraction]][zone]`; PostgreSQL rounds a fraction to microseconds. */
function isTimestamp(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 16 || !isDateAt(bytes, start)) return false;
  const separator = bytes[start + 10];
  if (separator !== 0x20 && separator !== 0x54) return false;
  if (!inRange(bytes, start + 11, 23) || bytes[start + 13] !== COLON || !inRange(bytes, start + 14, 59))
    return false;
  let at = start + 16;
  if (bytes[at] === COLON && at < end) {
    if (end - at < 3 || !inRange(bytes, at + 1, 59)) return false;
    at += 3;
    if (bytes[at] === POINT && at < end) {
      const fraction = skipDigits(bytes, at + 1, end) - (at + 1);
      if (fraction < 1 || fraction > 9) return false;
      at += 1 + fraction;
    }
  }
  return at === end || isZone(bytes, at, end);
}

/** `Z`, `+HH`, `+HHMM` or `+HH:MM`, in the range that PostgreSQL accepts. */
function isZone(bytes: Uint8Array, start: number, end: number): boolean {
  const sign = bytes[start];
  if (end - start === 1) return lower(sign) === 0x7a;
  if ((sign !== PLUS && sign !== MINUS) || end - start < 3 || !inRange(bytes, start + 1, 15)) return false;
  const minutes = bytes[start + 3] === COLON && end - start === 6 ? start + 4 : start + 3;
  return minutes === end || (minutes + 2 === end && inRange(bytes, minutes, 59));
}

/** The usual form, 8-4-4-4-12 hexadecimal digits. */
function isUuid(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== 36) return false;
  for (let at = 0; at < 36; at++) {
    const byte = bytes[start + at] as number;
    const hyphen = at === 8 || at === 13 || at === 18 || at === 23;
    if (hyphen ? byte !== MINUS : !isHexDigit(byte)) return false;
  }
  return true;
}

function isHexDigit(byte: number): boolean {
  const letter = byte | 0x20;
  return (byte >= ZERO && byte <= 0x39) || (letter >= 0x61 && letter <= 0x66);
}

function skipDigits(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] as number) >= ZERO && (bytes[at] as number) <= 0x39) at++;
  return at;
}

/** Returns the value of `length` digits; -1 if there are other characters. */
function numberAt(bytes: Uint8Array, start: number, length: number): number {
  let number = 0;
  for (let at = start; at < start + length; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return -1;
    number = number * 10 + digit;
  }
  return number;
}

/** Whether two digits are a number from 0 to `most`. */
function inRange(bytes: Uint8Array, start: number, most: number): boolean {
  const number = numberAt(bytes, start, 2);
  return number >= 0 && number <= most;
}

/** Returns the lower case of an ASCII letter; meaningless for other bytes. */
function lower(byte: number | undefined): number {
  return (byte ?? 0) | 0x20;
}

function isWord(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let at = 0; at < word.length; at++) {
    if (lower(bytes[start + at]) !== word.charCodeAt(at)) return false;
  }
  return true;
}
