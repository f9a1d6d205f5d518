/** Encodes text, and types whose binary form is close to their text: json, jsonb, boolean, uuid, bytea. */
import { hexByte, parseBoolean, parseUuid } from '../pg_text/words.ts';
import { type PutValue, UNSURE } from './values.ts';

const BACKSLASH = 0x5c;
const X = 0x78;
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
  const value = parseBoolean(bytes, start, end);
  if (value < 0) return UNSURE;
  to[at] = value;
  return at + 1;
};

/** uuid, in its usual form of 36 characters. */
export const putUuid: PutValue = (bytes, start, end, to, at) =>
  parseUuid(bytes, start, end, to, at) ? at + 16 : UNSURE;

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
