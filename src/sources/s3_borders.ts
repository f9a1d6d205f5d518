/** Guesses "borders": keys at which a listing can be split, so that its parts are listed side by side. */
import { compareKeys } from '../keys.ts';

/** A part of a listing. */
export interface Span {
  first: string;
  last: string;
  pages: number;
}

/** The characters that a position of a key counts through, in key order. */
type Alphabet = string;

const IN_WORD = /[\dA-Za-z]/;
/** How far words are looked at. Otherwise long words would cost the square of their length. */
const WORD_LENGTH = 16;
const DECIMAL = '0123456789';
const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const UPPER = LOWER.toUpperCase();
const HEXADECIMAL = `${DECIMAL}abcdef`;
const UPPER_HEXADECIMAL = `${DECIMAL}ABCDEF`;

/** A span is at least so many steps of the last position that is counted. More positions would not make a border better. */
const MIN_STEPS = 32;

/**
 * Returns a key that comes some pages after a key, if the keys go on as densely as in a span; undefined if the span does not show
 * how they go on. It reads the digits of the keys as one number: 12 days after `month=01/day=25/` comes `month=01/day=37`, which is
 * before `month=02/`. A wrong guess costs requests, and no keys.
 * @param prefix what all keys begin with
 */
export function guessBorder(
  { first, last, pages }: Span,
  { from, after, prefix }: { from: string; after: number; prefix: string },
): string | undefined {
  const start = commonLength(first, last);
  const counted: { at: number; alphabet: Alphabet }[] = [];
  let [low, high, rest] = [0, 0, 0];
  // The numbers are exact: each step multiplies them by 26 at most.
  for (let at = start; at < last.length && high - low < MIN_STEPS; at += 1) {
    const alphabet = alphabetAt(last, first, at, start);
    if (alphabet === undefined) continue;
    // The key has another form than those of the span. Half a surrogate pair must not be replaced.
    if (!IN_WORD.test(from[at] ?? '')) return undefined;
    counted.push({ at, alphabet });
    low = low * alphabet.length + rank(alphabet, first[at]);
    high = high * alphabet.length + rank(alphabet, last[at]);
    rest = rest * alphabet.length + rank(alphabet, from[at]);
  }
  const end = counted.at(-1)?.at;
  if (end === undefined || high <= low) return undefined;
  rest += Math.max(1, Math.round(((high - low) * after) / pages));
  const border = from.slice(0, end + 1).split('');
  const count = (at: number, alphabet: Alphabet) => {
    border[at] = alphabet[rest % alphabet.length]!;
    rest = Math.floor(rest / alphabet.length);
  };
  for (const { at, alphabet } of counted.reverse()) count(at, alphabet);
  for (let at = start - 1; at >= prefix.length && rest > 0; at -= 1) {
    const alphabet = alphabetAt(from, from, at, start);
    if (alphabet === undefined) continue;
    rest += rank(alphabet, from[at]);
    count(at, alphabet);
  }
  const guess = border.join('');
  return rest === 0 && compareKeys(guess, from) > 0 ? guess : undefined;
}

function commonLength(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return at;
}

function rank(alphabet: Alphabet, character: string | undefined): number {
  if (character === undefined || character < alphabet[0]!) return 0;
  const index = alphabet.indexOf(character);
  return index === -1 ? alphabet.length - 1 : index;
}

/** Returns what a position counts through; undefined if it seems to be the same in all keys, as the letters of `day=`. */
function alphabetAt(key: string, other: string, at: number, start: number): Alphabet | undefined {
  const character = key[at]!;
  if (!IN_WORD.test(character)) return undefined;
  const word = wordAt(key, at) + wordAt(other, at);
  const isMixed = /\d/.test(word) && /[A-Za-z]/.test(word);
  if (isMixed && /^[\da-f]+$/.test(word)) return HEXADECIMAL;
  if (isMixed && /^[\dA-F]+$/.test(word)) return UPPER_HEXADECIMAL;
  if (/\d/.test(character)) return DECIMAL;
  const isCounted = at < start ? isWordOfLetters(key, at, start) : other[at] !== character;
  if (!isCounted) return undefined;
  return character >= 'a' ? LOWER : UPPER;
}

/** Returns whether keys begin to differ in this word, at a letter. */
function isWordOfLetters(key: string, at: number, start: number): boolean {
  return start - at < WORD_LENGTH && /^[A-Za-z]+$/.test(key.slice(at, start + 1));
}

/** Returns the letters and digits around a position. */
function wordAt(key: string, at: number): string {
  let [from, to] = [at, at];
  while (from > Math.max(0, at - WORD_LENGTH) && IN_WORD.test(key[from - 1]!)) from -= 1;
  while (to < Math.min(key.length, at + WORD_LENGTH) && IN_WORD.test(key[to]!)) to += 1;
  return key.slice(from, to);
}
