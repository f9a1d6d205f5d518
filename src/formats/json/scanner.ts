/**
 * The "scanner" finds the end of JSON values in bytes, and checks them as PostgreSQL's parser does
 * (src/common/jsonapi.c, with escapes that become characters).
 */

/** Returned by the scanner's functions instead of a position, if `problem` or the end of the bytes was met. */
export const STOPPED = -1;

export const LF = 0x0a;
export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const BACKSLASH = 0x5c;
export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const SPACE = 0x20;
export const TAB = 0x09;
export const CR = 0x0d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
const LOWER = 0x20;

const WORDS = ['true', 'false', 'null'].map((word) => Buffer.from(word));

/** 1 for bytes at which a string's loop stops: the quote, the backslash, control characters. */
const STOPS_STRING = new Uint8Array(256).fill(1, 0, 0x20);
STOPS_STRING[QUOTE] = 1;
STOPS_STRING[BACKSLASH] = 1;

/** 1 for bytes that may follow a backslash. */
const ESCAPES = new Uint8Array(256);
for (const char of '"\\/bfnrtu') ESCAPES[char.charCodeAt(0)] = 1;

export type ProblemCode = 'invalid_json' | 'nul_character';

/** What is wrong, and at which byte. */
export interface Problem {
  at: number;
  code: ProblemCode;
  reason: string;
}

export class Scanner {
  bytes: Uint8Array = new Uint8Array(0);
  /** Whether nothing follows the bytes. */
  isLast = false;
  /** Line feeds that were passed. A string has none. */
  lines = 0;
  /** Why a function returned STOPPED; null: the bytes ended first, and more may follow. */
  problem: Problem | null = null;
  /** Whether the last string had an escape. */
  escaped = false;
  /** 1 for an object, 0 for an array, by depth. */
  #stack = new Uint8Array(64);

