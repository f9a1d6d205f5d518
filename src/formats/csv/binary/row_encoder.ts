/** The "row encoder" turns CSV records into rows of COPY's binary format, and stops at each record that it cannot judge. */
import type { BinaryFields } from '../../constants.ts';
import { putterOf, type ValueKind } from '../../pg_binary/kinds.ts';
import { type PutValue, putInt32, UNSURE, VALUE_ROOM } from '../../pg_binary/values.ts';
import { BUFFER_BYTES, takeBuffer } from '../../spare_buffers.ts';
import type { DialectBytes } from '../dialect.ts';
import type { Newline } from '../scanner.ts';
import { isStray, type StrayQuote } from '../stray_quotes.ts';

/** All bytes are used, possibly in the middle of a record. */
export const NEEDS_MORE = 0;
/** Enough rows are ready for `take`. */
export const FULL = 1;
/** PostgreSQL must parse the next record: it has an unusual value or an error. */
export const NOT_SURE = 2;
export type EncoderStop = typeof NEEDS_MORE | typeof FULL | typeof NOT_SURE;

/** How many bytes of rows are gathered before FULL. The rest of a buffer is room for a row of usual size. */
const FULL_BYTES = BUFFER_BYTES - 64 * 1024;

const LF = 0x0a;
const CR = 0x0d;
const BACKSLASH = 0x5c;
const POINT = 0x2e;

export interface EncoderOptions {
  /** The kind of each field; null for a field that is left out. */
  kinds: (ValueKind | null)[];
  /** Appended to each row. */
  constants: BinaryFields | null;
  newline: Exclude<Newline, 'cr'>;
  /** In bytes, the record's end not counted. */
  maxRowBytes: number;
}

/** Rows in COPY's binary format, without header and trailer. */
export interface EncodedRows {
  data: Uint8Array<ArrayBuffer>;
  rows: number;
  /**
   * The line on which each row ends, relative to the line on which the first row starts. COPY reports errors on that line.
   * Null if every row is one line.
   */
  lines: Uint32Array<ArrayBuffer> | null;
}

/** Encodes records one after the other, as far as it is certain about them. */
export interface RecordEncoder {
  /** After `encode`: where the next record starts. */
  readonly at: number;
  /** The lines of the rows that `take` returns next. */
  readonly lines: number;
  /** The first of these rows that has a stray quote, with its lines among theirs, from 1. */
  readonly stray: StrayQuote | null;
  /** Encodes the records from `start` on. The bytes must be valid UTF-8 without NUL. */
  encode(bytes: Uint8Array, start: number): EncoderStop;
  /** Returns the encoded rows and empties the encoder; null if there are none. */
  take(): EncodedRows | null;
}

/**
 * Finds the fields by the rules of COPY's CSV format and encodes their values
 * (https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT). It never guesses: if anything about a
 * record is uncertain, it stops before it.
 */
export class RowEncoder implements RecordEncoder {
  at = 0;
  lines = 0;
  stray: StrayQuote | null = null;

  readonly #putters: (PutValue | null)[];
  readonly #columns: number;
  readonly #constants: Uint8Array | null;
  readonly #crlf: boolean;
  readonly #newlineByte: number;
  readonly #maxRowBytes: number;
  readonly #dialect: DialectBytes;
  readonly #nullText: Uint8Array;
  /** 1 for bytes that are special outside of quotes, or inside of them. */
  readonly #outside = new Uint8Array(256);
  readonly #inside = new Uint8Array(256);

  #out = takeBuffer();
  #filled = 0;
  #rows = 0;
  /** See EncodedRows.lines; null until a row has several lines. */
  #lineEnds: number[] | null = null;

  /** The text of the current field: a range of the input, or of `#scratch` if it had to be unquoted. */
  #text: Uint8Array = Buffer.alloc(0);
  #from = 0;
  #until = 0;
  #quoted = false;
  #newlines = 0;
  #isStray = false;
  #scratch: Uint8Array = Buffer.alloc(4096);

