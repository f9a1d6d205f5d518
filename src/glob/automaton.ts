/**
 * Matches keys against a glob's program, for every glob in time linear in the key's length. A regular expression
 * backtracks: one key of 900 dashes held `*-*-*-*.csv` for half a minute.
 *
 * The automaton follows all instructions at once that the key so far may lead to. Such a set of instructions is a "state".
 * States and the steps between them are cached, so that most keys cost one table look-up for each character.
 */
import type { Instruction } from './parse.ts';

interface State {
  /** The `one` instructions that wait for the next character, ascending. */
  waiting: number[];
  /** Whether a key that ends here matches. */
  matches: boolean;
  /** The next state for each ASCII character; undefined if it is not known yet. */
  ascii: (State | undefined)[];
  /** The next state for other characters. */
  others: Map<number, State>;
}

const ASCII = 128;
/** States in the cache, about 1 kB each. The states of some globs double with each character. */
const MAX_STATES = 500;
/** Other characters in the cache of each state. */
const MAX_OTHERS = 200;

export class Automaton {
  readonly #program: Instruction[];
  readonly #states = new Map<string, State>();
  readonly #start: State;

  constructor(program: Instruction[]) {
    this.#program = program;
    this.#start = this.#stateOf([0]);
  }

  matches(key: string): boolean {
    let state = this.#start;
    for (let i = 0; i < key.length; i++) {
      const unit = key.charCodeAt(i);
      if (unit < ASCII) {
        state = state.ascii[unit] ?? this.#step(state, unit);
      } else {
        const codePoint = key.codePointAt(i)!;
        if (codePoint > 0xffff) i += 1;
        state = state.others.get(codePoint) ?? this.#step(state, codePoint);
      }
      if (state.waiting.length === 0 && !state.matches) return false;
    }
    return state.matches;
  }

  #step(state: State, codePoint: number): State {
    const reached: number[] = [];
    for (const at of state.waiting) {
      const instruction = this.#program[at]!;
      if (instruction.op === 'one' && instruction.accepts(codePoint)) reached.push(at + 1);
    }
    const next = this.#stateOf(reached);
    if (codePoint < ASCII) state.ascii[codePoint] = next;
    else if (state.others.size < MAX_OTHERS) state.others.set(codePoint, next);
    return next;
  }

  /** Returns the state of these instructions and of all that they fork to. */
  #stateOf(reached: number[]): State {
    const seen = new Set<number>();
    const waiting: number[] = [];
    let matches = false;
    for (const left = [...reached]; left.length > 0; ) {
      const at = left.pop()!;
      if (seen.has(at)) continue;
      seen.add(at);
      const instruction = this.#program[at]!;
      if (instruction.op === 'fork') left.push(...instruction.to);
      else if (instruction.op === 'one') waiting.push(at);
      else matches = true;
    }
    waiting.sort((a, b) => a - b);
    return this.#keep(waiting, matches);
  }

  #keep(waiting: number[], matches: boolean): State {
    const name = `${waiting.join(' ')}${matches}`;
    const known = this.#states.get(name);
    if (known) return known;
    if (this.#states.size >= MAX_STATES) this.#forget();
    const state: State = { waiting, matches, ascii: new Array(ASCII), others: new Map() };
    this.#states.set(name, state);
    return state;
  }

  /** Empties the cache. */
  #forget(): void {
    this.#states.clear();
    this.#start.ascii.fill(undefined);
    this.#start.others.clear();
  }
}
