/** "Far strings" are those that a DuckDB vector only points to. Copies them with few native calls. */
import duckdb from '@duckdb/node-bindings';

/** Strings and blobs up to this length are stored in the vector itself. */
export const INLINE_BYTES = 12;
/** The most rows in a chunk (STANDARD_VECTOR_SIZE). */
const MAX_ROWS = 2048;
/** If addresses are no farther apart than this, their difference times MAX_ROWS is an exact JavaScript number. */
const MAX_SPAN = Number.MAX_SAFE_INTEGER / MAX_ROWS - 1;
/**
 * The largest gap between two strings that are fetched in one call. It is smaller than a memory page, so every byte of
 * the gap is on a page of one of the strings and can be read.
 */
const MAX_GAP = 256;
/** The most bytes fetched in one call, except for a single longer string. */
const MAX_RUN = 1 << 20;

/**
 * The far strings of a vector. One fetch costs as much as copying a thousand bytes, so strings that are adjacent, or the
 * same, are fetched together.
 */
export class FarStrings {
  readonly #addresses = new Float64Array(MAX_ROWS);
  readonly #places = new Uint32Array(MAX_ROWS);
  readonly #lengths = new Uint32Array(MAX_ROWS);
  readonly #targets = new Float64Array(MAX_ROWS);
  readonly #order = new Float64Array(MAX_ROWS);
  #count = 0;

  /**
   * Adds a string to the next `copy`.
   * @param at the position of its pointer in the vector
   * @param to the position of its bytes in the output
   */
  add(data: Uint8Array, at: number, length: number, to: number): void {
    const i = this.#count++;
    if (i === MAX_ROWS) throw new RangeError(`a chunk of DuckDB has more than ${MAX_ROWS} rows`);
    this.#addresses[i] = getUint32(data, at + 4) * 2 ** 32 + getUint32(data, at);
    this.#places[i] = at;
    this.#lengths[i] = length;
    this.#targets[i] = to;
  }

  /** Copies the bytes of all added strings to the output, and forgets the strings. */
  copy(data: Uint8Array, out: Uint8Array): void {
    const count = this.#count;
    this.#count = 0;
    const order = this.#sorted(count);
    for (let from = 0; from < count; ) from = this.#copyRun(order, from, count, data, out);
  }

  /** Returns the strings sorted by address, each encoded as (address - first address) * MAX_ROWS + index. */
  #sorted(count: number): Float64Array {
    let first = Number.POSITIVE_INFINITY;
    let last = 0;
    for (let i = 0; i < count; i++) {
      first = Math.min(first, this.#addresses[i]!);
      last = Math.max(last, this.#addresses[i]!);
    }
    const order = this.#order.subarray(0, count);
    const spread = last - first <= MAX_SPAN ? 1 : 0;
    for (let i = 0; i < count; i++) order[i] = spread * (this.#addresses[i]! - first) * MAX_ROWS + i;
    return spread === 1 ? order.sort() : order;
  }

  /** Copies one run of adjacent strings; returns where the next run begins in `order`. */
  #copyRun(order: Float64Array, from: number, count: number, data: Uint8Array, out: Uint8Array): number {
    const first = order[from]! % MAX_ROWS;
    const start = this.#addresses[first]!;
    let end = start + this.#lengths[first]!;
    let next = from + 1;
    for (; next < count; next++) {
      const i = order[next]! % MAX_ROWS;
      const address = this.#addresses[i]!;
      const reach = Math.max(end, address + this.#lengths[i]!);
      if (address < start || address > end + MAX_GAP || reach > start + MAX_RUN) break;
      end = reach;
    }
    const at = data.byteOffset + this.#places[first]!;
    const bytes = duckdb.get_data_from_pointer(data.buffer as ArrayBuffer, at, end - start);
    for (let k = from; k < next; k++) {
      const i = order[k]! % MAX_ROWS;
      copyBytes(bytes, this.#addresses[i]! - start, this.#lengths[i]!, out, this.#targets[i]!);
    }
    return next;
  }
}

/** Up to this length, a loop over the bytes is faster than `set`. */
const SHORT = 64;

/** Copies bytes from one array into another. */
export function copyBytes(
  bytes: Uint8Array,
  from: number,
  length: number,
  out: Uint8Array,
  to: number,
): void {
  if (length <= SHORT) for (let i = 0; i < length; i++) out[to + i] = bytes[from + i]!;
  else out.set(bytes.subarray(from, from + length), to);
}

function getUint32(data: Uint8Array, from: number): number {
  return (data[from]! | (data[from + 1]! << 8) | (data[from + 2]! << 16) | (data[from + 3]! << 24)) >>> 0;
}
