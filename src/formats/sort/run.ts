/** A "run" holds as many rows as its memory allows, and returns them sorted. The sort kernel does the work. */
import { BUFFER_BYTES, takeBuffer } from '../spare_buffers.ts';
import type { Form, RowOrder } from './row_order.ts';
import { openSortKernel, PAGE_BYTES, type SortExports } from './sort_kernel.ts';

/** Rows in COPY's binary format, without header and trailer. */
export interface SortedRows {
  data: Uint8Array<ArrayBuffer>;
  rows: number;
}

/** The first and the last time of rows, in PostgreSQL's own units: microseconds or days since 2000, or integers. */
export interface Times {
  first: bigint;
  last: bigint;
}

/** A run gets this part more of its memory, if that makes it end between two times. */
const SLACK = 1 / 8;
const FORMS = { signed: 'SIGNED', unsigned: 'UNSIGNED', float: 'FLOAT' } as const satisfies Record<
  Form,
  string
>;

/** The memory is used again for the rows of other files. */
export class Run {
  readonly #kernel: SortExports;
  readonly #memory: WebAssembly.Memory;
  /** The whole memory. */
  #bytes: Buffer<ArrayBuffer>;
  #isFull = false;

  /** @throws RangeError if there is no address space for the memory */
  constructor() {
    const { exports, memory } = openSortKernel();
    this.#kernel = exports;
    this.#memory = memory;
    this.#bytes = Buffer.from(memory.buffer);
  }

  /** Prepares for rows in another order, and forgets those that it has. */
  prepare({ orderBy, segmentBy, time, timeFirst, runBytes }: RowOrder): void {
    const most = Math.ceil(runBytes * (1 + SLACK));
    this.#put(
      'ORDER_BY',
      orderBy.flatMap(({ field, form, words, descending, nullsFirst }) => [
        ...[field, this.#kernel[FORMS[form]].value, words],
        ...[Number(descending), Number(nullsFirst)],
      ]),
    );
    this.#put('SEGMENT_BY', segmentBy);
    const { prepare, PADDING } = this.#kernel;
    const data = prepare(orderBy.length, segmentBy.length, time.field, Number(timeFirst), most);
    // The system gives memory only to those pages that are used.
    this.#reserve(data + most + PADDING.value);
    this.limit = runBytes;
    this.clear();
  }

  get rows(): number {
    return this.#kernel.rows.value;
  }

  /** Limits the memory that its rows may take, in bytes, until the next `prepare`. */
  set limit(bytes: number) {
    this.#kernel.setLimit(bytes, Math.ceil(bytes * SLACK));
  }

  /** Returns the times of the rows that were added. */
  times(): Times {
    return { first: this.#kernel.firstTime.value, last: this.#kernel.lastTime.value };
  }

  /** Forgets the rows. */
  clear(): void {
    this.#kernel.clear();
  }

  /** Whether the last `add` found no room for a row. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /**
   * Adds rows until the run is full.
   * @returns where the first row is that was not added: the run is full, or the row is not whole
   */
  add(data: Uint8Array, from: number): number {
    const { filled, PADDING, add } = this.#kernel;
    const start = filled.value;
    const end = start + data.length - from;
    this.#reserve(end + PADDING.value);
    this.#bytes.set(from === 0 ? data : data.subarray(from), start);
    this.#isFull = add(end) === 1;
    return from + filled.value - start;
  }

  /** Yields the rows, segment by segment. */
  *sorted(): Generator<SortedRows> {
    const { startGathering, gather, gathered, gatheredRows } = this.#kernel;
    startGathering();
    for (let bytes = gather(); bytes > 0; bytes = gather()) {
      const start = gathered.value;
      const rows = gatheredRows.value;
      yield { data: copyOf(this.#bytes.subarray(start, start + bytes)), rows };
    }
  }

  #put(to: 'ORDER_BY' | 'SEGMENT_BY', words: number[]): void {
    new Uint32Array(this.#memory.buffer, this.#kernel[to].value, words.length).set(words);
  }

  #reserve(end: number): void {
    const missing = end - this.#bytes.length;
    if (missing <= 0) return;
    this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    this.#bytes = Buffer.from(this.#memory.buffer);
  }
}

function copyOf(rows: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = rows.length > BUFFER_BYTES ? Buffer.allocUnsafeSlow(rows.length) : takeBuffer();
  copy.set(rows);
  return copy.subarray(0, rows.length);
}