  constructor(dialect: DialectBytes, options: EncoderOptions) {
    this.#dialect = dialect;
    this.#nullText = dialect.nullText;
    this.#putters = options.kinds.map((kind) => kind && putterOf(kind));
    this.#constants = options.constants?.bytes ?? null;
    this.#columns = this.#putters.filter((put) => put !== null).length + (options.constants?.count ?? 0);
    this.#crlf = options.newline === 'crlf';
    this.#maxRowBytes = options.maxRowBytes;
    for (const byte of [dialect.delimiter, dialect.quote, LF, CR]) this.#outside[byte] = 1;
    // COPY counts only this one of the two bytes.
    this.#newlineByte = this.#crlf ? CR : LF;
    for (const byte of [dialect.quote, dialect.escape, this.#newlineByte]) this.#inside[byte] = 1;
  }

  /** The number of encoded rows, and their bytes. */
  get rows(): number {
    return this.#rows;
  }

  get filled(): number {
    return this.#filled;
  }

  /** @param maxRows more are not encoded */
  encode(bytes: Uint8Array, start: number, maxRows = Number.POSITIVE_INFINITY): EncoderStop {
    this.at = start;
    const end = this.#rows + maxRows;
    while (this.at < bytes.length) {
      if (this.#filled >= FULL_BYTES || this.#rows >= end) return FULL;
      const filled = this.#filled;
      this.#newlines = 0;
      this.#isStray = false;
      const stop = this.#encodeRecord(bytes);
      if (stop !== FULL) {
        this.#filled = filled;
        return stop;
      }
    }
    return NEEDS_MORE;
  }

  take(): EncodedRows | null {
    if (this.#rows === 0) return null;
    const taken = this.#empty(this.#out.subarray(0, this.#filled));
    this.#out = takeBuffer();
    return taken;
  }

  /** Does the same as `take`, but the rows go to `target`, and the encoder keeps its buffer. */
  moveTo(target: Uint8Array): Omit<EncodedRows, 'data'> {
    target.set(this.#out.subarray(0, this.#filled));
    const { rows, lines } = this.#empty(this.#out);
    return { rows, lines };
  }

  #empty(data: Uint8Array<ArrayBuffer>): EncodedRows {
    const rows = this.#rows;
    const lines = this.#lineEnds && Uint32Array.from(this.#lineEnds);
    this.#filled = 0;
    this.#rows = 0;
    this.#lineEnds = null;
    this.lines = 0;
    this.stray = null;
    return { data, rows, lines };
  }

  /** Encodes one record; returns FULL if it was encoded. */
  #encodeRecord(bytes: Uint8Array): EncoderStop {
    const putters = this.#putters;
    const outside = this.#outside;
    const { delimiter, quote } = this.#dialect;
    const length = bytes.length;
    const start = this.at;
    let at = start;
    let to = this.#filled;
    this.#out[to] = this.#columns >> 8;
    this.#out[to + 1] = this.#columns;
    to += 2;
    for (let field = 0; ; field++) {
      const from = at;
      while (at < length && outside[bytes[at] as number] === 0) at++;
      if (at >= length) return NEEDS_MORE;
      let byte = bytes[at] as number;
      this.#quoted = false;
      // The check is cheaper than V8's write barrier for the assignment.
      if (this.#text !== bytes) this.#text = bytes;
      this.#from = from;
      this.#until = at;
      if (byte === quote) {
        at = this.#readQuoted(bytes, from, at);
        if (at >= length) return NEEDS_MORE;
        byte = bytes[at] as number;
      }
      if (field >= putters.length) return NOT_SURE;
      const put = putters[field] as PutValue | null;
      if (put !== null) {
        to = this.#putField(put, to);
        if (to === UNSURE) return NOT_SURE;
      }
      if (byte === delimiter) {
        at++;
        continue;
      }
      if (field !== putters.length - 1) return NOT_SURE;
      return this.#endRecord(bytes, start, at, to);
    }
  }

  /** Writes the current field; returns the position after it, or UNSURE. */
  #putField(put: PutValue, to: number): number {
    const from = this.#from;
    const until = this.#until;
    if (to + (until - from) + VALUE_ROOM > this.#out.length) this.#grow(until - from);
    if (!this.#quoted && this.#isNull(from, until)) return putInt32(-1, this.#out, to);
    const end = put(this.#text, from, until, this.#out, to + 4);
    if (end === UNSURE) return UNSURE;
    putInt32(end - to - 4, this.#out, to);
    return end;
  }

  #isNull(from: number, until: number): boolean {
    const nullText = this.#nullText;
    if (until - from !== nullText.length) return false;
    for (let i = 0; i < nullText.length; i++) if (this.#text[from + i] !== nullText[i]) return false;
    return true;
  }

  /** Ends the record, whose last field ended at `at` with a carriage return or a line feed. */
  #endRecord(bytes: Uint8Array, start: number, at: number, end: number): EncoderStop {
    const crlf = bytes[at] === CR;
    if (crlf && at + 1 >= bytes.length) return NEEDS_MORE;
    if (crlf !== this.#crlf || (crlf && bytes[at + 1] !== LF)) return NOT_SURE;
    if (at - start > this.#maxRowBytes) return NOT_SURE;
    // A line of `\.` only: PostgreSQL before 18 treats it as the end of the data.
    if (at - start === 2 && bytes[start] === BACKSLASH && bytes[start + 1] === POINT) return NOT_SURE;
    this.#filled = end;
    if (this.#constants !== null) this.#putConstants(this.#constants);
    // Every row before this one had one line.
    if (this.#newlines > 0) this.#lineEnds ??= Array.from({ length: this.#rows }, (_, row) => row);
    this.#lineEnds?.push(this.lines + this.#newlines);
    if (this.#isStray) this.stray ??= { line: this.lines + 1, lastLine: this.lines + 1 + this.#newlines };
    this.lines += 1 + this.#newlines;
    this.#rows++;
    this.at = crlf ? at + 2 : at + 1;
    return FULL;
  }

  #putConstants(fields: Uint8Array): void {
    if (this.#filled + fields.length + VALUE_ROOM > this.#out.length) this.#grow(fields.length);
    this.#out.set(fields, this.#filled);
    this.#filled += fields.length;
  }

  /**
   * Reads a field whose first quote is at `at`.
   * @returns the position after the field, or the length of the bytes if they end before the field does
   */
  #readQuoted(bytes: Uint8Array, from: number, at: number): number {
    const newlines = this.#newlines;
    this.#quoted = true;
    if (at === from) {
      const end = this.#skipQuoted(bytes, at + 1);
      // If the only quotes are those around the field, its text needs no copy.
      if (end + 1 >= bytes.length) return bytes.length;
      if (bytes[end] === this.#dialect.quote && this.#endsField(bytes[end + 1] as number)) {
        this.#from = at + 1;
        this.#until = end;
        return end + 1;
      }
    }
    this.#newlines = newlines;
    const end = this.#unquote(bytes, from);
    if (this.#newlines > newlines) this.#isStray ||= isStray(bytes.subarray(from, end), this.#dialect.quote);
    return end;
  }

  /** Returns the position of the next quote or escape. */
  #skipQuoted(bytes: Uint8Array, start: number): number {
    const inside = this.#inside;
    let at = start;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (inside[byte] === 0) continue;
      if (byte !== this.#newlineByte) break;
      this.#newlines++;
    }
    return at;
  }

  #endsField(byte: number): boolean {
    return byte === this.#dialect.delimiter || byte === LF || byte === CR;
  }

  /** Removes quotes and escapes, as CopyReadAttributesCSV does (src/backend/commands/copyfromparse.c). */
  #unquote(bytes: Uint8Array, start: number): number {
    const { delimiter, quote, escape: escapeByte } = this.#dialect;
    let length = 0;
    let inQuote = false;
    let at = start;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (!inQuote && (byte === delimiter || byte === LF || byte === CR)) break;
      const following = bytes[at + 1];
      if (length === this.#scratch.length) this.#growScratch();
      if (inQuote && byte === escapeByte && (following === escapeByte || following === quote)) {
        this.#scratch[length++] = following;
        at++;
      } else if (byte === quote) {
        inQuote = !inQuote;
      } else {
        if (byte === this.#newlineByte) this.#newlines++;
        this.#scratch[length++] = byte;
      }
    }
    this.#text = this.#scratch;
    this.#from = 0;
    this.#until = length;
    return at;
  }

  #growScratch(): void {
    const larger = Buffer.alloc(this.#scratch.length * 2);
    larger.set(this.#scratch);
    this.#scratch = larger;
  }

  #grow(room: number): void {
    const larger = allocate((this.#out.length + room) * 2);
    larger.set(this.#out);
    this.#out = larger;
  }
}

/** Returns an uninitialized buffer outside of Node's shared pool, so that it can be transferred to another thread. */
function allocate(size: number): Uint8Array<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(size);
}
