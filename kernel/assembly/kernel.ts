/**
 * Encodes CSV records as rows of COPY's binary format. The module stops before each record that has anything in doubt, and
 * its host decides about that one. See layout.ts for the memory.
 */
import { copyBytes, put16, put32 } from './bytes';
import { putFloat4, putFloat8 } from './floats';
import { putInt2, putInt4, putInt8 } from './integers';
import {
  BOOLEAN,
  BYTEA,
  CONSTANTS,
  DATE,
  FLOAT4,
  FLOAT8,
  FULL_BYTES,
  INT2,
  INT4,
  INT8,
  JSONB,
  KINDS,
  NULL_TEXT,
  NUMERIC,
  OUTPUT,
  OUTPUT_BYTES,
  SCRATCH,
  SCRATCH_BYTES,
  SKIPPED,
  TEXT,
  TIME,
  TIMESTAMP,
  UNSURE,
  UTC,
  UUID,
  VALUE_ROOM,
  ZONED,
} from './layout';
import { putNumeric } from './numerics';
import { putDate, putTime, putTimestamp, putZoned } from './times';
import { putBoolean, putBytea, putUuid } from './words';

export * from './layout';

/** The results of `encode`. All bytes are used, possibly in the middle of a record. */
export const NEEDS_MORE: u32 = 0;
/** Enough rows are in OUTPUT, or there is no room for the next one. */
export const FULL: u32 = 1;
/** The next record is in doubt, or too long for the memory. */
export const IN_DOUBT: u32 = 2;

const LF: u32 = 0x0a;
const CR: u32 = 0x0d;
const BACKSLASH: u32 = 0x5c;
const POINT: u32 = 0x2e;
/** The version byte before a jsonb's text. */
const JSONB_VERSION: u8 = 1;
const OUTPUT_END: u32 = OUTPUT + OUTPUT_BYTES;
/** Bytes in a block of the input, one bit each in a block's mask. */
const BLOCK: u32 = 64;

/** After `encode`: the address of the next record. */
export let at: u32 = 0;
/** The end of the rows in OUTPUT, and their number. The host may change both. */
export let filled: u32 = OUTPUT;
export let rows: u32 = 0;

let delimiter: u32 = 0;
let quote: u32 = 0;
let escapeByte: u32 = 0;
let crlf: bool = false;
let fields: u32 = 0;
let columns: u32 = 0;
let nullLength: u32 = 0;
let constantsLength: u32 = 0;
let maxRowBytes: u32 = 0;

/** Sets how the records are written. KINDS, NULL_TEXT and CONSTANTS are written by the host. */
export function setDialect(
  delimiterByte: u32,
  quoteByte: u32,
  escapes: u32,
  isCrlf: bool,
  nullBytes: u32,
): void {
  delimiter = delimiterByte;
  quote = quoteByte;
  escapeByte = escapes;
  crlf = isCrlf;
  nullLength = nullBytes;
}

/** @param columnCount the columns of a row, those of the constants included */
export function setRow(fieldCount: u32, columnCount: u32, constantsBytes: u32, rowBytes: u32): void {
  fields = fieldCount;
  columns = columnCount;
  constantsLength = constantsBytes;
  maxRowBytes = rowBytes;
}

