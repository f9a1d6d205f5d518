/** A "run" holds as many rows as its memory allows, and returns them sorted. */
import { BUFFER_BYTES, takeBuffer } from '../spare_buffers.ts';
import { IndexSort } from './index_sort.ts';
import type { OrderField, RowOrder } from './row_order.ts';
import { Segments } from './segments.ts';

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

const ROWS = 1 << 13;
/** How many bytes of sorted rows are gathered. The rest of a buffer is room for a row of usual size. */
const FULL_BYTES = BUFFER_BYTES - 64 * 1024;
/** A run gets this part more of its memory, if that makes it end between two times. */
const SLACK = 1 / 8;
const SIGN = 0x80000000;
/** Places in Run's times. */
const [FIRST, LAST, NEXT, BEFORE] = [0, 2, 4, 6];
const ALL_ONES = 0xffffffff;

export class Run {
  rows = 0;
  /** How much memory its rows may take, in bytes. */
  limit: number;
  readonly #order: RowOrder;
  /** The words of a key: for each field whether it is null, and its value. */
  readonly #words: number;
  readonly #bytesOfRow: number;
  #bytes: Buffer<ArrayBuffer>;
  #view: DataView;
  #filled = 0;
  /** Where each row starts, and its segment and key. */
  #starts = new Uint32Array(ROWS);
  #segmentOf = new Uint32Array(ROWS);
  #keys: Uint32Array;
  readonly #segments = new Segments();
  #segment = new Uint8Array(256);
  /** Where the fields of the last row are. */
  #fields = new Uint32Array(16);
  /** The words of times: of the first and the last, of the next row and the one before. Numbers would be boxed. */
  readonly #times = new Uint32Array(8);

  constructor(order: RowOrder) {
    this.limit = order.runBytes;
    this.#order = order;
    this.#words = order.orderBy.reduce((sum, { words }) => sum + 1 + words, 0);
    this.#keys = new Uint32Array(ROWS * this.#words);
    // Its start, segment and key, and twice its index while it is sorted.
    this.#bytesOfRow = 4 * (4 + this.#words);
    // The system gives memory only to those pages that are used.
    this.#bytes = Buffer.allocUnsafeSlow(Math.ceil(order.runBytes * (1 + SLACK)) + 2 * BUFFER_BYTES);
    this.#view = viewOf(this.#bytes);
    this.clear();
  }

