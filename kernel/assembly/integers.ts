/** Encodes smallint, integer and bigint: an optional sign and digits. */
import { areDigits, digitAt, eightDigits, put16, put32, put64 } from './bytes';
import { UNSURE } from './layout';

const MINUS: u32 = 0x2d;
const PLUS: u32 = 0x2b;

/** So many digits are always encoded; a bigint of this many always fits. */
const SAFE_DIGITS: u32 = 15;
const INT64_DIGITS: u32 = 18;
/** No number of INT64_DIGITS digits. */
const NONE: i64 = i64.MIN_VALUE;

export function putInt2(from: u32, end: u32, to: u32): u32 {
  const value = parseInteger(from, end, SAFE_DIGITS);
  if (value < -0x8000 || value > 0x7fff) return UNSURE;
  put16(to, value as u32);
  return to + 2;
}

export function putInt4(from: u32, end: u32, to: u32): u32 {
  const value = parseInteger(from, end, SAFE_DIGITS);
  if (value < -0x80000000 || value > 0x7fffffff) return UNSURE;
  put32(to, value as i32);
  return to + 4;
}

export function putInt8(from: u32, end: u32, to: u32): u32 {
  const value = parseInteger(from, end, INT64_DIGITS);
  if (value === NONE) return UNSURE;
  put64(to, value);
  return to + 8;
}

function parseInteger(from: u32, end: u32, maxDigits: u32): i64 {
  if (from >= end) return NONE;
  const sign = load<u8>(from) as u32;
  let at = sign === MINUS || sign === PLUS ? from + 1 : from;
  if (at === end || end - at > maxDigits) return NONE;
  let value: i64 = 0;
  for (; end - at >= 8; at += 8) {
    const word = load<u64>(at);
    if (!areDigits(word)) return NONE;
    value = value * 100000000 + (eightDigits(word) as i64);
  }
  for (; at < end; at++) {
    const digit = digitAt(at);
    if (digit > 9) return NONE;
    value = value * 10 + (digit as i64);
  }
  return sign === MINUS ? -value : value;
}