/** Encodes the records from `start` to `end`, and sets `at`, `filled` and `rows`. The text must be valid UTF-8 without NUL. */
export function encode(start: u32, end: u32): u32 {
  const delimiters = i8x16.splat(delimiter as i8);
  const quotes = i8x16.splat(quote as i8);
  at = start;
  let from = start;
  let block = start;
  let mask = start < end ? specials(block, delimiters, quotes) : 0;
  while (from < end) {
    if (filled >= OUTPUT + FULL_BYTES) return FULL;
    let to = filled;
    put16(to, columns);
    to += 2;
    for (let field: u32 = 0; ; field++) {
      while (mask === 0) {
        block += BLOCK;
        if (block >= end) return NEEDS_MORE;
        mask = specials(block, delimiters, quotes);
      }
      let special = block + (ctz(mask) as u32);
      mask &= mask - 1;
      if (special >= end) return NEEDS_MORE;
      let byte = load<u8>(special) as u32;
      let text = from;
      let textEnd = special;
      let quoted = false;
      if (byte === quote) {
        if (special !== from) return IN_DOUBT;
        quoted = true;
        let doubled = false;
        // The closing quote is the first after which there is no other.
        for (;;) {
          while (mask === 0) {
            block += BLOCK;
            if (block >= end) return NEEDS_MORE;
            mask = specials(block, delimiters, quotes);
          }
          special = block + (ctz(mask) as u32);
          mask &= mask - 1;
          // A quote at the end may be the first of two.
          if (special + 1 >= end) return NEEDS_MORE;
          byte = load<u8>(special) as u32;
          // COPY counts such lines.
          if (byte === LF || byte === CR) return IN_DOUBT;
          if (byte !== quote) continue;
          if (load<u8>(special + 1) !== quote) break;
          if (escapeByte !== quote) return IN_DOUBT;
          doubled = true;
          while (mask === 0) {
            block += BLOCK;
            mask = specials(block, delimiters, quotes);
          }
          mask &= mask - 1;
        }
        text = from + 1;
        textEnd = special;
        if (escapeByte !== quote && hasEscape(text, textEnd)) return IN_DOUBT;
        if (doubled) {
          if (textEnd - text > SCRATCH_BYTES - 16) return IN_DOUBT;
          textEnd = undouble(text, textEnd);
          text = SCRATCH;
        }
        special++;
        byte = load<u8>(special) as u32;
        if (byte !== delimiter && byte !== LF && byte !== CR) return IN_DOUBT;
        while (mask === 0) {
          block += BLOCK;
          mask = specials(block, delimiters, quotes);
        }
        mask &= mask - 1;
      }
      if (field >= fields) return IN_DOUBT;
      const kind = load<u8>(KINDS + field) as u32;
      if (kind !== SKIPPED) {
        const length = textEnd - text;
        if (to + length + VALUE_ROOM > OUTPUT_END) return rows > 0 ? FULL : IN_DOUBT;
        if (!quoted && length === nullLength && isNull(text)) {
          put32(to, -1);
          to += 4;
        } else {
          const valueEnd = put(kind, text, textEnd, to + 4);
          if (valueEnd === UNSURE) return IN_DOUBT;
          put32(to, valueEnd - to - 4);
          to = valueEnd;
        }
      }
      from = special + 1;
      if (byte === delimiter) continue;
      if (field !== fields - 1) return IN_DOUBT;
      if (byte === CR) {
        if (from >= end) return NEEDS_MORE;
        if (!crlf || load<u8>(from) !== LF) return IN_DOUBT;
        from++;
        while (mask === 0) {
          block += BLOCK;
          mask = specials(block, delimiters, quotes);
        }
        mask &= mask - 1;
      } else if (crlf) return IN_DOUBT;
      break;
    }
    const size = from - at - (crlf ? 2 : 1);
    if (size > maxRowBytes) return IN_DOUBT;
    // A line of `\.` only: PostgreSQL before 18 treats it as the end of the data.
    if (size === 2 && load<u8>(at) === BACKSLASH && load<u8>(at + 1) === POINT) return IN_DOUBT;
    if (constantsLength > 0) {
      if (to + constantsLength + VALUE_ROOM > OUTPUT_END) return rows > 0 ? FULL : IN_DOUBT;
      copyBytes(to, CONSTANTS, constantsLength);
      to += constantsLength;
    }
    filled = to;
    rows++;
    at = from;
  }
  return NEEDS_MORE;
}

/** Returns a bit for each delimiter, quote, line feed and carriage return of a block. */
function specials(at: u32, delimiters: v128, quotes: v128): u64 {
  const first = specialsOf(v128.load(at), delimiters, quotes);
  const second = specialsOf(v128.load(at + 16), delimiters, quotes);
  const third = specialsOf(v128.load(at + 32), delimiters, quotes);
  const fourth = specialsOf(v128.load(at + 48), delimiters, quotes);
  return first | (second << 16) | (third << 32) | (fourth << 48);
}

function specialsOf(bytes: v128, delimiters: v128, quotes: v128): u64 {
  const marks = v128.or(i8x16.eq(bytes, delimiters), i8x16.eq(bytes, quotes));
  const ends = v128.or(i8x16.eq(bytes, i8x16.splat(0x0a)), i8x16.eq(bytes, i8x16.splat(0x0d)));
  return i8x16.bitmask(v128.or(marks, ends)) as u64;
}

function hasEscape(from: u32, end: u32): bool {
  for (let at = from; at < end; at++) if (load<u8>(at) === escapeByte) return true;
  return false;
}

/** Copies a text to SCRATCH, with one quote for each two; returns its end. */
function undouble(from: u32, end: u32): u32 {
  let to = SCRATCH;
  for (let at = from; at < end; at++) {
    const byte = load<u8>(at);
    store<u8>(to++, byte);
    if (byte === quote) at++;
  }
  return to;
}

/** Whether a text of the length of NULL_TEXT is the same. */
function isNull(text: u32): bool {
  for (let i: u32 = 0; i < nullLength; i++) if (load<u8>(text + i) !== load<u8>(NULL_TEXT + i)) return false;
  return true;
}

/** Writes a value; returns its end, or UNSURE. */
function put(kind: u32, from: u32, end: u32, to: u32): u32 {
  switch (kind) {
    case TEXT: {
      copyBytes(to, from, end - from);
      return to + (end - from);
    }
    case JSONB: {
      store<u8>(to, JSONB_VERSION);
      copyBytes(to + 1, from, end - from);
      return to + 1 + (end - from);
    }
    case INT2:
      return putInt2(from, end, to);
    case INT4:
      return putInt4(from, end, to);
    case INT8:
      return putInt8(from, end, to);
    case FLOAT4:
      return putFloat4(from, end, to);
    case FLOAT8:
      return putFloat8(from, end, to);
    case NUMERIC:
      return putNumeric(from, end, to);
    case BOOLEAN:
      return putBoolean(from, end, to);
    case UUID:
      return putUuid(from, end, to);
    case BYTEA:
      return putBytea(from, end, to);
    case DATE:
      return putDate(from, end, to);
    case TIME:
      return putTime(from, end, to);
    case TIMESTAMP:
      return putTimestamp(from, end, to);
    case ZONED:
      return putZoned(from, end, to, false);
    case UTC:
      return putZoned(from, end, to, true);
    default:
      return UNSURE;
  }
}
