/** Sorts the sections of an entry, run by run, in the thread that encodes them. */
import { ConnectorError } from '../../errors.ts';
import type { RawSection, Section } from '../csv/binary/sections.ts';
import { giveBack } from '../spare_buffers.ts';
import type { RowOrder } from './row_order.ts';
import { Run, type SortedRows, type Times } from './run.ts';

/** Rows of a run. */
export interface SortedSection extends SortedRows {
  kind: 'sorted';
  /** Set if a run begins with it. */
  times: Times | null;
}

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
  sections: AsyncIterable<Section>,
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
      spare.push(value.run);
    }
  } finally {
    // It may be in the middle of a run.
    await runs.return(undefined);
    spare.push(...taken);
  }
}

/** The runs of this thread that nobody uses: their memory is used again, for file after file. */
const spare: Run[] = [];

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

/** @param take returns an empty run */
async function* collectRuns(
  sections: AsyncIterable<Section>,
  { runBytes, firstRunBytes }: RowOrder,
  take: () => Run,
): AsyncGenerator<Collected, undefined> {
  let run = take();
  run.limit = firstRunBytes;
  let raw: RawSection[] = [];
  let rawBytes = 0;
  for await (const section of sections) {
    if (section.kind === 'raw') {
      raw.push(section);
      rawBytes += section.data.length;
    }
    const data = section.kind === 'binary' ? section.data : null;
    for (let at = 0; ; ) {
      if (data !== null) at = run.add(data, at);
      // A record may span several sections; only the last one counts it.
      const mayCut = rawBytes >= runBytes && section.rows > 0;
      if ((data === null || at === data.length) && !mayCut) break;
      yield { run, raw };
      run = take();
      raw = [];
      rawBytes = 0;
    }
    if (data !== null) giveBack(data.buffer);
  }
  if (run.rows > 0 || raw.length > 0) yield { run, raw };
}