  /** The times of the rows that were added. */
  get times(): Times {
    return { first: this.#integer(FIRST), last: this.#integer(LAST) };
  }

  /** Forgets the rows. */
  clear(): void {
    this.rows = 0;
    this.limit = this.#order.runBytes;
    this.#filled = 0;
    this.#segments.clear();
    this.#times.fill(ALL_ONES, FIRST, FIRST + 2);
    this.#times.fill(0, LAST, LAST + 2);
  }

  /**
   * Adds rows until the run is full.
   * @returns where the first row is that was not added
   */
  add(data: Uint8Array, from: number): number {
    const start = this.#filled;
    this.#reserve(data.length - from);
    this.#bytes.set(from === 0 ? data : data.subarray(from), start);
    const end = start + data.length - from;
    let at = start;
    while (at < end) {
      const rowEnd = this.#findFields(at);
      this.#readTime();
      if (this.#isFull(at)) break;
      if (this.rows === this.#starts.length) this.#growRows();
      this.#starts[this.rows] = at;
      this.#segmentOf[this.rows] = this.#numberSegment();
      this.#readKey(this.rows * this.#words);
      this.#noteTime();
      this.rows++;
      at = rowEnd;
    }
    this.#filled = at;
    return from + at - start;
  }

  /** Whether the next row, which starts at `at`, must go into the next run. */
  #isFull(at: number): boolean {
    const { timeFirst } = this.#order;
    const used = at + this.rows * this.#bytesOfRow + this.#segments.bytes;
    if (used < this.limit || this.rows === 0) return false;
    // Rows of one time in two runs could overlap.
    const times = this.#times;
    const sameTime = times[NEXT] === times[BEFORE] && times[NEXT + 1] === times[BEFORE + 1];
    return !timeFirst || !sameTime || used >= this.limit * (1 + SLACK);
  }

  /** Returns the end of the row at a position, and notes where its fields are. */
  #findFields(start: number): number {
    const view = this.#view;
    const count = view.getInt16(start);
    if (count > this.#fields.length) this.#fields = new Uint32Array(count);
    let at = start + 2;
    for (let field = 0; field < count; field++) {
      this.#fields[field] = at;
      const length = view.getInt32(at);
      at += length < 0 ? 4 : 4 + length;
    }
    return at;
  }

  #numberSegment(): number {
    const { segmentBy } = this.#order;
    let length = 0;
    for (let i = 0; i < segmentBy.length; i++) {
      const from = this.#fields[segmentBy[i]!]!;
      const bytes = 4 + Math.max(0, this.#view.getInt32(from));
      if (length + bytes > this.#segment.length) this.#growSegment(length + bytes);
      for (let at = 0; at < bytes; at++) this.#segment[length + at] = this.#bytes[from + at]!;
      length += bytes;
    }
    return this.#segments.number(this.#segment, length);
  }

  #readKey(to: number): void {
    const { orderBy } = this.#order;
    for (let i = 0; i < orderBy.length; i++) to = this.#readField(orderBy[i]!, this.#keys, to);
  }

  /** Writes the words of a field, which are compared as unsigned numbers; returns the position after them. */
  #readField(key: OrderField, out: Uint32Array, to: number): number {
    const { field, form, words, descending, nullsFirst } = key;
    const view = this.#view;
    const at = this.#fields[field]! + 4;
    const length = view.getInt32(at - 4);
    const end = to + 1 + words;
    out[to] = length < 0 === nullsFirst ? 0 : 1;
    if (length < 0) {
      out.fill(0, to + 1, end);
      return end;
    }
    if (length >= 4)
      for (let word = 0; word < words; word++) out[to + 1 + word] = view.getUint32(at + 4 * word);
    else out[to + 1] = length === 2 ? view.getUint16(at) << 16 : view.getUint8(at);
    if (form === 'signed') out[to + 1]! ^= SIGN;
    else if (form === 'float') putFloatOrder(out, to + 1, words);
    if (descending) for (let word = to + 1; word < end; word++) out[word] = ~out[word]!;
    return end;
  }

  #readTime(): void {
    const times = this.#times;
    times[BEFORE] = times[NEXT]!;
    times[BEFORE + 1] = times[NEXT + 1]!;
    const view = this.#view;
    const at = this.#fields[this.#order.time.field]!;
    const length = view.getInt32(at);
    const high = length < 0 ? 0 : length === 2 ? view.getUint16(at + 4) << 16 : view.getUint32(at + 4);
    times[NEXT] = high ^ SIGN;
    times[NEXT + 1] = length === 8 ? view.getUint32(at + 8) : 0;
  }

  #noteTime(): void {
    if (this.#isBefore(NEXT, FIRST)) this.#noteAs(FIRST);
    if (this.#isBefore(LAST, NEXT)) this.#noteAs(LAST);
  }

  #noteAs(to: number): void {
    this.#times[to] = this.#times[NEXT]!;
    this.#times[to + 1] = this.#times[NEXT + 1]!;
  }

