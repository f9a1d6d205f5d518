/**
 * The "record scanner" finds records and fields in CSV bytes by the rules of COPY ... (FORMAT csv): CopyReadLineText and
 * CopyReadAttributesCSV in PostgreSQL's src/backend/commands/copyfromparse.c.
 */
import type { ConnectorError } from '../../errors.ts';
import type { DialectBytes } from './dialect.ts';
import { mixedNewlines, type Newline, nulCharacter, rowTooLarge, unterminatedQuote } from './scan_errors.ts';
import type { StrayQuotes } from './stray_quotes.ts';

/** A field ended at a delimiter. */
export const FIELD_END = 0;
/** A record ended, and its last field with it. */
export const RECORD_END = 1;
/** The chunk ended, in the middle of a field or between two records. */
export const CHUNK_END = 2;
export type Stop = typeof FIELD_END | typeof RECORD_END | typeof CHUNK_END;

export type { Newline };

const NEWLINES: Record<Newline, Buffer> = {
  lf: Buffer.from('\n'),
  crlf: Buffer.from('\r\n'),
  cr: Buffer.from('\r'),
};

/** Returns the bytes of a newline; a line feed if the kind is not known. */
export const newlineBytes = (newline: Newline | null): Buffer => NEWLINES[newline ?? 'lf'];

/** What is known about the bytes before the rows; `readHeader` returns both. */
export interface RowsStart {
  /** The number of lines before the rows, which errors add. Default: 0. */
  lineOffset?: number;
  /** How the header ended. Default: the first record decides. */
  newline?: Newline | null;
}

export interface ScanOptions extends RowsStart {
  /** In bytes, without the record's line end. */
  maxRowBytes: number;
  /** `stop`: `next` stops at each field. `count`: only counts them, which is faster. `ignore`: fastest, no fields at all. */
  fields: 'stop' | 'count' | 'ignore';
  /** Accepts NUL characters, because the caller handles them. */
  passNul?: boolean;
  /** Gets the first row with a stray quote. */
  strays?: StrayQuotes | undefined;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

// The classes of bytes; 0 is data.
const DELIMITER = 1;
const QUOTE = 2;
const ESCAPE = 3;
const LINE_FEED = 4;
const CARRIAGE_RETURN = 5;
const NUL = 6;
const LEAD = 7;

// The state at the end of a chunk.
const NOTHING = 0;
const AFTER_CR = 1;
const AFTER_ESCAPE = 2;
const AFTER_LEAD = 3;

/**
 * Scans chunk by chunk, and keeps no bytes. For each chunk call `load`, then `next` until it returns CHUNK_END.
 * After the last chunk call `finish`.
 *
 * @throws ConnectorError `row_too_large`, `nul_character`, `mixed_newlines`, `unterminated_quote`
 */
export class RecordScanner {
  /** The last field, or the last record if `next` does not stop at fields, as a range of the chunk. */
  start = 0;
  end = 0;
  /** Whether the field that just ended had a quote. */
  quoted = false;
  /** The index of the field that `next` continues with. */
  field = 0;
  /** For the record that just ended: the number of fields, its bytes without the line end, and its first line (from 1). */
  fields = 0;
  size = 0;
  line = 1;
  newline: Newline | null;

  readonly #plain = new Uint8Array(256);
  readonly #inQuotes = new Uint8Array(256);
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #escape: number;
  readonly #maxRowBytes: number;
  readonly #stopAtFields: boolean;

  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  #inQuote = false;
  #sawQuote = false;
  #pending = NOTHING;
  /** Where the record starts in this chunk, and its bytes in earlier chunks. */
  #recordStart = 0;
  #sizeBefore = 0;
  #recordLine: number;
  readonly #lineOffset: number;
  /** See stray_quotes.ts. Where the open quote began in this chunk; -1: in an earlier one, whose last byte is `#lastByte`. */
  readonly #strays: StrayQuotes | undefined;
  #quoteAt = 0;
  #openedStray = false;
  #lastByte = LF;
  /** Whether the open quote has a line end, and whether the record has a stray quote. */
  #lineInQuote = false;
  #stray = false;
  #lineFeeds = 0;
  #carriageReturns = 0;

