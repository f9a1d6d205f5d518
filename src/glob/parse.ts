/**
 * Reads a glob into a "program": instructions that an automaton (automaton.ts) follows along a key. sql/1_checks/glob_regex.sql
 * translates the same globs into regular expressions for SQL; test/requests/glob_regex.test.ts compares the two.
 */

/** One instruction. `one` consumes a character of the key; `fork` and `end` consume none. */
export type Instruction =
  /** Continues at the next instruction if it accepts the character. */
  | { op: 'one'; accepts: (codePoint: number) => boolean }
  /** Continues at each of these instructions. */
  | { op: 'fork'; to: number[] }
  /** The whole key matches if it ends here. */
  | { op: 'end' };

const SLASH = 0x2f;
const anything = () => true;
const notSlash = (codePoint: number) => codePoint !== SLASH;

/**
 * Returns the program of a glob.
 * @param glob a pattern that s3_connector_private.glob_fault has accepted
 */
export function parseGlob(glob: string): Instruction[] {
  const parser = new Parser([...glob]);
  parser.readAll();
  return parser.program;
}

/** Open braces. Their forks get their targets when the closing brace is known. */
interface OpenBraces {
  /** The fork to the choices. */
  choices: number[];
  /** The forks that end a choice. */
  ends: number[][];
}

class Parser {
  readonly program: Instruction[] = [];
  readonly #characters: string[];
  readonly #open: OpenBraces[] = [];
  #at = 0;

  constructor(characters: string[]) {
    this.#characters = characters;
  }

  readAll(): void {
    while (this.#at < this.#characters.length) this.#readNext();
    this.program.push({ op: 'end' });
  }

  #readNext(): void {
    const character = this.#characters[this.#at]!;
    this.#at += 1;
    const braces = this.#open.at(-1);
    if (character === '*') this.#readStars();
    else if (character === '?') this.#one(notSlash);
    else if (character === '[') this.#readClass();
    else if (character === '{') this.#openBraces();
    else if (character === ',' && braces) this.#nextChoice(braces);
    else if (character === '}' && braces) this.#closeBraces(braces);
    else if (character === '\\') this.#escaped();
    else this.#literal(character);
  }

  /** Two stars cross folders only if they are the whole name of a folder. */
  #readStars(): void {
    const start = this.#at - 1;
    while (this.#characters[this.#at] === '*') this.#at += 1;
    const before = this.#characters[start - 1];
    const after = this.#characters[this.#at];
    const inBraces = this.#open.length > 0;
    const begins = before === undefined || before === '/' || (inBraces && (before === '{' || before === ','));
    const ends =
      after === undefined || after === '/' || after === '{' || (inBraces && (after === '}' || after === ','));
    const crosses = this.#at - start === 2 && begins && ends;
    if (!crosses) this.#repeat(notSlash);
    else if (after === '/') this.#foldersOrNone();
    else this.#repeat(anything);
  }

  /** Two stars and the slash after them match any number of folders, also none. */
  #foldersOrNone(): void {
    this.#at += 1;
    const fork = this.#fork();
    fork.push(this.program.length);
    this.#repeat(anything);
    this.#literal('/');
    fork.push(this.program.length);
  }

  #readClass(): void {
    const end = this.#characters.indexOf(']', this.#at);
    const negated = /[!^]/.test(this.#characters[this.#at]!);
    const members = this.#characters.slice(this.#at + (negated ? 1 : 0), end);
    this.#at = end + 1;
    const ranges = readRanges(members.map((member) => member.codePointAt(0)!));
    const isMember = (codePoint: number) => ranges.some(([from, to]) => codePoint >= from && codePoint <= to);
    this.#one(negated ? (codePoint) => codePoint !== SLASH && !isMember(codePoint) : isMember);
  }

  #openBraces(): void {
    const choices = this.#fork();
    choices.push(this.program.length);
    this.#open.push({ choices, ends: [] });
  }

  #nextChoice({ choices, ends }: OpenBraces): void {
    ends.push(this.#fork());
    choices.push(this.program.length);
  }

  #closeBraces({ ends }: OpenBraces): void {
    this.#open.pop();
    for (const end of ends) end.push(this.program.length);
  }

  #escaped(): void {
    this.#literal(this.#characters[this.#at]!);
    this.#at += 1;
  }

  #repeat(accepts: (codePoint: number) => boolean): void {
    const start = this.program.length;
    this.#fork().push(start + 1, start + 3);
    this.#one(accepts);
    this.#fork().push(start);
  }

  #literal(character: string): void {
    const wanted = character.codePointAt(0)!;
    this.#one((codePoint) => codePoint === wanted);
  }

  #one(accepts: (codePoint: number) => boolean): void {
    this.program.push({ op: 'one', accepts });
  }

  /** Adds a fork, and returns the list of its targets to be filled. */
  #fork(): number[] {
    const to: number[] = [];
    this.program.push({ op: 'fork', to });
    return to;
  }
}

/** Returns the ranges of a class. A minus sign at its start or end is a literal. */
function readRanges(members: number[]): [from: number, to: number][] {
  const MINUS = 0x2d;
  const ranges: [number, number][] = [];
  for (let i = 0; i < members.length; i++) {
    const isRange = members[i + 1] === MINUS && i + 2 < members.length;
    ranges.push([members[i]!, members[isRange ? i + 2 : i]!]);
    if (isRange) i += 2;
  }
  return ranges;
}