  #isBefore(a: number, b: number): boolean {
    const times = this.#times;
    return times[a] === times[b] ? times[a + 1]! < times[b + 1]! : times[a]! < times[b]!;
  }

  #integer(at: number): bigint {
    const [high, low] = this.#times.subarray(at, at + 2);
    const signed = BigInt((high! ^ SIGN) | 0);
    const { unit } = this.#order.time;
    if (unit === 'int2') return signed >> 16n;
    return unit === 'int4' || unit === 'days' ? signed : (signed << 32n) | BigInt(low!);
  }

  /** Yields the rows, segment by segment. */
  *sorted(): Generator<SortedRows> {
    const { index, ends } = this.#gather();
    const sort = new IndexSort(this.#keys, this.#words, new Uint32Array(longest(ends)));
    // They are gathered behind all rows: to copy within one memory costs half of a copy to another.
    this.#reserve(BUFFER_BYTES);
    const gathered = this.#filled;
    let filled = gathered;
    let rows = 0;
    for (let segment = 0, at = 0; segment < ends.length; segment++) {
      const end = ends[segment]!;
      sort.sort(index, at, end);
      for (; at < end; at++) {
        const row = index[at]!;
        const start = this.#starts[row]!;
        const rowEnd = row + 1 < this.rows ? this.#starts[row + 1]! : gathered;
        const isLong = rowEnd - start > BUFFER_BYTES - FULL_BYTES;
        if (rows > 0 && (isLong || filled - gathered >= FULL_BYTES)) {
          yield { data: copyOf(this.#bytes.subarray(gathered, filled)), rows };
          filled = gathered;
          rows = 0;
        }
        if (isLong) {
          yield { data: copyOf(this.#bytes.subarray(start, rowEnd)), rows: 1 };
          continue;
        }
        this.#bytes.copyWithin(filled, start, rowEnd);
        filled += rowEnd - start;
        rows++;
      }
    }
    if (rows > 0) yield { data: copyOf(this.#bytes.subarray(gathered, filled)), rows };
  }

  /** Returns the rows of each segment in the order in which they came, and where each segment ends. */
  #gather(): { index: Uint32Array; ends: Uint32Array } {
    const ends = new Uint32Array(this.#segments.count);
    for (let row = 0; row < this.rows; row++) ends[this.#segmentOf[row]!]!++;
    let end = 0;
    for (let segment = 0; segment < ends.length; segment++) {
      const rows = ends[segment]!;
      ends[segment] = end;
      end += rows;
    }
    const index = new Uint32Array(this.rows);
    for (let row = 0; row < this.rows; row++) index[ends[this.#segmentOf[row]!]!++] = row;
    return { index, ends };
  }

  #reserve(length: number): void {
    const needed = this.#filled + length;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(needed * 2);
    larger.set(this.#bytes.subarray(0, this.#filled));
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }

  #growRows(): void {
    this.#starts = grown(this.#starts);
    this.#segmentOf = grown(this.#segmentOf);
    this.#keys = grown(this.#keys);
  }

  #growSegment(length: number): void {
    const larger = new Uint8Array(length * 2);
    larger.set(this.#segment);
    this.#segment = larger;
  }
}

/** Turns the bits of a float into words whose order is PostgreSQL's: NaN is the highest value, and both zeros are equal. */
function putFloatOrder(out: Uint32Array, at: number, words: number): void {
  const high = out[at]!;
  const low = words === 2 ? out[at + 1]! : 0;
  const infinity = words === 2 ? 0x7ff00000 : 0x7f800000;
  const size = high & 0x7fffffff;
  if (size > infinity || (size === infinity && low !== 0)) {
    out.fill(ALL_ONES, at, at + words);
  } else if (high >= SIGN && (size !== 0 || low !== 0)) {
    out[at] = ~high;
    if (words === 2) out[at + 1] = ~low;
  } else {
    out[at] = size | SIGN;
  }
}

function copyOf(rows: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = rows.length > BUFFER_BYTES ? Buffer.allocUnsafeSlow(rows.length) : takeBuffer();
  copy.set(rows);
  return copy.subarray(0, rows.length);
}

function longest(ends: Uint32Array): number {
  let most = 0;
  for (let i = 0; i < ends.length; i++) most = Math.max(most, ends[i]! - (i > 0 ? ends[i - 1]! : 0));
  return most;
}

function grown(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
