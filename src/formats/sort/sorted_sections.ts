/** Sorts the sections of an entry, run by run, in the thread that encodes them. */
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
  const free = [new Run(order), new Run(order)];
  const runs = collectRuns(sections, order, () => free.pop()!);
  let next = oneAhead(runs);
  for (;;) {
    const { done, value } = await next;
    if (done) return;
    next = oneAhead(runs);
    let times: Times | null = value.run.times;
    for (const rows of value.run.sorted()) {
      yield { kind: 'sorted', ...rows, times };
      times = null;
    }
    yield* value.raw;
    value.run.clear();
    free.push(value.run);
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
