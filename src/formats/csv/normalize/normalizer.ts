/** Rewrites the records of a file as COPY's CSV, and remembers on which lines of the file they were. */
import { ConnectorError } from '../../../errors.ts';
import { showNames } from '../../../table/show_name.ts';
import type { RecordsInFile } from '../batches.ts';
import type { DialectBytes } from '../dialect.ts';
import { isUtf8, leadBytes } from '../encoding.ts';
import { END_MARKER, endMarkerFound } from '../end_marker.ts';
import { unquoteInto } from '../fields.ts';
import { raggedRow } from '../rewrite.ts';
import {
  escapeBeyondAscii,
  footerTooLarge,
  mixedNewlines,
  nulCharacter,
  rowTooLarge,
  unterminatedQuote,
} from '../scan_errors.ts';
import type { Newline } from '../scanner.ts';
import { isStray, type StrayQuotes } from '../stray_quotes.ts';
import { countBytes, doubleQuotes, isBlank } from './bytes.ts';
import { namesInComment } from './comments.ts';
import { FileLines } from './file_lines.ts';
import { Input } from './input.ts';
import { NORMAL, type NormalizeRules } from './rules.ts';
import { INCOMPLETE, type Layout, type SplitRecord, splitRecord, UNTERMINATED } from './split.ts';
import { hasHighEscape, unescapeText } from './text_escapes.ts';
import { convertValue } from './values.ts';

const LF = 0x0a;
const CR = 0x0d;
const NO_BYTES: Buffer = Buffer.alloc(0);
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const QUOTE = Buffer.from(NORMAL.quote);
const DELIMITER = Buffer.from(NORMAL.delimiter);
const RECORD_END = Buffer.from('\n');
/** How many bytes are gathered before they are passed on. */
const CHUNK_BYTES = 64 * 1024;
/** The rows of a footer are kept in memory; in bytes. */
const MAX_FOOTER_BYTES = 16 << 20;

export interface NormalizeOptions {
  /** Passes records on that have a wrong number of fields or a NUL. */
  sorting?: boolean;
  /** Keeps each record as the file has it, for `take`. */
  keeping?: boolean;
  /** Gets the first row with a stray quote. */
  strays?: StrayQuotes | undefined;
}

/** A record of a file that is normalized. */
interface FileRecord {
  /** Its bytes in the file, without the line end. */
  raw: Buffer;
  /** Where its fields end in `raw`. */
  fieldEnds: number[];
  /** Its first and its last line. */
  line: number;
  lastLine: number;
}

export class Normalizer {
  readonly fileLines = new FileLines();
  /** The columns that a comment names; null if none did. */
  columnNames: string[] | null = null;

  readonly #rules: NormalizeRules;
  readonly #options: NormalizeOptions;
  readonly #layout: Layout;
  /** The layout, as `unquoteInto` takes it. */
  readonly #quoting: DialectBytes;
  readonly #nulls: Buffer[];
  readonly #comment: Buffer | null;
  readonly #isUtf8: boolean;
  readonly #input: Input;
  #isStart = true;
  #linesToSkip: number;
  #newline: Newline | null = null;
  /** The lines on which the next record starts, in the file and in its normal form. */
  #fileLine = 1;
  #line = 1;
  #isHeader: boolean;
  /** The last records, which may be the footer. */
  #held: FileRecord[] = [];
  #heldBytes = 0;
  /** Records after the header for `take`. */
  #passed: FileRecord[] = [];
  #output: Buffer[] = [];
  #outputBytes = 0;

