/** Turns the sections of an entry that was sorted into runs for COPY. */
import type { RawSection } from '../csv/binary/sections.ts';
import type { CopyInput, SortedRun } from '../format.ts';
import { binaryFormat } from '../pg_binary/frame.ts';
import type { RowBytes } from '../row_bytes.ts';
import type { RowOrder } from './row_order.ts';
import type { Times } from './run.ts';
import type { SortedSection } from './sorted_sections.ts';
import { textRange } from './time_text.ts';

type Sections = AsyncGenerator<SortedSection | RawSection, undefined>;

/**
 * Yields a run for each that begins in the sections, and one for each sequence of raw sections.
 * @param unit of the line numbers
 * @param toRawInput returns what COPY gets for the rows of raw sections
 */
export async function* toSortedRuns(
  sections: Sections,
  order: RowOrder,
  unit: CopyInput['unit'],
  toRawInput: (rows: RowBytes) => CopyInput,
): AsyncGenerator<SortedRun, undefined> {
  const before = new TimesBefore(order.timeFirst);
  try {
    let next = await sections.next();
    while (!next.done) {
      const begins = next.value;
      const data = async function* (): RowBytes {
        let rows = 0;
        do {
          rows += next.value!.rows;
          yield next.value!.data;
          next = await sections.next();
        } while (!next.done && next.value.kind === begins.kind && !startsRun(next.value));
        return rows;
      };
      if (begins.kind === 'raw') {
        yield { input: toRawInput(data()), range: null, apart: false };
      } else {
        const times = begins.times!;
        const input = { ...binaryFormat(data()), lineOf: (line: number) => line, unit };
        yield { input, range: textRange(times, order.time.unit), apart: before.add(times) };
      }
    }
  } finally {
    await sections.return(undefined);
  }
}

function startsRun(section: SortedSection | RawSection): boolean {
  return section.kind === 'sorted' && section.times !== null;
}

/** The times of all runs so far. */
class TimesBefore {
  readonly #decide: boolean;
  #times: Times | null = null;

  /** @param decide whether rows of different times cannot overlap, because the order begins with the time */
  constructor(decide: boolean) {
    this.#decide = decide;
  }

  /** Adds a run, and returns whether it lies before or after all others. */
  add({ first, last }: Times): boolean {
    const before = this.#times;
    if (before === null) {
      this.#times = { first, last };
      return true;
    }
    const apart = this.#decide && (first > before.last || last < before.first);
    if (first < before.first) before.first = first;
    if (last > before.last) before.last = last;
    return apart;
  }
}