  /** Returns the position of the next byte that is no white space; the length of the bytes if there is none. */
  space(start: number): number {
    const bytes = this.bytes;
    let at = start;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte > SPACE) return at;
      if (byte === LF) this.lines++;
      else if (byte !== SPACE && byte !== TAB && byte !== CR) return at;
    }
    return at;
  }

  /** Stops: at a byte that cannot be there, or at the end of the bytes. */
  stop(at: number, reason: string, code: ProblemCode = 'invalid_json'): typeof STOPPED {
    const ends = at >= this.bytes.length;
    this.problem =
      ends && !this.isLast ? null : { at, code, reason: ends ? 'the file ends within it' : reason };
    return STOPPED;
  }

  /** Stops at a byte that should have been another one. */
  expected(at: number, what: string): typeof STOPPED {
    return this.stop(at, `expected ${what}, but found ${shown(this.bytes, at)}`);
  }

  /** Returns the end of the string whose first character is at `start`: after its closing quote. */
  string(start: number): number {
    const bytes = this.bytes;
    const length = bytes.length;
    this.escaped = false;
    let at = start;
    for (;;) {
      while (at < length && STOPS_STRING[bytes[at] as number] === 0) at++;
      if (at >= length) return this.stop(length, '');
      if (bytes[at] === QUOTE) return at + 1;
      if (bytes[at] !== BACKSLASH)
        return this.stop(at, `character with value 0x${hex(bytes[at]!)} must be escaped`);
      this.escaped = true;
      at = this.#escape(at);
      if (at === STOPPED) return STOPPED;
    }
  }

  /** Returns the end of an escape. */
  #escape(at: number): number {
    const kind = this.bytes[at + 1];
    if (kind === undefined) return this.stop(at + 1, '');
    if (ESCAPES[kind] === 0)
      return this.stop(at, `escape sequence "\\${String.fromCharCode(kind)}" is invalid`);
    if (kind !== LOWER_U) return at + 2;
    const code = this.#hex(at + 2);
    if (code < 0) return STOPPED;
    if (code === 0) return this.stop(at, '\\u0000 cannot be converted to text', 'nul_character');
    if (code >= 0xdc00 && code <= 0xdfff)
      return this.stop(at, 'Unicode low surrogate must follow a high surrogate');
    if (code < 0xd800 || code > 0xdbff) return at + 6;
    return this.#lowSurrogate(at + 6);
  }

  #lowSurrogate(at: number): number {
    const bytes = this.bytes;
    const reason = 'Unicode low surrogate must follow a high surrogate';
    if (at >= bytes.length || (bytes[at] === BACKSLASH && at + 1 >= bytes.length))
      return this.stop(bytes.length, reason);
    if (bytes[at] !== BACKSLASH || bytes[at + 1] !== LOWER_U) return this.stop(at, reason);
    const code = this.#hex(at + 2);
    if (code < 0) return STOPPED;
    return code < 0xdc00 || code > 0xdfff ? this.stop(at, reason) : at + 6;
  }

  /** Returns the number that four hexadecimal digits write. */
  #hex(start: number): number {
    let code = 0;
    for (let at = start; at < start + 4; at++) {
      const digit = hexDigit(this.bytes[at]);
      if (digit < 0) return this.stop(at, '"\\u" must be followed by four hexadecimal digits');
      code = code * 16 + digit;
    }
    return code;
  }

  /** Returns the end of a number or a word. */
  scalar(start: number): number {
    const byte = this.bytes[start];
    if (byte === MINUS || (byte !== undefined && byte >= ZERO && byte <= NINE)) return this.#number(start);
    for (const word of WORDS) {
      if (byte !== word[0]) continue;
      for (let i = 1; i < word.length; i++)
        if (this.bytes[start + i] !== word[i])
          return this.expected(start + i < this.bytes.length ? start : this.bytes.length, 'a value');
      return this.#end(start + word.length, start);
    }
    return this.expected(start, 'a value');
  }

  #number(start: number): number {
    const first = this.bytes[start] === MINUS ? start + 1 : start;
    let at = this.bytes[first] === ZERO ? first + 1 : this.#digits(first);
    if (at !== STOPPED && this.bytes[at] === POINT) at = this.#digits(at + 1);
    if (at !== STOPPED && ((this.bytes[at] ?? 0) | LOWER) === LOWER_E) {
      const sign = this.bytes[at + 1];
      at = this.#digits(sign === PLUS || sign === MINUS ? at + 2 : at + 1);
    }
    return at === STOPPED ? STOPPED : this.#end(at, start);
  }

  #digits(start: number): number {
    let at = start;
    while (at < this.bytes.length && this.bytes[at]! >= ZERO && this.bytes[at]! <= NINE) at++;
    return at === start ? this.expected(at, 'a digit') : at;
  }

  /** A number or a word may go on in the next bytes. Letters and digits right after it make it another token. */
  #end(at: number, start: number): number {
    const byte = this.bytes[at];
    if (byte === undefined) return this.isLast ? at : this.stop(at, '');
    return isWordByte(byte) ? this.expected(start, 'a value') : at;
  }

  /** Returns the position of the value after a key, whose opening quote is at `start`. */
  key(start: number): number {
    if (this.bytes[start] !== QUOTE) return this.expected(start, 'a key in quotes');
    const end = this.string(start + 1);
    return end === STOPPED ? STOPPED : this.colon(end);
  }

  /** Returns the position of the value after a colon. */
  colon(start: number): number {
    const at = this.space(start);
    return this.bytes[at] === COLON ? this.space(at + 1) : this.expected(at, 'a colon');
  }

  /** Returns the end of the value that starts at `start`, at any depth. */
  value(start: number): number {
    const bytes = this.bytes;
    let depth = 0;
    let at = start;
    for (;;) {
      const byte = bytes[at];
      if (byte === QUOTE) at = this.string(at + 1);
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        const isObject = byte === OPEN_OBJECT;
        at = this.space(at + 1);
        if (bytes[at] === (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) at++;
        else {
          this.#push(depth++, isObject);
          if (isObject) at = this.key(at);
          if (at === STOPPED) return STOPPED;
          continue;
        }
      } else at = this.scalar(at);
      if (at === STOPPED) return STOPPED;
      for (;;) {
        if (depth === 0) return at;
        const isObject = this.#stack[depth - 1] === 1;
        at = this.space(at);
        if (bytes[at] === COMMA) {
          at = this.space(at + 1);
          if (isObject) at = this.key(at);
          if (at === STOPPED) return STOPPED;
          break;
        }
        if (bytes[at] !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY))
          return this.expected(at, isObject ? 'a comma or }' : 'a comma or ]');
        at++;
        depth--;
      }
    }
  }

  #push(depth: number, isObject: boolean): void {
    if (depth === this.#stack.length) {
      const larger = new Uint8Array(2 * depth);
      larger.set(this.#stack);
      this.#stack = larger;
    }
    this.#stack[depth] = isObject ? 1 : 0;
  }
}

function hexDigit(byte = 0): number {
  if (byte >= ZERO && byte <= NINE) return byte - ZERO;
  const letter = byte | LOWER;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

/** Letters, digits, the underscore, and all bytes beyond ASCII: JSON_ALPHANUMERIC_CHAR. */
function isWordByte(byte: number): boolean {
  const letter = byte | LOWER;
  return (byte >= ZERO && byte <= NINE) || (letter >= 0x61 && letter <= 0x7a) || byte === 0x5f || byte > 0x7f;
}

const hex = (byte: number) => byte.toString(16).padStart(2, '0');

/** Shows what is at a position of the bytes, in quotes. */
function shown(bytes: Uint8Array, at: number): string {
  const text = Buffer.from(bytes.subarray(at, at + 80)).toString('utf8');
  const token = /^(?:[\w.+-]+|[\s\S])/u.exec(text)?.[0] ?? '';
  return token === '\n' ? 'the end of the line' : `"${token.slice(0, 40)}"`;
}