  constructor(bytes: DialectBytes, options: ScanOptions) {
    this.newline = options.newline ?? null;
    this.#delimiter = bytes.delimiter;
    this.#quote = bytes.quote;
    this.#strays = options.strays;
    this.#escape = bytes.escape;
    this.#maxRowBytes = options.maxRowBytes;
    this.#stopAtFields = options.fields === 'stop';
    this.#lineOffset = options.lineOffset ?? 0;
    this.#recordLine = this.#lineOffset + 1;
    for (const classes of [this.#plain, this.#inQuotes]) {
      for (const lead of bytes.leads) classes[lead] = LEAD;
      classes[0] = options.passNul ? 0 : NUL;
      classes[LF] = LINE_FEED;
      classes[CR] = CARRIAGE_RETURN;
    }
    if (options.fields !== 'ignore') this.#plain[bytes.delimiter] = DELIMITER;
    this.#inQuotes[bytes.escape] = ESCAPE;
    this.#plain[bytes.quote] = QUOTE;
    this.#inQuotes[bytes.quote] = QUOTE;
  }

  load(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
    this.#recordStart = 0;
  }

  /** The index of the first byte that was not scanned yet. */
  get at(): number {
    return this.#at;
  }

  /** The number of lines before the record that `next` continues with. */
  get lines(): number {
    return this.#recordLine - 1 - this.#lineOffset;
  }

  /** After CHUNK_END: whether the chunk held bytes of a record that has not ended. */
  get inRecord(): boolean {
    return this.#sizeBefore > 0;
  }

  next(): Stop {
    const chunk = this.#chunk;
    const length = chunk.length;
    const unrolled = length - 3;
    let at = this.#at;
    this.start = at;
    if (this.#pending !== NOTHING && at < length) {
      const first = chunk[at] as number;
      const pending = this.#pending;
      this.#pending = NOTHING;
      if (pending === AFTER_CR) return this.#endRecord(at, first === LF ? at + 1 : at, first === LF);
      if (pending === AFTER_LEAD) at++;
      else if (first === this.#quote || first === this.#escape) at++;
    }
    let classes = this.#inQuote ? this.#inQuotes : this.#plain;
    for (;;) {
      // Four bytes at a time: nearly all the time is spent in this loop.
      while (
        at < unrolled &&
        ((classes[chunk[at] as number] as number) |
          (classes[chunk[at + 1] as number] as number) |
          (classes[chunk[at + 2] as number] as number) |
          (classes[chunk[at + 3] as number] as number)) ===
          0
      ) {
        at += 4;
      }
      while (at < length && classes[chunk[at] as number] === 0) at++;
      if (at >= length) return this.#endChunk(length);
      switch (classes[chunk[at] as number]) {
        case DELIMITER:
          this.field++;
          at++;
          if (!this.#stopAtFields) break;
          this.#at = at;
          this.end = at - 1;
          this.quoted = this.#sawQuote;
          this.#sawQuote = false;
          return FIELD_END;
        case QUOTE:
          // If quote and escape are the same, a doubled quote closes and reopens the field, which has the same result.
          if (this.#lineInQuote) this.#closeLines(at);
          else if (!this.#inQuote && !(at > 0 && chunk[at - 1] === this.#quote)) this.#quoteAt = at;
          this.#inQuote = !this.#inQuote;
          this.#sawQuote = true;
          classes = this.#inQuote ? this.#inQuotes : this.#plain;
          at++;
          break;
        case ESCAPE:
          at++;
          if (at === length) this.#pending = AFTER_ESCAPE;
          else if (chunk[at] === this.#quote || chunk[at] === this.#escape) at++;
          break;
        case LINE_FEED:
          if (!this.#inQuote) return this.#endRecord(at, at + 1, true, false);
          if (!this.#lineInQuote && this.newline !== 'crlf') this.#openLines();
          this.#lineFeeds++;
          at++;
          break;
        case CARRIAGE_RETURN: {
          if (!this.#inQuote) {
            if (this.newline === 'cr') return this.#endRecord(at, at + 1, false);
            if (at + 1 === length) {
              this.#pending = AFTER_CR;
              return this.#endChunk(at);
            }
            const lineFeed = chunk[at + 1] === LF;
            return this.#endRecord(at, lineFeed ? at + 2 : at + 1, lineFeed);
          }
          if (!this.#lineInQuote && this.newline !== 'lf') this.#openLines();
          this.#carriageReturns++;
          at++;
          break;
        }
        case NUL:
          throw this.#nul();
        default:
          at++;
          if (at === length) this.#pending = AFTER_LEAD;
          else at++;
      }
    }
  }

  /** Call after the last chunk. Returns RECORD_END if a record was open, whose bytes were in earlier chunks. */
  finish(): Stop {
    this.load(new Uint8Array(0));
    this.start = 0;
    if (this.#pending === AFTER_CR) return this.#endRecord(0, 0, false);
    if (this.#inQuote) throw unterminatedQuote(this.#recordLine);
    return this.#sizeBefore === 0 ? CHUNK_END : this.#closeRecord(0, 0, 1);
  }

  #endRecord(end: number, next: number, lineFeed: boolean, carriageReturn = true): Stop {
    const found: Newline = !lineFeed ? 'cr' : carriageReturn ? 'crlf' : 'lf';
    this.newline ??= found;
    if (found !== this.newline) throw this.#mixed(found);
    if (lineFeed) this.#lineFeeds++;
    if (carriageReturn) this.#carriageReturns++;
    return this.#closeRecord(end, next);
  }

  /** @param openLines 1 for a last line that no line end closes */
  #closeRecord(end: number, next: number, openLines = 0): Stop {
    this.size = this.#sizeBefore + (end - this.#recordStart);
    if (this.size > this.#maxRowBytes) throw this.#tooLarge(this.size);
    this.end = end;
    this.#at = next;
    this.#recordStart = next;
    this.#sizeBefore = 0;
    this.fields = this.field + 1;
    this.field = 0;
    this.quoted = this.#sawQuote;
    this.#sawQuote = false;
    this.line = this.#recordLine;
    this.#recordLine = this.#physicalLine();
    if (this.#stray) {
      this.#strays?.note(this.line, this.#recordLine - 1 + openLines);
      this.#stray = false;
    }
    return RECORD_END;
  }

  #endChunk(end: number): Stop {
    this.#sizeBefore += end - this.#recordStart;
    if (this.#sizeBefore > this.#maxRowBytes) throw this.#tooLarge(this.#sizeBefore);
    this.end = end;
    if (this.#inQuote && this.#quoteAt >= 0) {
      this.#openedStray = this.#opensStray();
      this.#quoteAt = -1;
    }
    this.#lastByte = this.#chunk[this.#chunk.length - 1] ?? this.#lastByte;
    this.#at = this.#chunk.length;
    this.#recordStart = this.#at;
    return CHUNK_END;
  }

  /** Counts as COPY does: quoted newlines of the file's kind count too. If rows end with CRLF, carriage returns count. */
  #physicalLine(): number {
    const ends = this.newline === 'lf' || this.newline === null ? this.#lineFeeds : this.#carriageReturns;
    return this.#lineOffset + ends + 1;
  }

  /** The open quote has its first line end. */
  #openLines(): void {
    this.#lineInQuote = true;
    this.#stray ||= this.#quoteAt < 0 ? this.#openedStray : this.#opensStray();
  }

  /** The open quote ends at `at`, and has line ends. */
  #closeLines(at: number): void {
    const chunk = this.#chunk;
    let after = at + 1;
    // A doubled quote does not end it, but looks so. It is the other way round for the second of the two.
    if (chunk[after] === this.#quote || !this.#inQuote) return;
    this.#lineInQuote = false;
    while (after < chunk.length && chunk[after] === SPACE) after++;
    const byte = chunk[after] ?? LF;
    if (byte !== this.#delimiter && byte !== LF && byte !== CR) this.#stray = true;
  }

  /** Whether there is text between the open quote and the start of its field. */
  #opensStray(): boolean {
    const chunk = this.#chunk;
    let before = this.#quoteAt - 1;
    while (before >= 0 && chunk[before] === SPACE) before--;
    const byte = before >= 0 ? (chunk[before] as number) : this.#lastByte;
    return byte !== this.#delimiter && byte !== LF && byte !== CR && byte !== this.#quote;
  }

  #tooLarge(size: number): ConnectorError {
    return rowTooLarge(this.#recordLine, size, this.#maxRowBytes);
  }

  #nul(): ConnectorError {
    return nulCharacter(this.#physicalLine(), this.#recordLine, this.field + 1);
  }

  #mixed(found: Newline): ConnectorError {
    return mixedNewlines(this.#physicalLine(), this.newline ?? found, found);
  }
}
