/** Encodes text, and types whose binary form is close to their text: json, jsonb, boolean, uuid, bytea. */
import { type PutValue, UNSURE } from './values.ts';

const ZERO = 0x30;
const BACKSLASH = 0x5c;
const X = 0x78;
const MINUS = 0x2d;
const SPACE = 0x20;
/** Setting this bit makes an ASCII letter lower case. */
const LOWER = 0x20;
/** Above this many bytes, a native copy is faster than a loop. */
const LONG = 48;
/** The version byte before a jsonb's text (jsonb_recv in src/backend/utils/adt/jsonb.c). */
const JSONB_VERSION = 1;

/** Text, and every type whose receive function reads the same text as its input function. */
export const putText: PutValue = (bytes, start, end, to, at) => {
  if (end - start > LONG) {
    to.set(bytes.subarray(start, end), at);
  } else {
    for (let from = start, next = at; from < end; from++, next++) to[next] = bytes[from] as number;
  }
  return at + end - start;
};

/** jsonb. */
export const putJsonb: PutValue = (bytes, start, end, to, at) => {
  to[at] = JSONB_VERSION;
  return putText(bytes, start, end, to, at + 1);
};

/** boolean, as a whole word, one letter, or a digit. */
export const putBoolean: PutValue = (bytes, start, end, to, at) => {
  if (end - start > 5) return UNSURE;
  let word = 0;
  for (let from = start; from < end; from++) {
    const byte = bytes[from] as number;
    // Setting the bit would turn a control character into a digit.
    if (byte < SPACE) return UNSURE;
    word = word * 256 + (byte | LOWER);
  }
  const value = BOOLEANS.get(word);
  if (value === undefined) return UNSURE;
  to[at] = value;
  return at + 1;
};

const BOOLEANS = new Map(
  Object.entries({ t: 1, true: 1, y: 1, yes: 1, on: 1, 1: 1, f: 0, false: 0, n: 0, no: 0, off: 0, 0: 0 }).map(
    ([word, value]) => [[...word].reduce((sum, letter) => sum * 256 + letter.charCodeAt(0), 0), value],
  ),
);

/** A hyphen precedes these bytes of a uuid. */
const HYPHENS = [4, 6, 8, 10];

/** uuid, in its usual form of 36 characters. */
export const putUuid: PutValue = (bytes, start, end, to, at) => {
  if (end - start !== 36) return UNSURE;
  let from = start;
  for (let i = 0; i < 16; i++) {
    if (HYPHENS.includes(i) && bytes[from++] !== MINUS) return UNSURE;
    const byte = hexByte(bytes, from);
    if (byte < 0) return UNSURE;
    to[at + i] = byte;
    from += 2;
  }
  return at + 16;
};

/** bytea in the hex format, or in the escape format without any backslash. */
export const putBytea: PutValue = (bytes, start, end, to, at) => {
  if (bytes[start] === BACKSLASH && bytes[start + 1] === X && end - start >= 2) {
    return putHex(bytes, start + 2, end, to, at);
  }
  for (let from = start; from < end; from++) if (bytes[from] === BACKSLASH) return UNSURE;
  return putText(bytes, start, end, to, at);
};

function putHex(bytes: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  if ((end - start) % 2 !== 0) return UNSURE;
  let next = at;
  for (let from = start; from < end; from += 2) {
    const byte = hexByte(bytes, from);
    if (byte < 0) return UNSURE;
    to[next++] = byte;
  }
  return next;
}

/** Returns the value of two hexadecimal digits; negative if they are none. */
function hexByte(bytes: Uint8Array, at: number): number {
  const high = hexDigit(bytes[at] as number);
  const low = hexDigit(bytes[at + 1] as number);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(byte: number): number {
  const digit = byte - ZERO;
  if (digit >= 0 && digit <= 9) return digit;
  const letter = (byte | LOWER) - 0x61;
  return letter >= 0 && letter <= 5 ? letter + 10 : -1;
}
