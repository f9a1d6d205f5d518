/** Encodes real and double precision. */
import { type PutValue, UNSURE } from './values.ts';

const ZERO = 0x30;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const LOWER = 0x20;
const EXPONENT = 0x65;

/** Digits are collected in two numbers of this many digits, because one number would not be exact. */
const HALF_DIGITS = 9;
/** The most significant digits that are parsed here (17 distinguish any two doubles); PostgreSQL parses longer values. */
const MAX_DIGITS = 2 * HALF_DIGITS;
/** The largest power of ten that is an exact double, so that a product or quotient with it is rounded only once. */
const EXACT_POWER = 22;
const MAX_POWER = 60;
/** Beyond these, PostgreSQL may report a value out of range. */
const SMALLEST = 1e-300;
const LARGEST = 1e300;

const FLOAT64 = new Float64Array(1);
const FLOAT32 = new Float32Array(1);
const BYTES64 = new Uint8Array(FLOAT64.buffer);
const WORDS64 = new Uint32Array(FLOAT64.buffer);
const BYTES32 = new Uint8Array(FLOAT32.buffer);
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** 10^-n in double-double precision: the nearest double, and the nearest double to the remainder. */
const INVERSE_HIGH = new Float64Array(MAX_POWER + 1);
const INVERSE_LOW = new Float64Array(MAX_POWER + 1);
for (let power = 0; power <= MAX_POWER; power++) {
  INVERSE_HIGH[power] = Number(`1e-${power}`);
  INVERSE_LOW[power] = remainderOfInverse(power);
}
const POWERS = Float64Array.from({ length: EXACT_POWER + 1 }, (_, power) => 10 ** power);

/** double precision: the double nearest to the decimal number, as strtod returns it. */
export const putFloat8: PutValue = (bytes, start, end, to, at) => {
  if (!parseFloat64(bytes, start, end)) return UNSURE;
  for (let i = 0; i < 8; i++) to[at + i] = BYTES64[LITTLE_ENDIAN ? 7 - i : i] as number;
  return at + 8;
};

/** real: the float nearest to the decimal number, which is not always the one nearest to the double. */
export const putFloat4: PutValue = (bytes, start, end, to, at) => {
  if (!parseFloat64(bytes, start, end)) return UNSURE;
  const value = FLOAT64[0] as number;
  const size = Math.abs(value);
  if (size !== 0 && size !== Number.POSITIVE_INFINITY && (size < 1e-37 || size > 1e38)) return UNSURE;
  // Half way between two floats, the digits that the double lost would decide.
  const low = WORDS64[LITTLE_ENDIAN ? 0 : 1] as number;
  if ((low & 0x1fffffff) === 0x10000000) return UNSURE;
  FLOAT32[0] = value;
  for (let i = 0; i < 4; i++) to[at + i] = BYTES32[LITTLE_ENDIAN ? 3 - i : i] as number;
  return at + 4;
};

/** Puts the value into FLOAT64; returns false if PostgreSQL must parse it. */
function parseFloat64(bytes: Uint8Array, start: number, end: number): boolean {
  const negative = bytes[start] === MINUS;
  let at = negative || bytes[start] === PLUS ? start + 1 : start;
  let high = 0;
  let low = 0;
  let digits = 0;
  let seen = 0;
  let fraction = 0;
  let pointed = false;
  for (; at < end; at++) {
    const byte = bytes[at] as number;
    const digit = byte - ZERO;
    if (digit >= 0 && digit <= 9) {
      seen++;
      if (pointed) fraction++;
      if (digits === 0 && digit === 0) continue;
      digits++;
      if (digits <= HALF_DIGITS) high = high * 10 + digit;
      else low = low * 10 + digit;
    } else if (byte === POINT && !pointed) {
      pointed = true;
    } else {
      break;
    }
  }
  if (seen === 0) return !pointed && parseWord(bytes, at, end, negative);
  if (digits > MAX_DIGITS) return false;
  let power = -fraction;
  if (at < end) {
    const exponent = parseExponent(bytes, at, end);
    if (Number.isNaN(exponent)) return false;
    power += exponent;
  }
  return scale(high, low, Math.max(0, digits - HALF_DIGITS), power, negative);
}

