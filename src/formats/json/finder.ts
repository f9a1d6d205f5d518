/**
 * Finds the records of a file, by its content: JSON lines, objects that follow each other, arrays of objects, or arrays at a path
 * within an object. Memory holds one record, and what was read with it.
 */
import type { ConnectorError } from '../../errors.ts';
import { invalidJson, recordsNotFound, rowTooLarge } from './errors.ts';
import type { RecordReader } from './record.ts';
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  CR,
  LF,
  OPEN_ARRAY,
  OPEN_OBJECT,
  type Problem,
  QUOTE,
  SPACE,
  STOPPED,
  TAB,
} from './scanner.ts';
import { unescapeString } from './unescape.ts';

/** The bytes end within a record, or the file ended. */
export const NEEDS_MORE = 0;
/** A record was read: its fields are in the reader. */
export const RECORD = 1;
/** A record that is not valid, or no object; `problem` says why. The next one is certain. */
export const BAD_RECORD = 2;
export type Found = typeof NEEDS_MORE | typeof RECORD | typeof BAD_RECORD;

/** Where the finder is: between values of the file, or within an array or an object around the records. */
const TOP = 0;
const ARRAY_START = 1;
const ARRAY_NEXT = 2;
const OBJECT_START = 3;
const OBJECT_NEXT = 4;

export interface FinderOptions {
  /** The keys that lead to the records; null: the records are at the top. */
  path: string[] | null;
  maxRowBytes: number;
  /** What `place` counts. */
  unit: 'line' | 'row';
}

/** Passes over the problem of what is around the records. */
const FATAL = -2;

export class RecordFinder {
  readonly reader: RecordReader;
  /** The record that was found: its range, and the line on which it starts, or its number. */
  start = 0;
  end = 0;
  place = 1;
  /** Records so far, and whether one of them started on a line on which another one ended. */
  records = 0;
  sharesLines = false;
  problem: Pick<Problem, 'code' | 'reason'> | null = null;
  /** Where the next record is looked for. */
  at = 0;
  readonly #path: string[] | null;
  readonly #maxRowBytes: number;
  readonly #unit: FinderOptions['unit'];
  #state = TOP;
  /** Objects around the records that are open. */
  #depth = 0;
  #found = false;
  /** Whether each record so far was one line. Only then a line that is not valid can be left out. */
  #inLines = true;
  /** Line feeds before `at`, and before the end of the last record; -1: there was none. */
  #lines = 0;
  #lastLine = -1;
  #objectLine = 1;

  constructor(reader: RecordReader, { path, maxRowBytes, unit }: FinderOptions) {
    this.reader = reader;
    this.#path = path;
    this.#maxRowBytes = maxRowBytes;
    this.#unit = unit;
  }

  /** @param bytes begin at `at` of those before, which is 0 now */
  load(bytes: Uint8Array, isLast: boolean): void {
    this.reader.bytes = bytes;
    this.reader.isLast = isLast;
    this.at = 0;
  }

  /**
   * Finds the next record.
   * @throws ConnectorError `invalid_json`, `row_too_large`, `records_not_found`
   */
  next(): Found {
    for (;;) {
      this.reader.lines = this.#lines;
      const found = this.#step();
      if (found === FATAL) throw this.#fatal(this.reader.problem!);
      if (found === STOPPED) {
        if (this.reader.problem !== null) throw this.#fatal(this.reader.problem);
        this.#checkSize(this.reader.bytes.length);
        return NEEDS_MORE;
      }
      if (found !== null) return found;
    }
  }