  constructor(rules: NormalizeRules, options: NormalizeOptions = {}) {
    this.#rules = rules;
    this.#options = options;
    const byteOf = (text: string) => (text === '' ? -1 : text.charCodeAt(0));
    const isText = rules.layout === 'text';
    const leads = leadBytes(rules.encoding);
    const isLead = new Uint8Array(256);
    for (const lead of leads) isLead[lead] = 1;
    this.#layout = {
      text: isText,
      delimiter: Buffer.from(rules.delimiter),
      quote: isText ? -1 : byteOf(rules.quote),
      escape: isText ? -1 : byteOf(rules.escape),
      leads: isLead,
    };
    const { quote, escape: escapeByte } = this.#layout;
    this.#quoting = { delimiter: -1, quote, escape: escapeByte, nullText: NO_BYTES, leads };
    this.#nulls = rules.nullValues.map((text) => Buffer.from(text));
    this.#comment = rules.commentPrefix === null ? null : Buffer.from(rules.commentPrefix);
    this.#isUtf8 = isUtf8(rules.encoding);
    this.#input = new Input(rules.maxRowBytes);
    this.#linesToSkip = rules.skipLines;
    this.#isHeader = rules.header;
  }

  /**
   * Yields the normalized records.
   * @param chunks as `toScannable` returns them
   * @throws ConnectorError as `RecordScanner`, and `ragged_row`
   */
  async *read(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      if (!this.#input.append(chunk)) continue;
      while (this.#takeNext());
      if (this.#outputBytes >= CHUNK_BYTES) yield this.#flush();
    }
    this.#input.end();
    while (this.#takeNext());
    if (this.#outputBytes > 0) yield this.#flush();
  }

  /** Returns the next records after the header as the file has them, and forgets them. */
  take(count: number): RecordsInFile {
    const taken = this.#passed.splice(0, count);
    const lines = taken.map(({ line }) => line);
    const last = taken.at(-1);
    return { lines: last ? [...lines, last.lastLine + 1] : lines, raws: taken.map(({ raw }) => raw) };
  }

  /** Takes a line or a record; returns false if more bytes are needed. */
  #takeNext(): boolean {
    if (this.#isStart && !this.#skipMark()) return false;
    if (this.#input.at >= this.#input.bytes.length) return false;
    if (this.#linesToSkip > 0) {
      if (this.#takeLine() === null) return this.#input.wait();
      this.#linesToSkip -= 1;
      return true;
    }
    const comment = this.#comment;
    if (comment) {
      const start = this.#input.bytes.subarray(this.#input.at, this.#input.at + comment.length);
      if (start.length < comment.length && !this.#input.atEnd) return false;
      if (start.equals(comment)) return this.#takeComment(comment.length);
    }
    const record = splitRecord(this.#input.bytes, this.#input.at, this.#layout, this.#input.atEnd);
    if (record === UNTERMINATED) throw unterminatedQuote(this.#fileLine);
    this.#checkSize(record === INCOMPLETE ? this.#input.bytes.length : record.end);
    if (record === INCOMPLETE) return this.#input.wait();
    this.#takeRecord(record);
    return true;
  }

  #skipMark(): boolean {
    if (this.#input.bytes.length < BYTE_ORDER_MARK.length && !this.#input.atEnd) return false;
    this.#isStart = false;
    if (this.#isUtf8 && this.#input.bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK))
      this.#input.at = BYTE_ORDER_MARK.length;
    return true;
  }

  /** Takes the bytes up to the next line end, quoted or not; null if it did not come yet. */
  #takeLine(): Buffer | null {
    const bytes = this.#input.bytes;
    let end = this.#input.at;
    while (end < bytes.length && bytes[end] !== LF && bytes[end] !== CR) end++;
    const needed = bytes[end] === CR ? end + 1 : end;
    this.#checkSize(end);
    if (needed >= bytes.length && !this.#input.atEnd) return null;
    const line = bytes.subarray(this.#input.at, end);
    this.#input.at = Math.min(bytes.length, end + (bytes[end] === CR && bytes[end + 1] === LF ? 2 : 1));
    this.#fileLine += 1;
    return line;
  }

  #takeComment(prefixLength: number): boolean {
    const from = this.#fileLine;
    const line = this.#takeLine();
    if (line === null) return this.#input.wait();
    const names = namesInComment(line.toString('utf8', prefixLength), this.#rules);
    if (names !== null) this.#nameColumns(names, from);
    return true;
  }

  /** A log may begin again within its file. */
  #nameColumns(names: string[], line: number): void {
    const known = this.columnNames;
    this.columnNames ??= names;
    if (known === null || this.#rules.header || `${known}` === `${names}`) return;
    throw new ConnectorError(
      'other_columns',
      `the comment on line ${line} names the columns ${showNames(names)}; the file began with ${showNames(known)}`,
      { line, hint: 'Write a file for each list of columns.' },
    );
  }

  #checkSize(end: number): void {
    const size = end - this.#input.at;
    if (size > this.#rules.maxRowBytes) throw rowTooLarge(this.#fileLine, size, this.#rules.maxRowBytes);
  }

  #takeRecord(record: SplitRecord): void {
    const start = this.#input.at;
    const line = this.#fileLine;
    const raw = this.#input.bytes.subarray(start, record.end);
    const fieldEnds = record.fieldEnds.map((end) => end - start);
    this.#input.at = record.next;
    this.#endLine(raw, record.newline, line);
    if (this.#rules.skipBlankLines && fieldEnds.length === 1 && isBlank(raw)) return;
    if (this.#fileLine - line > 1 && this.#layout.quote >= 0) this.#findStray(raw, fieldEnds, line);
    this.#hold({ raw, fieldEnds, line, lastLine: this.#fileLine - 1 });
  }

  #findStray(raw: Buffer, fieldEnds: number[], line: number): void {
    const { quote, delimiter } = this.#layout;
    const newline = this.#newline === null || this.#newline === 'lf' ? LF : CR;
    fieldEnds.forEach((end, field) => {
      const value = raw.subarray(field === 0 ? 0 : fieldEnds[field - 1]! + delimiter.length, end);
      if (value.includes(newline) && isStray(value, quote))
        this.#options.strays?.note(line, this.#fileLine - 1);
    });
  }

  #hold(record: FileRecord): void {
    this.#held.push(record);
    this.#heldBytes += record.raw.length;
    while (this.#held.length > this.#rules.skipFooter) {
      const first = this.#held.shift()!;
      this.#heldBytes -= first.raw.length;
      this.#put(first);
    }
    const limit = Math.max(MAX_FOOTER_BYTES, 2 * this.#rules.maxRowBytes);
    if (this.#heldBytes > limit) throw footerTooLarge(this.#rules.skipFooter, record.lastLine, limit);
  }

  /** Counts lines as COPY does: quoted newlines of the file's kind count too. */
  #endLine(raw: Buffer, newline: Newline | null, line: number): void {
    if (newline !== null) {
      this.#newline ??= newline;
      if (newline !== this.#newline) throw mixedNewlines(line, this.#newline, newline);
    }
    this.#fileLine += 1 + countBytes(raw, this.#newline === null || this.#newline === 'lf' ? LF : CR);
  }

  #fieldsOf({ raw: record, fieldEnds, line }: FileRecord): Buffer[] {
    // COPY would end there.
    if (this.#layout.text && record.equals(END_MARKER)) throw endMarkerFound(line);
    let from = 0;
    const fields = fieldEnds.map((end, field) => {
      const raw = record.subarray(from, end);
      if (raw.includes(0) && !this.#options.sorting) throw nulCharacter(line, line, field + 1);
      from = end + this.#layout.delimiter.length;
      return raw;
    });
    const { columns, onShortRow, onLongRow } = this.#rules;
    if (columns === null || this.#isHeader || fields.length === columns) return fields;
    if (fields.length > columns && onLongRow === 'cut') return fields.slice(0, columns);
    if (fields.length < columns && onShortRow === 'fill') return fields;
    if (!this.#options.sorting) throw raggedRow(line, columns, fields.length);
    return fields;
  }

  #normalize(fields: Buffer[], line: number): Buffer {
    const parts: Buffer[] = [];
    const put = (value: Buffer | null, position: number) => {
      // An escape may stand for one.
      if (value?.includes(0) && !this.#options.sorting) throw nulCharacter(line, line, position + 1);
      if (value !== null)
        parts.push(QUOTE, value.includes(QUOTE) ? doubleQuotes(value, this.#layout.leads) : value, QUOTE);
    };
    fields.forEach((raw, position) => {
      if (position > 0) parts.push(DELIMITER);
      put(this.#convert(this.#valueOf(raw, line), position), position);
    });
    const { columns, onShortRow, copies, withLine } = this.#rules;
    const isFilled = columns !== null && onShortRow === 'fill' && !this.#isHeader;
    if (isFilled) for (let missing = columns - fields.length; missing > 0; missing--) parts.push(DELIMITER);
    // A short row stays short, and a long one stays long.
    if (columns !== null && (isFilled || fields.length >= columns) && !this.#isHeader) {
      for (const position of copies) {
        parts.push(DELIMITER);
        if (position < fields.length) put(this.#valueOf(fields[position]!, line), position);
      }
      if (withLine) parts.push(DELIMITER, Buffer.from(String(line)));
    }
    parts.push(RECORD_END);
    return Buffer.concat(parts);
  }

  /** Returns the text of a field; null for a null. */
  #valueOf(raw: Buffer, line: number): Buffer | null {
    const isQuoted = this.#layout.quote >= 0 && raw.includes(this.#layout.quote);
    const value = isQuoted ? this.#unquote(raw) : this.#layout.text ? this.#unescape(raw, line) : raw;
    if (this.#isHeader) return value;
    // A null in the text format is compared before its escapes are read.
    const compared = this.#layout.text ? raw : value;
    if ((!isQuoted || this.#rules.nullQuoted) && this.#nulls.some((text) => text.equals(compared)))
      return null;
    return value;
  }

  #convert(value: Buffer | null, position: number): Buffer | null {
    const conversion = this.#isHeader ? null : this.#rules.conversions[position];
    if (value === null || !conversion) return value;
    const encoding = this.#isUtf8 ? 'utf8' : 'latin1';
    return Buffer.from(convertValue(value.toString(encoding), conversion), encoding);
  }

  /** COPY converts the encoding before it reads escapes, so an escape stands for a byte of the database's encoding. */
  #unescape(raw: Buffer, line: number): Buffer {
    if (!this.#isUtf8 && hasHighEscape(raw, this.#layout.leads))
      throw escapeBeyondAscii(line, this.#rules.encoding);
    return unescapeText(raw, this.#layout.leads);
  }

  #unquote(raw: Buffer): Buffer {
    const value = Buffer.alloc(raw.length);
    return value.subarray(0, unquoteInto(value, raw, this.#quoting));
  }

  #put(record: FileRecord): void {
    const { raw, line, lastLine } = record;
    const normal = this.#normalize(this.#fieldsOf(record), line);
    this.fileLines.note(this.#line, line);
    this.#line += countBytes(normal, LF);
    // COPY's errors are on the last line. A value may have newlines of another kind than the file's, which are no lines in it.
    this.fileLines.note(this.#line - 1, lastLine);
    if (this.#options.keeping && !this.#isHeader) this.#passed.push({ ...record, raw: Buffer.from(raw) });
    this.#isHeader = false;
    this.#output.push(normal);
    this.#outputBytes += normal.length;
  }

  #flush(): Buffer {
    const chunk = Buffer.concat(this.#output);
    this.#output = [];
    this.#outputBytes = 0;
    return chunk;
  }
}
