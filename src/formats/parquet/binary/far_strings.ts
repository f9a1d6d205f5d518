import duckdb from '@duckdb/node-bindings';

/** Strings and blobs up to this long stand in the vector itself. */
export const INLINE_BYTES = 12;
/** Rows of a chunk, at most (STANDARD_VECTOR_SIZE). */
const MAX_ROWS = 2048;
/** Addresses that lie no farther apart than this, times MAX_ROWS, are numbers that JavaScript holds exactly. */
const MAX_SPAN = Number.MAX_SAFE_INTEGER / MAX_ROWS - 1;
/**
 * What may lie between two strings that are fetched in one go. A gap smaller than a page of memory ends on the page of
 * one of its neighbours, so that all of it can be read.
 */
const MAX_GAP = 256;
/** Bytes fetched in one go, at most, but for one string that is longer. */
const MAX_RUN = 1 << 20;

/**
 * The strings of a vector that do not stand in it. To fetch one costs as much as to copy a thousand bytes, so those that
 * lie side by side, or are the same, are fetched in one go.
 */
export class FarStrings {
  readonly #addresses = new Float64Array(MAX_ROWS);
  readonly #places = new Uint32Array(MAX_ROWS);
  readonly #lengths = new Uint32Array(MAX_ROWS);
  readonly #targets = new Float64Array(MAX_ROWS);
  readonly #order = new Float64Array(MAX_ROWS);
  #count = 0;

  /**
   * Notes a string.
   * @param at where its pointer stands in the vector
   * @param to where its bytes belong
   */
  add(data: Uint8Array, at: number, length: number, to: number): void {
    const i = this.#count++;
    if (i === MAX_ROWS) throw new RangeError(`a chunk of DuckDB has more than ${MAX_ROWS} rows`);
    this.#addresses[i] = getUint32(data, at + 4) * 2 ** 32 + getUint32(data, at);
    this.#places[i] = at;
    this.#lengths[i] = length;
    this.#targets[i] = to;
  }

  /** Copies the bytes of all noted strings to where they belong, and forgets them. */
  copy(data: Uint8Array, out: Uint8Array): void {
    const count = this.#count;
    this.#count = 0;
    const order = this.#sorted(count);
    for (let from = 0; from < count; ) from = this.#copyRun(order, from, count, data, out);
  }

  /** The strings by their addresses, each as its address above the first, times MAX_ROWS, plus its number. */
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

  /** @returns where the next run begins */
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

/** Where a loop over bytes ends to be faster than a view of them. */
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
