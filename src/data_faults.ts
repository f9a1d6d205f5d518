/** For tests only: changes data between programs, threads and libraries. DATA_FAULT_FILE names a file with one "data fault". */
import { readFileSync } from 'node:fs';

/** The places at which data can be changed. */
export type FaultPlace =
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
export interface DataFault {
  place: FaultPlace;
  kind: 'cut' | 'drop' | 'repeat' | 'swap' | 'count';
  at: number;
}

const faultFile = process.env.DATA_FAULT_FILE;
/** Passes the fault on to a child process. */
export const DATA_FAULT_ENV: Record<string, string> =
  faultFile === undefined ? {} : { DATA_FAULT_FILE: faultFile };

/** Returns the same stream; if the data fault is here, one that lacks an item, repeats it or moves it. */
export function injectFault<Stream extends AsyncIterable<unknown>>(
  place: FaultPlace,
  stream: Stream,
): Stream {
  if (faultFile === undefined) return stream;
  const fault = faultAt(place);
  return fault === null ? stream : (withFault(stream, fault) as unknown as Stream);
}

/** Returns the same count; if the data fault is here, a wrong one. */
export function injectCountFault(place: FaultPlace, count: number): number {
  if (faultFile === undefined) return count;
  const fault = faultAt(place);
  return fault?.kind === 'count' ? Math.max(0, count + fault.at) : count;
}

function faultAt(place: FaultPlace): DataFault | null {
  const fault: DataFault = JSON.parse(readFileSync(faultFile!, 'utf8'));
  return fault.place === place ? fault : null;
}

async function* withFault<Item>(stream: AsyncIterable<Item>, { kind, at }: DataFault): AsyncGenerator<Item> {
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
