/** Sorts rows run by run, in the thread that encodes them. */
import { ConnectorError } from '../../errors.ts';
import { rowsDoNotAddUp } from '../../reconcile.ts';
import type { RawSection } from '../csv/binary/sections.ts';
import { giveBack } from '../spare_buffers.ts';
import type { RowOrder } from './row_order.ts';
import { Run, type SortedRows, type Times } from './run.ts';

/** Rows of a run. */
export interface SortedSection extends SortedRows {
  kind: 'sorted';
  /** Set if a run begins with it. */
  times: Times | null;
}

/** Rows in COPY's binary format, which may be cut anywhere, or those that only PostgreSQL can parse. */
export type Unsorted = RawSection | { kind: 'binary'; data: Uint8Array<ArrayBuffer> };

/** A run, and the rows among its own that only PostgreSQL can parse. */
interface Collected {
  run: Run;
  raw: RawSection[];
}

/**
 * Yields the rows of each run, sorted, and then those that were not encoded. While the rows of one run are yielded, the next is
 * collected.
 */
export async function* sortSections(
  sections: AsyncIterable<Unsorted>,
  order: RowOrder,
): AsyncGenerator<SortedSection | RawSection> {
  const taken = new Set<Run>();
  const runs = collectRuns(sections, order, () => {
    const run = takeRun(order);
    taken.add(run);
    return run;
  });
  try {
    let next = oneAhead(runs);
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = oneAhead(runs);
      let times: Times | null = value.run.times();
      for (const rows of value.run.sorted()) {
        yield { kind: 'sorted', ...rows, times };
        times = null;
      }
      yield* value.raw;
      taken.delete(value.run);
      giveRun(value.run);
    }
  } finally {
    // It may be in the middle of a run.
    await runs.return(undefined);
    for (const run of taken) giveRun(run);
  }
}

/** As many as one file needs. */
const MOST_SPARE = 2;
/** The runs of this thread that nobody uses: their memory is used again, for file after file. */
const spare: Run[] = [];

function giveRun(run: Run): void {
  if (spare.length < MOST_SPARE) spare.push(run);
}

/** @throws ConnectorError if there is no memory for a run */
function takeRun(order: RowOrder): Run {
  try {
    const run = spare.pop() ?? new Run();
    run.prepare(order);
    return run;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConnectorError('encoder_crashed', `there is no memory to sort rows: ${error.message}`, {
      passing: true,
    });
  }
}

/** Asks for the next run. Its failure is reported when it is awaited. */
function oneAhead(runs: AsyncGenerator<Collected, undefined>): Promise<IteratorResult<Collected, undefined>> {
  const next = runs.next();
  next.catch(() => {});
  return next;
}

/**
 * Collects rows until a run is full, or those that only PostgreSQL can parse take as much memory as a run. Each run may take twice the
 * memory of the one before, up to `runBytes`: a longer one would keep the server waiting.
 * @param take returns an empty run
 */
async function* collectRuns(
  sections: AsyncIterable<Unsorted>,
  { runBytes, firstRunBytes }: RowOrder,
  take: () => Run,
): AsyncGenerator<Collected, undefined> {
  let run = take();
  let limit = firstRunBytes;
  run.limit = limit;
  let raw: RawSection[] = [];
  let rawBytes = 0;
  /** The start of a row that the last section does not hold whole. */
  let rest: Buffer | null = null;
  for await (const section of sections) {
    if (section.kind === 'raw') {
      raw.push(section);
      rawBytes += section.data.length;
      // A record may span several sections; only the last one counts it.
      if (rawBytes < runBytes || section.rows === 0) continue;
      yield { run, raw };
      run = take();
      raw = [];
      rawBytes = 0;
      continue;
    }
    const data: Uint8Array = rest === null ? section.data : Buffer.concat([rest, section.data]);
    let at = run.add(data, 0);
    while (run.isFull) {
      yield { run, raw };
      run = take();
      limit = Math.min(runBytes, 2 * limit);
      run.limit = limit;
      raw = [];
      rawBytes = 0;
      at = run.add(data, at);
    }
    rest = at < data.length ? Buffer.from(data.subarray(at)) : null;
    giveBack(section.data.buffer);
  }
  if (rest !== null) throw rowsDoNotAddUp('the last row that was to be sorted is not whole');
  if (run.rows > 0 || raw.length > 0) yield { run, raw };
}
