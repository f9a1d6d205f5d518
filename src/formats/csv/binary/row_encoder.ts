import type { BinaryFields } from '../../constants.ts';
import type { DialectBytes } from '../dialect.ts';
import type { Newline } from '../scanner.ts';
import { type PutValue, putInt32, UNSURE, VALUE_ROOM } from './values.ts';

/** The bytes are used up, perhaps in the middle of a record. */
export const NEEDS_MORE = 0;
/** There are enough rows to be taken. */
export const FULL = 1;
/** The next record is one that PostgreSQL must see itself: a value in an unusual spelling, or a fault. */
export const NOT_SURE = 2;
export type EncoderStop = typeof NEEDS_MORE | typeof FULL | typeof NOT_SURE;

/** Bytes of rows that are gathered before they are taken. */
const FULL_BYTES = 256 * 1024;
/** A buffer holds that many, and the rest of a row of usual size. */
const BUFFER_BYTES = FULL_BYTES + 64 * 1024;

const LF = 0x0a;
const CR = 0x0d;
const BACKSLASH = 0x5c;
const POINT = 0x2e;

export interface EncoderOptions {
  /** For each field of a record what puts its value; null for one that is left out. */
  putters: (PutValue | null)[];
  /** What is the same at the end of each row. */
  constants: BinaryFields | null;
  newline: Exclude<Newline, 'cr'>;
  /** In bytes, the record's end not counted. */
  maxRowBytes: number;
}

/** Rows in COPY's binary format, without header and trailer. */
export interface EncodedRows {
  data: Uint8Array<ArrayBuffer>;
  rows: number;
  /** The physical line at which each row ends, where COPY would say that it is, relative to the line at which the first starts; null where every row is one line. */
  lines: Uint32Array<ArrayBuffer> | null;
}

/**
 * Turns records of a CSV file into COPY's binary rows
 * (https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT): finds the fields by the rules of COPY's CSV
 * format, and puts the value of each. It never guesses: at a record of which it is not sure in every way it stops.
 */
export class RowEncoder {
  /** Where the next record starts, after `encode`. */
  at = 0;
  /** Physical lines of the rows that were encoded since `take`. */
  lines = 0;

  readonly #putters: (PutValue | null)[];
  readonly #columns: number;
  readonly #constants: Uint8Array | null;
  readonly #crlf: boolean;
  readonly #newlineByte: number;
  readonly #maxRowBytes: number;
  readonly #dialect: DialectBytes;
  readonly #nullText: Uint8Array;
  /** 1 for bytes that end a field outside of quotes, or that matter inside of them. */
  readonly #outside = new Uint8Array(256);
  readonly #inside = new Uint8Array(256);

  #out = allocate(BUFFER_BYTES);
  #filled = 0;
  #rows = 0;
  /** Of each row, from the first on that is more than one line; see EncodedRows. */
  #lineEnds: number[] | null = null;

  /** The field that was read last: its text, in the record or unquoted in `#scratch`. */
  #text: Uint8Array = Buffer.alloc(0);
  #from = 0;
  #until = 0;
  #quoted = false;
  #newlines = 0;
  #scratch: Uint8Array = Buffer.alloc(4096);

  constructor(dialect: DialectBytes, options: EncoderOptions) {
    this.#dialect = dialect;
    this.#nullText = dialect.nullText;
    this.#putters = options.putters;
    this.#constants = options.constants?.bytes ?? null;
    this.#columns = options.putters.filter((put) => put !== null).length + (options.constants?.count ?? 0);
    this.#crlf = options.newline === 'crlf';
    this.#maxRowBytes = options.maxRowBytes;
    for (const byte of [dialect.delimiter, dialect.quote, LF, CR]) this.#outside[byte] = 1;
    // COPY counts one of the two, whatever the other does.
    this.#newlineByte = this.#crlf ? CR : LF;
    for (const byte of [dialect.quote, dialect.escape, this.#newlineByte]) this.#inside[byte] = 1;
  }

  /** Encodes the records that start at `start`, and those after it. There must be no NUL in the bytes. */
  encode(bytes: Uint8Array, start: number): EncoderStop {
    this.at = start;
    while (this.at < bytes.length) {
      if (this.#filled >= FULL_BYTES) return FULL;
      const filled = this.#filled;
      this.#newlines = 0;
      const stop = this.#encodeRecord(bytes);
      if (stop !== FULL) {
        this.#filled = filled;
        return stop;
      }
    }
    return NEEDS_MORE;
  }

  /** The rows that were encoded; the encoder begins anew. Null if there are none. */
  take(): EncodedRows | null {
    if (this.#rows === 0) return null;
    const taken: EncodedRows = {
      data: this.#out.subarray(0, this.#filled),
      rows: this.#rows,
      lines: this.#lineEnds && Uint32Array.from(this.#lineEnds),
    };
    this.#out = allocate(BUFFER_BYTES);
    this.#filled = 0;
    this.#rows = 0;
    this.#lineEnds = null;
    this.lines = 0;
    return taken;
  }

  /** Encodes one record: FULL stands for done. */
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
      // Storing it costs V8 a look at both objects, also where it is the same.
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

  /** @returns where the row goes on, or UNSURE */
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

  /** The record's last field has ended at `at`, with a carriage return or a line feed. */
  #endRecord(bytes: Uint8Array, start: number, at: number, end: number): EncoderStop {
    const crlf = bytes[at] === CR;
    if (crlf && at + 1 >= bytes.length) return NEEDS_MORE;
    if (crlf !== this.#crlf || (crlf && bytes[at + 1] !== LF)) return NOT_SURE;
    if (at - start > this.#maxRowBytes) return NOT_SURE;
    // Which PostgreSQL before 18 takes for the end of the data.
    if (at - start === 2 && bytes[start] === BACKSLASH && bytes[start + 1] === POINT) return NOT_SURE;
    this.#filled = end;
    if (this.#constants !== null) this.#putConstants(this.#constants);
    // So far every row was a line.
    if (this.#newlines > 0) this.#lineEnds ??= Array.from({ length: this.#rows }, (_, row) => row);
    this.#lineEnds?.push(this.lines + this.#newlines);
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
   * Reads a field with a quote in it, the first at `at`.
   * @returns the byte after the field, or the length of the bytes if they end before it
   */
  #readQuoted(bytes: Uint8Array, from: number, at: number): number {
    const newlines = this.#newlines;
    this.#quoted = true;
    if (at === from) {
      const end = this.#skipQuoted(bytes, at + 1);
      // Nothing but the quotes around it: the text is there as it is.
      if (end + 1 >= bytes.length) return bytes.length;
      if (bytes[end] === this.#dialect.quote && this.#endsField(bytes[end + 1] as number)) {
        this.#from = at + 1;
        this.#until = end;
        return end + 1;
      }
    }
    this.#newlines = newlines;
    return this.#unquote(bytes, from);
  }

  /** To the next quote or escape. */
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

  /** Takes quotes off and undoes escapes, as CopyReadAttributesCSV does (src/backend/commands/copyfromparse.c). */
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

/** Not zeroed, and with memory of its own, so that it can be given to another thread. */
function allocate(size: number): Uint8Array<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(size);
}
