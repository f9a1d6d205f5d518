/** Makes texts that mislead a regular expression: it matches their start, and then, again and again, almost the rest. */

/** What classes often contain, beside the characters that an expression names. */
const COMMON = [...'a0 \n/-"\\%=.:,\'Z_(\t'];
/** The most ways through the alternatives of an expression, and the most starts of them that are tried. */
const MAX_WAYS = 16;
const MAX_STARTS = 24;

/** A part of a text that an expression matches: what it names in so many words, or one of several characters. */
interface Piece {
  text: string;
  fixed: boolean;
}

/** Yields texts of about this length. Their last character makes most matches fail. */
export function* misleadingTexts(source: string, flags: string, length: number): Generator<string> {
  const ways = waysThrough(source, flags);
  const named = [...new Set([...ways.flat().flatMap(({ text }) => [...text]), ...COMMON])];
  const pairs = named.slice(0, 12).flatMap((a) => named.slice(0, 12).map((b) => a + b));
  for (const start of ['', '\u0001'])
    for (const part of [...named, ...pairs]) yield fill(start, part, length);
  for (const start of startsOf(ways)) {
    // As many repetitions as if it were shorter.
    yield fill('', start, length * Math.sqrt(start.length));
    for (const part of named) yield fill(start, part, length);
  }
}

function fill(start: string, part: string, length: number): string {
  return `${start}${part.repeat(length / part.length)}\u0001`;
}

/** Returns the starts of texts that lead into the middle of a match: to where the next character may be one of several. */
function startsOf(ways: readonly Piece[][]): string[] {
  const starts: string[] = [];
  for (const way of ways) {
    let start = '';
    for (const [i, { text, fixed }] of way.entries()) {
      start += text;
      if (!fixed || way[i + 1]?.fixed !== true) starts.push(start);
    }
  }
  return [...new Set(starts)].slice(0, MAX_STARTS);
}

/** Returns texts that the expression matches, as lists of pieces. */
function waysThrough(source: string, flags: string): Piece[][] {
  let at = 0;
  const take = (pattern: RegExp) => {
    const found = pattern.exec(source.slice(at))?.[0];
    at += found?.length ?? 0;
    return found;
  };
  const alternatives = (): Piece[][] => {
    const ended: Piece[][] = [];
    let ways: Piece[][] = [[]];
    while (at < source.length && source[at] !== ')') {
      if (take(/^\|/) !== undefined) {
        ended.push(...ways);
        ways = [[]];
        continue;
      }
      const parts = group() ?? [character()];
      const quantifier = take(/^(?:[*+?]|\{\d+,?\d*\})\??/);
      const least = Math.min(Number(/\d+/.exec(quantifier ?? '')?.[0] ?? 1), 8);
      const fixed = quantifier === undefined ? {} : { fixed: false };
      const repeated = parts.map((part) =>
        Array<Piece[]>(least)
          .fill(part.map((piece) => ({ ...piece, ...fixed })))
          .flat(),
      );
      ways = ways.flatMap((way) => repeated.map((part) => [...way, ...part])).slice(0, MAX_WAYS);
    }
    return [...ended, ...ways].slice(0, MAX_WAYS);
  };
  const group = (): Piece[][] | undefined => {
    const opened = take(/^\((?:\?(?::|<?[=!]|<\w+>))?/);
    if (opened === undefined) return undefined;
    const inside = alternatives();
    at += 1;
    return opened.endsWith('!') ? [[]] : inside;
  };
  const character = (): Piece[] => {
    const atom = take(
      /^(?:\\u\{?[\da-f]{4,6}\}?|\\x[\da-f]{2}|\\p\{[^}]*\}|\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|[\s\S])/i,
    )!;
    if (/^(?:[\^$]|\\b)$/i.test(atom)) return [];
    return [{ text: memberOf(atom, flags), fixed: !/^(?:\.|\[|\\[dwsp])/i.test(atom) }];
  };
  return alternatives();
}

/** Returns a character that the atom matches. */
function memberOf(atom: string, flags: string): string {
  const pattern = new RegExp(`^(?:${atom})$`, flags.replace(/[gdy]/g, ''));
  return [...COMMON, ...atom].find((character) => pattern.test(character)) ?? 'a';
}
