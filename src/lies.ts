/** For tests only: "lies", faults in the data between programs, threads and libraries. LIES_FILE names a file with one, as JSON. */
import { readFileSync } from 'node:fs';

/** The places at which data can be changed. */
export type LiePlace =
  /** DuckDB's chunks, in the reader process. */
  | 'chunks'
  /** The number of rows that a reader process reports. */
  | 'answer'
  /** The bytes of a CSV, before its records are found. */
  | 'bytes'
  /** Encoded sections of a CSV, from the encoder. */
  | 'sections'
  /** The number of rows that a format gave to a COPY. */
  | 'given'
  /** The number of rows that a COPY reports. */
  | 'taken'
  /** The number of rows that a merge reports. */
  | 'merged';

/** One fault: a stream changes its item `at`, from 0; a count is wrong by `at`. */
export interface Lie {
  place: LiePlace;
  kind: 'cut' | 'drop' | 'repeat' | 'swap' | 'count';
  at: number;
}

const ordersFile = process.env.LIES_FILE;
/** Passes the fault on to a child process. */
export const LIES_ENV: Record<string, string> = ordersFile === undefined ? {} : { LIES_FILE: ordersFile };

/** Returns the same stream; if a test orders it, one that lacks an item, repeats it or moves it. */
export function lying<Stream extends AsyncIterable<unknown>>(place: LiePlace, stream: Stream): Stream {
  if (ordersFile === undefined) return stream;
  const lie = orderFor(place);
  return lie === null ? stream : (retold(stream, lie) as unknown as Stream);
}

/** Returns the same count; if a test orders it, a wrong one. */
export function lyingCount(place: LiePlace, count: number): number {
  if (ordersFile === undefined) return count;
  const lie = orderFor(place);
  return lie?.kind === 'count' ? Math.max(0, count + lie.at) : count;
}

function orderFor(place: LiePlace): Lie | null {
  const lie: Lie = JSON.parse(readFileSync(ordersFile!, 'utf8'));
  return lie.place === place ? lie : null;
}

async function* retold<Item>(stream: AsyncIterable<Item>, { kind, at }: Lie): AsyncGenerator<Item> {
  let index = 0;
  let held: Item | undefined;
  for await (const item of stream) {
    const here = index++ === at;
    if (here && kind === 'cut') return;
    if (here && kind === 'drop') continue;
    if (here && kind === 'swap') {
      held = item;
      continue;
    }
    yield item;
    if (here && kind === 'repeat') yield item;
    if (held !== undefined) yield held;
    held = undefined;
  }
  if (held !== undefined) yield held;
}
