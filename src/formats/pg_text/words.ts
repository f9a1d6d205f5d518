/** Parses words: booleans, hexadecimal digits and uuids. */

const ZERO = 0x30;
const MINUS = 0x2d;
const SPACE = 0x20;
/** Setting this bit makes an ASCII letter lower case. */
const LOWER = 0x20;

const BOOLEANS = new Map(
  Object.entries({ t: 1, true: 1, y: 1, yes: 1, on: 1, 1: 1, f: 0, false: 0, n: 0, no: 0, off: 0, 0: 0 }).map(
    ([word, value]) => [[...word].reduce((sum, letter) => sum * 256 + letter.charCodeAt(0), 0), value],
  ),
);
const UUID_LENGTH = 36;

/** Whether the text is this word of lower case letters, in any case. */
export function isWord(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let at = 0; at < word.length; at++) {
    if (((bytes[start + at] as number) | LOWER) !== word.charCodeAt(at)) return false;
  }
  return true;
}

/** Returns 1 or 0 for a boolean as a whole word, one letter, or a digit; -1 for other texts. */
export function parseBoolean(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 5) return -1;
  let word = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    // Setting the bit would turn a control character into a digit.
    if (byte < SPACE) return -1;
    word = word * 256 + (byte | LOWER);
  }
  return BOOLEANS.get(word) ?? -1;
}

/** Writes the 16 bytes of a uuid in its usual form of 36 characters; returns false for other texts. */
export function parseUuid(
  bytes: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
  at: number,
): boolean {
  if (end - start !== UUID_LENGTH) return false;
  if (bytes[start + 8] !== MINUS || bytes[start + 13] !== MINUS) return false;
  if (bytes[start + 18] !== MINUS || bytes[start + 23] !== MINUS) return false;
  let from = start;
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) from++;
    const byte = hexByte(bytes, from);
    if (byte < 0) return false;
    to[at + i] = byte;
    from += 2;
  }
  return true;
}

/** Returns the value of two hexadecimal digits; negative if they are none. */
export function hexByte(bytes: Uint8Array, at: number): number {
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