/** Returns NaN if the text is not an exponent of one to three digits. */
function parseExponent(bytes: Uint8Array, start: number, end: number): number {
  if (((bytes[start] as number) | LOWER) !== EXPONENT) return Number.NaN;
  const sign = bytes[start + 1];
  const first = sign === MINUS || sign === PLUS ? start + 2 : start + 1;
  if (first >= end || end - first > 3) return Number.NaN;
  let value = 0;
  for (let at = first; at < end; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return sign === MINUS ? -value : value;
}

/** Puts (high * 10^lowDigits + low) * 10^power, rounded once, into FLOAT64; false as parseFloat64. */
function scale(high: number, low: number, lowDigits: number, power: number, negative: boolean): boolean {
  const mantissa = high * (POWERS[lowDigits] as number) + low;
  let value: number;
  if (mantissa === 0) {
    value = 0;
  } else if (mantissa <= Number.MAX_SAFE_INTEGER && power >= -EXACT_POWER && power <= EXACT_POWER) {
    // Both operands are exact, so there is one rounding.
    value = power < 0 ? mantissa / (POWERS[-power] as number) : mantissa * (POWERS[power] as number);
  } else if (power < 0 && power >= -MAX_POWER) {
    value = scaleDown(high * (POWERS[lowDigits] as number), low, -power);
  } else {
    value = Number(`${BigInt(high) * BigInt(10 ** lowDigits) + BigInt(low)}e${power}`);
  }
  // NaN fails this check too.
  if (value !== 0 && !(value > SMALLEST && value < LARGEST)) return false;
  if (value === 0 && mantissa !== 0) return false;
  FLOAT64[0] = negative ? -value : value;
  return true;
}

/**
 * Returns (high + low) / 10^power, computed in double-double precision. Both are exact, and high is the larger or zero.
 * @returns NaN if the error of the computation could change the rounding
 */
function scaleDown(high: number, low: number, power: number): number {
  const sum = high + low;
  const rest = low - (sum - high);
  const inverse = INVERSE_HIGH[power] as number;
  const product = sum * inverse;
  const error = productError(sum, inverse, product) + (sum * (INVERSE_LOW[power] as number) + rest * inverse);
  const value = product + error;
  // The relative error is about 2^-100; 2^-90 is a safe bound.
  const slack = value * 2 ** -90;
  const left = error - (value - product);
  return value + (left + slack) === value + (left - slack) ? value : Number.NaN;
}

const SPLITTER = 2 ** 27 + 1;

/** Returns the rounding error of a product (Dekker 1971). */
function productError(a: number, b: number, product: number): number {
  const scaledA = a * SPLITTER;
  const highA = scaledA - (scaledA - a);
  const lowA = a - highA;
  const scaledB = b * SPLITTER;
  const highB = scaledB - (scaledB - b);
  const lowB = b - highB;
  return highA * highB - product + highA * lowB + lowA * highB + lowA * lowB;
}

/** Returns 10^-power minus the double nearest to it, as a double. */
function remainderOfInverse(power: number): number {
  FLOAT64[0] = Number(`1e-${power}`);
  const bits = new BigUint64Array(FLOAT64.buffer)[0] as bigint;
  const mantissa = (bits & ((1n << 52n) - 1n)) | (1n << 52n);
  // The double is mantissa / 2^shift.
  const shift = 1075n - ((bits >> 52n) & 0x7ffn);
  const ten = 10n ** BigInt(power);
  // The remainder with 128 bits more than the double has.
  const remainder = ((1n << (shift + 128n)) - (mantissa << 128n) * ten) / ten;
  return Number(remainder) / 2 ** 128 / 2 ** Number(shift);
}

const NAN = ['nan'];
const INFINITY = ['inf', 'infinity'];

function parseWord(bytes: Uint8Array, start: number, end: number, negative: boolean): boolean {
  if (end - start > 8 || bytes[start] === POINT) return false;
  const word = String.fromCharCode(...bytes.subarray(start, end)).toLowerCase();
  if (INFINITY.includes(word)) FLOAT64[0] = negative ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  // Some C libraries accept a sign before NaN: PostgreSQL decides.
  else if (NAN.includes(word) && !negative) FLOAT64[0] = Number.NaN;
  else return false;
  return true;
}
