/**
 * Encodes real and double precision: decimal numbers, each as the nearest double. A number that is close to the middle of
 * two doubles is in doubt.
 */
import { areDigits, digitAt, eightDigits, put32, put64 } from './bytes';
import { EXACT_POWER, EXACT_POWERS, HIGHEST_POWER, LOWEST_POWER, POWERS, UNSURE } from './layout';

const PLUS: u32 = 0x2b;
const MINUS: u32 = 0x2d;
const POINT: u32 = 0x2e;
const ZERO: u32 = 0x30;
const LOWER: u32 = 0x20;
const EXPONENT: u32 = 0x65;

/** The most significant digits. They fit into 64 bits. */
const MAX_DIGITS: u32 = 18;
const MAX_EXPONENT_DIGITS: u32 = 3;
/** Every integer below it is a double. */
const EXACT_INTEGER: u64 = 1 << 53;

/** The bits of the last double that `parse` found. */
let bits: u64 = 0;

export function putFloat8(from: u32, end: u32, to: u32): u32 {
  if (!parse(from, end)) return UNSURE;
  put64(to, bits);
  return to + 8;
}

/** The float nearest to the double, unless it may not be the one nearest to the decimal number. */
export function putFloat4(from: u32, end: u32, to: u32): u32 {
  if (!parse(from, end)) return UNSURE;
  const value = reinterpret<f64>(bits);
  const size = abs(value);
  if (size !== 0 && (size < 1e-37 || size > 1e38)) return UNSURE;
  // Half way between two floats, the digits that the double lost would decide.
  if ((bits & 0x1fffffff) === 0x10000000) return UNSURE;
  put32(to, reinterpret<i32>(value as f32));
  return to + 4;
}

/** Puts the double of `-12.5`, `.5`, `5.`, `1e-5` into `bits`; returns false for other texts, and if it is in doubt. */
function parse(from: u32, end: u32): bool {
  if (from >= end) return false;
  const sign = load<u8>(from) as u32;
  const first = sign === MINUS || sign === PLUS ? from + 1 : from;
  let at = first;
  let mantissa: u64 = 0;
  for (; at < end; at++) {
    const digit = digitAt(at);
    if (digit > 9) break;
    mantissa = mantissa * 10 + (digit as u64);
  }
  let digits = at - first;
  let fraction: u32 = 0;
  if (at < end && load<u8>(at) === POINT) {
    const start = ++at;
    for (; end - at >= 8; at += 8) {
      const word = load<u64>(at);
      if (!areDigits(word)) break;
      mantissa = mantissa * 100000000 + eightDigits(word);
    }
    for (; at < end; at++) {
      const digit = digitAt(at);
      if (digit > 9) break;
      mantissa = mantissa * 10 + (digit as u64);
    }
    fraction = at - start;
    digits += fraction;
  }
  if (digits === 0) return false;
  if (digits > MAX_DIGITS && digits - leadingZeros(first, at) > MAX_DIGITS) return false;
  let power = -(fraction as i32);
  if (at < end) {
    const exponent = parseExponent(at, end);
    if (exponent === i32.MAX_VALUE) return false;
    power += exponent;
  }
  if (!scale(mantissa, power)) return false;
  if (sign === MINUS) bits |= 1 << 63;
  return true;
}

/** Counts zeros before the first other digit. The point is not counted. */
function leadingZeros(from: u32, end: u32): u32 {
  let zeros: u32 = 0;
  for (let at = from; at < end; at++) {
    const byte = load<u8>(at) as u32;
    if (byte === ZERO) zeros++;
    else if (byte !== POINT) break;
  }
  return zeros;
}

/** Returns the number after `e` or `E`; i32.MAX_VALUE for other texts. */
function parseExponent(from: u32, end: u32): i32 {
  if (((load<u8>(from) as u32) | LOWER) !== EXPONENT) return i32.MAX_VALUE;
  let at = from + 1;
  if (at === end) return i32.MAX_VALUE;
  const sign = load<u8>(at) as u32;
  if (sign === MINUS || sign === PLUS) at++;
  if (at === end || end - at > MAX_EXPONENT_DIGITS) return i32.MAX_VALUE;
  let value: i32 = 0;
  for (; at < end; at++) {
    const digit = digitAt(at);
    if (digit > 9) return i32.MAX_VALUE;
    value = value * 10 + (digit as i32);
  }
  return sign === MINUS ? -value : value;
}

/** Puts the double nearest to mantissa * 10^power into `bits`; returns false if that is in doubt. */
function scale(mantissa: u64, power: i32): bool {
  if (mantissa === 0) {
    bits = 0;
    return true;
  }
  if (mantissa < EXACT_INTEGER && power >= -EXACT_POWER && power <= EXACT_POWER) {
    // Both operands are exact, so there is one rounding.
    const value = mantissa as f64;
    const exact = load<f64>(EXACT_POWERS + (abs(power) << 3));
    bits = reinterpret<u64>(power < 0 ? value / exact : value * exact);
    return true;
  }
  return power >= LOWEST_POWER && power <= HIGHEST_POWER && scaleLong(mantissa, power);
}

/** The upper and the lower half of the last product. */
let high: u64 = 0;
let low: u64 = 0;

/**
 * The same by a product of 64 and 64 bits, or 64 and 128 bits where the first is not enough (Lemire, "Number parsing at a
 * gigabyte per second", 2021). It doubts what is closer to the middle of two doubles than 2^-86 of the number.
 */
function scaleLong(mantissa: u64, power: i32): bool {
  const shift = clz<u64>(mantissa) as i32;
  const table = POWERS + ((power - LOWEST_POWER) << 4);
  multiply(mantissa << shift, load<u64>(table));
  let upper = high;
  // The top 54 bits are kept: a double's 53, and one that decides about the rounding.
  let dropped: u64 = 9 + (upper >>> 63);
  const mask: u64 = ((1 as u64) << dropped) - 1;
  const rest = upper & mask;
  if (rest === 0 || rest === mask) {
    const lower = low;
    multiply(mantissa << shift, load<u64>(table + 8));
    low = lower + high;
    if (low < lower) upper++;
    const lead = low >>> 40;
    if (lead === 0 || lead === 0xffffff) return false;
    // The carry may have given it one bit more.
    dropped = 9 + (upper >>> 63);
  }
  const kept = upper >>> dropped;
  let rounded = (kept + (kept & 1)) >>> 1;
  let exponent = ((217706 * power) >> 16) + 63 + ((upper >>> 63) as i32) - shift + 1023;
  if (rounded === EXACT_INTEGER) {
    rounded >>>= 1;
    exponent++;
  }
  bits = (rounded & 0xfffffffffffff) | ((exponent as u64) << 52);
  return true;
}

/** Puts the product into `high` and `low`. */
function multiply(a: u64, b: u64): void {
  const aHigh = a >>> 32;
  const aLow = a & 0xffffffff;
  const bHigh = b >>> 32;
  const bLow = b & 0xffffffff;
  const lowest = aLow * bLow;
  const first = aHigh * bLow + (lowest >>> 32);
  const second = aLow * bHigh + (first & 0xffffffff);
  high = aHigh * bHigh + (first >>> 32) + (second >>> 32);
  low = (second << 32) | (lowest & 0xffffffff);
}
