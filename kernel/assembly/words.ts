/** Encodes boolean, uuid and bytea. */
import { copyBytes } from './bytes';
import { UNSURE } from './layout';

const MINUS: u32 = 0x2d;
const SPACE: u32 = 0x20;
const BACKSLASH: u32 = 0x5c;
const X: u32 = 0x78;
/** Setting this bit makes an ASCII letter lower case. */
const LOWER: u32 = 0x20;
const LONGEST_BOOLEAN: u32 = 5;
const UUID_LENGTH: u32 = 36;

/** boolean, as a whole word, one letter, or a digit. */
export function putBoolean(from: u32, end: u32, to: u32): u32 {
  if (end - from > LONGEST_BOOLEAN) return UNSURE;
  let word: u64 = 0;
  for (let at = from; at < end; at++) {
    const byte = load<u8>(at) as u32;
    // Setting the bit would turn a control character into a digit.
    if (byte < SPACE) return UNSURE;
    word = (word << 8) | ((byte | LOWER) as u64);
  }
  const value = truth(word);
  if (value < 0) return UNSURE;
  store<u8>(to, value as u8);
  return to + 1;
}

/** Returns 1 or 0 for the bytes of a word; -1 for others. */
function truth(word: u64): i32 {
  // t, true, y, yes, on, 1
  if (word === 0x74 || word === 0x74727565 || word === 0x79 || word === 0x796573) return 1;
  if (word === 0x6f6e || word === 0x31) return 1;
  // f, false, n, no, off, 0
  if (word === 0x66 || word === 0x66616c7365 || word === 0x6e || word === 0x6e6f) return 0;
  return word === 0x6f6666 || word === 0x30 ? 0 : -1;
}

/** uuid, in its usual form of 36 characters. */
export function putUuid(from: u32, end: u32, to: u32): u32 {
  if (end - from !== UUID_LENGTH) return UNSURE;
  if (load<u8>(from + 8) !== MINUS || load<u8>(from + 13) !== MINUS) return UNSURE;
  if (load<u8>(from + 18) !== MINUS || load<u8>(from + 23) !== MINUS) return UNSURE;
  let at = from;
  for (let i: u32 = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) at++;
    const byte = hexByte(at);
    if (byte > 0xff) return UNSURE;
    store<u8>(to + i, byte as u8);
    at += 2;
  }
  return to + 16;
}

/** bytea in the hex format, or in the escape format without any backslash. */
export function putBytea(from: u32, end: u32, to: u32): u32 {
  if (end - from >= 2 && load<u8>(from) === BACKSLASH && load<u8>(from + 1) === X)
    return putHex(from + 2, end, to);
  for (let at = from; at < end; at++) if (load<u8>(at) === BACKSLASH) return UNSURE;
  copyBytes(to, from, end - from);
  return to + (end - from);
}

function putHex(from: u32, end: u32, to: u32): u32 {
  if (((end - from) & 1) !== 0) return UNSURE;
  let next = to;
  for (let at = from; at < end; at += 2) {
    const byte = hexByte(at);
    if (byte > 0xff) return UNSURE;
    store<u8>(next++, byte as u8);
  }
  return next;
}

/** Returns the value of two hexadecimal digits; above 0xff for other characters. */
function hexByte(at: u32): u32 {
  return (hexDigit(load<u8>(at) as u32) << 4) | hexDigit(load<u8>(at + 1) as u32);
}

/** Returns 0x100 for another character. */
function hexDigit(byte: u32): u32 {
  const digit = byte - 0x30;
  if (digit <= 9) return digit;
  const letter = (byte | LOWER) - 0x61;
  return letter <= 5 ? letter + 10 : 0x100;
}
