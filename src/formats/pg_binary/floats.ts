/** Encodes real and double precision. */
import { decimal, parseDecimal, parseExponent, parseFloatWord } from '../pg_text/numbers.ts';
import { type PutValue, putInt32, UNSURE } from './values.ts';

const ZERO = 0x30;
const MINUS = 0x2d;

/** Digits are collected in two numbers of up to this many digits, because one number would not be exact. */
const HALF_DIGITS = 9;
const HALF = 10 ** HALF_DIGITS;
/** The most significant digits that are parsed here (17 distinguish any two doubles); PostgreSQL parses longer values. */
const MAX_DIGITS = 2 * HALF_DIGITS;
const MAX_EXPONENT_DIGITS = 3;
/** The largest power of ten that is an exact double, so that a product or quotient with it is rounded only once. */
const EXACT_POWER = 22;
const MAX_POWER = 60;
/** Beyond these, PostgreSQL may report a value out of range. */
const SMALLEST = 1e-300;
const LARGEST = 1e300;

const FLOAT64 = new Float64Array(1);
const FLOAT32 = new Float32Array(1);
const WORDS64 = new Uint32Array(FLOAT64.buffer);
const WORDS32 = new Uint32Array(FLOAT32.buffer);
const BYTES64 = new Uint8Array(FLOAT64.buffer);
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
  return putInt32(WORDS32[0] as number, to, at);
};

/** Puts the value into FLOAT64; returns false if PostgreSQL must parse it. */
function parseFloat64(bytes: Uint8Array, start: number, end: number): boolean {
  const at = parseDecimal(bytes, start, end);
  const { first, point } = decimal;
  const negative = bytes[start] === MINUS;
  if (at - first === (point < at ? 1 : 0)) return point === at && parseWord(bytes, at, end, negative);
  let from = first;
  while (from < at && (bytes[from] === ZERO || from === point)) from++;
  let left = point >= from && point < at ? at - from - 1 : at - from;
  if (left > MAX_DIGITS) return false;
  let high = 0;
  let low = 0;
  for (; left > HALF_DIGITS; from++) {
    if (from === point) continue;
    high = high * 10 + (bytes[from] as number) - ZERO;
    left--;
  }
  for (; from < at; from++) {
    if (from !== point) low = low * 10 + (bytes[from] as number) - ZERO;
  }
  let power = point < at ? point + 1 - at : 0;
  if (at < end) {
    const exponent = parseExponent(bytes, at, end, MAX_EXPONENT_DIGITS);
    if (Number.isNaN(exponent)) return false;
    power += exponent;
  }
  return scale(high, low, power, negative);
}

/** Puts (high * HALF + low) * 10^power, rounded once, into FLOAT64; false as parseFloat64. */
function scale(high: number, low: number, power: number, negative: boolean): boolean {
  const mantissa = high * HALF + low;
  let value: number;
  if (mantissa === 0) {
    value = 0;
  } else if (mantissa <= Number.MAX_SAFE_INTEGER && power >= -EXACT_POWER && power <= EXACT_POWER) {
    // Both operands are exact, so there is one rounding.
    value = power < 0 ? mantissa / (POWERS[-power] as number) : mantissa * (POWERS[power] as number);
  } else if (power < 0 && power >= -MAX_POWER) {
    value = scaleDown(high * HALF, low, -power);
  } else {
    value = Number(`${BigInt(high) * BigInt(HALF) + BigInt(low)}e${power}`);
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

function parseWord(bytes: Uint8Array, start: number, end: number, negative: boolean): boolean {
  const value = parseFloatWord(bytes, start, end);
  // Some C libraries accept a sign before NaN: PostgreSQL decides.
  if (value === undefined || (negative && Number.isNaN(value))) return false;
  FLOAT64[0] = negative ? -value : value;
  return true;
}
