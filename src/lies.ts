import { readFileSync } from 'node:fs';

/** A place at which rows pass from one program, thread or library to another. */
export type LiePlace =
  /** DuckDB's chunks, in the reader process. */
  | 'chunks'
  /** Rows that a reader process says it has read. */
  | 'answer'
  /** A CSV's bytes, before its records are found. */
  | 'bytes'
  /** Encoded parts of a CSV, on their way from the thread. */
  | 'sections'
  /** Rows that a format says it has given to a COPY. */
  | 'given'
  /** Rows that a COPY says it has taken. */
  | 'taken'
  /** Rows that a merge says it has written. */
  | 'merged';

/** A lie that a test orders: a stream lies about its item `at`, from 0; a count is wrong by `at`. */
export interface Lie {
  place: LiePlace;
  kind: 'cut' | 'drop' | 'repeat' | 'swap' | 'count';
  at: number;
}

/** Names a file that holds a Lie as JSON: for tests only, and off unless the environment names one. */
const ordersFile = process.env.LIES_FILE;
/** The environment with which a child process lies, too. */
export const LIES_ENV: Record<string, string> = ordersFile === undefined ? {} : { LIES_FILE: ordersFile };

/** The same stream; where a test orders it, one that lacks items, or has them twice or in another order. */
export function lying<Stream extends AsyncIterable<unknown>>(place: LiePlace, stream: Stream): Stream {
  if (ordersFile === undefined) return stream;
  const lie = orderFor(place);
  return lie === null ? stream : (retold(stream, lie) as unknown as Stream);
}

/** The same count; where a test orders it, another one. */
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