  /** Passes on to the next place; returns null if no record was found there. */
  #step(): Found | typeof STOPPED | typeof FATAL | null {
    const { reader } = this;
    const at = reader.space(this.at);
    if (this.#state === TOP && at >= reader.bytes.length) {
      this.#moveTo(at);
      return NEEDS_MORE;
    }
    switch (this.#state) {
      case TOP:
        return this.#top(at);
      case ARRAY_START:
        return reader.bytes[at] === CLOSE_ARRAY ? this.#closeArray(at) : this.#record(at, ARRAY_NEXT);
      case ARRAY_NEXT:
        if (reader.bytes[at] === CLOSE_ARRAY) return this.#closeArray(at);
        if (reader.bytes[at] !== COMMA) return reader.expected(at, 'a comma or ]');
        return this.#record(reader.space(at + 1), ARRAY_NEXT);
      case OBJECT_START:
        return reader.bytes[at] === CLOSE_OBJECT ? this.#closeObject(at) : this.#member(at);
      default:
        if (reader.bytes[at] === CLOSE_OBJECT) return this.#closeObject(at);
        if (reader.bytes[at] !== COMMA) return reader.expected(at, 'a comma or }');
        return this.#member(reader.space(at + 1));
    }
  }

  #moveTo(at: number, state: number = this.#state): null {
    this.at = at;
    this.#lines = this.reader.lines;
    this.#state = state;
    return null;
  }

  #top(at: number): Found | typeof STOPPED | typeof FATAL | null {
    const { reader } = this;
    const byte = reader.bytes[at];
    if (this.#path !== null) {
      if (byte !== OPEN_OBJECT) return reader.expected(at, 'an object');
      this.#depth = 1;
      this.#found = false;
      this.#objectLine = reader.lines + 1;
      return this.#moveTo(at + 1, OBJECT_START);
    }
    if (byte === OPEN_ARRAY) {
      this.#inLines = false;
      return this.#moveTo(at + 1, ARRAY_START);
    }
    const line = reader.lines;
    const inLines = this.#inLines && line !== this.#lastLine;
    const found = this.#record(at, TOP);
    if (found === STOPPED) {
      if (reader.problem === null || !inLines) return STOPPED;
      return this.#skipLine(at, line, reader.problem);
    }
    this.#inLines = inLines && reader.lines === line;
    return found;
  }

  #record(at: number, next: number): Found | typeof STOPPED {
    const { reader } = this;
    const { lines } = reader;
    const isObject = reader.bytes[at] === OPEN_OBJECT;
    const end = isObject ? reader.read(at) : reader.value(at);
    if (end === STOPPED || (next === TOP && !this.#endsWell(end))) return STOPPED;
    this.#take(at, end, lines);
    this.#moveTo(end, next);
    if (isObject) return RECORD;
    this.problem = { code: 'invalid_json', reason: `expected an object, but found ${this.#shown(at, end)}` };
    return BAD_RECORD;
  }

  /** Whether a line end, or another value, follows a record at the top. */
  #endsWell(end: number): boolean {
    const { reader } = this;
    const { bytes } = reader;
    let at = end;
    while (bytes[at] === SPACE || bytes[at] === TAB || bytes[at] === CR) at++;
    if (bytes[at] === LF || bytes[at] === OPEN_OBJECT || bytes[at] === OPEN_ARRAY) return true;
    if (at >= bytes.length && reader.isLast) return true;
    reader.expected(at, 'the end of the line');
    return false;
  }

  #take(start: number, end: number, lines: number): void {
    this.start = start;
    this.end = end;
    this.records++;
    this.place = this.#unit === 'line' ? lines + 1 : this.records;
    if (lines === this.#lastLine) this.sharesLines = true;
    this.#lastLine = this.reader.lines;
    if (end - start > this.#maxRowBytes) throw rowTooLarge(lines + 1, end - start, this.#maxRowBytes);
  }

  #shown(start: number, end: number): string {
    const text = Buffer.from(this.reader.bytes.subarray(start, Math.min(end, start + 100))).toString();
    return text.length > 40 ? `${text.slice(0, 40)}...` : text;
  }

  /** Leaves out a line whose record is not valid. The first line only if the next one begins with an object. */
  #skipLine(start: number, lines: number, problem: Problem): Found | typeof STOPPED | typeof FATAL {
    const { reader } = this;
    const { bytes } = reader;
    const lineFeed = bytes.indexOf(LF, start);
    if (lineFeed < 0 && !reader.isLast) return this.#more();
    const end = lineFeed < 0 ? bytes.length : lineFeed;
    reader.lines = lines;
    const next = reader.space(end);
    if (next >= bytes.length && !reader.isLast) return this.#more();
    if (next < bytes.length && this.records === 0 && bytes[next] !== OPEN_OBJECT) {
      reader.problem = problem;
      reader.lines = lines;
      return FATAL;
    }
    reader.lines = lines;
    this.#take(start, end, lines);
    this.problem = problem.at >= end ? { ...problem, reason: 'the line ends within it' } : problem;
    this.#moveTo(end, TOP);
    return BAD_RECORD;
  }

  #more(): typeof STOPPED {
    this.reader.problem = null;
    return STOPPED;
  }

  #closeArray(at: number): null {
    return this.#moveTo(at + 1, this.#path === null ? TOP : OBJECT_NEXT);
  }

  #closeObject(at: number): null {
    this.#depth--;
    if (this.#depth > 0) return this.#moveTo(at + 1, OBJECT_NEXT);
    if (!this.#found) throw this.#notFound('the object has no such key');
    return this.#moveTo(at + 1, TOP);
  }

  /** Reads a member of an object around the records. */
  #member(at: number): Found | typeof STOPPED | null {
    const { reader } = this;
    if (reader.bytes[at] !== QUOTE) return reader.expected(at, 'a key in quotes');
    const keyEnd = reader.string(at + 1);
    if (keyEnd === STOPPED) return STOPPED;
    const key = unescapeString(reader.bytes.subarray(at + 1, keyEnd - 1)).toString();
    const value = reader.colon(keyEnd);
    if (value === STOPPED) return STOPPED;
    if (value >= reader.bytes.length) return reader.stop(value, '');
    const path = this.#path!;
    if (key !== path[this.#depth - 1]) return this.#skipMember(value);
    const byte = reader.bytes[value];
    if (this.#depth < path.length) {
      if (byte !== OPEN_OBJECT) return this.#skipMember(value);
      this.#depth++;
      return this.#moveTo(value + 1, OBJECT_START);
    }
    this.#found = true;
    if (byte === OPEN_ARRAY) return this.#moveTo(value + 1, ARRAY_START);
    if (byte === OPEN_OBJECT) return this.#record(value, OBJECT_NEXT);
    const end = reader.value(value);
    if (end === STOPPED) return STOPPED;
    const text = this.#shown(value, end);
    if (text !== 'null') throw this.#notFound(`the value there is ${text}`);
    return this.#moveTo(end, OBJECT_NEXT);
  }

  #skipMember(value: number): typeof STOPPED | null {
    const end = this.reader.value(value);
    return end === STOPPED ? STOPPED : this.#moveTo(end, OBJECT_NEXT);
  }

  #notFound(what: string): ConnectorError {
    return recordsNotFound(this.#objectLine, `$.${this.#path!.join('.')}`, what);
  }

  #checkSize(end: number): void {
    const size = end - this.at;
    if (size > this.#maxRowBytes) throw rowTooLarge(this.#lines + 1, size, this.#maxRowBytes);
  }

  #fatal({ at, reason }: Problem): ConnectorError {
    let line = this.#lines + 1;
    const { bytes } = this.reader;
    for (let i = bytes.indexOf(LF, this.at); i >= 0 && i < at; i = bytes.indexOf(LF, i + 1)) line++;
    return invalidJson(line, reason);
  }

  /** Whether the file may end here. */
  get isComplete(): boolean {
    return this.#state === TOP;
  }
}
