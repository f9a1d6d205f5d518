/**
 * Writes DuckDB's decimals as PostgreSQL's numeric (numeric_recv in numeric.c): the number of base-10,000 digits, the
 * weight of the first, the sign, the scale, and the digits.
 */
import { type ColumnWriter, putNull, type RowBuffer } from './column_writer.ts';
import { copyBytes } from './far_strings.ts';
import { isNull, type Vector } from './vector.ts';

const BASE = 10_000;
const POSITIVE = 0x0000;
const NEGATIVE = 0x4000;

/** Encodes the values in `addSizes`, because their sizes depend on it, and copies them in `write`. */
export class DecimalWriter implements ColumnWriter {
  readonly width: number;
  readonly #scale: number;
  /** The number of decimal zeros that fill the last base-10,000 digit. */
  readonly #padding: number;
  #encoded = new Uint8Array(64 * 1024);
  #ends = new Uint32Array(2048);

  constructor(width: number, scale: number) {
    this.width = width;
    this.#scale = scale;
    this.#padding = (4 - (scale % 4)) % 4;
  }

  addSizes(vector: Vector, rows: number, sizes: Uint32Array): void {
    const view = new DataView(vector.data.buffer, vector.data.byteOffset, vector.data.byteLength);
    if (this.#ends.length < rows) this.#ends = new Uint32Array(rows);
    let end = 0;
    for (let row = 0; row < rows; row++) {
      if (!isNull(vector, row)) {
        const start = end;
        end = this.#encode(this.#unscaled(view, row), start);
        sizes[row]! += end - start;
      }
      this.#ends[row] = end;
    }
  }

  write(vector: Vector, rows: number, { bytes, view, at }: RowBuffer): void {
    let start = 0;
    for (let row = 0; row < rows; row++) {
      const to = at[row]!;
      if (isNull(vector, row)) {
        at[row] = putNull(view, to);
        continue;
      }
      const end = this.#ends[row]!;
      view.setInt32(to, end - start);
      copyBytes(this.#encoded, start, end - start, bytes, to + 4);
      at[row] = to + 4 + end - start;
      start = end;
    }
  }

  #unscaled(view: DataView, row: number): bigint {
    const at = row * this.width;
    if (this.width === 2) return BigInt(view.getInt16(at, true));
    if (this.width === 4) return BigInt(view.getInt32(at, true));
    if (this.width === 8) return view.getBigInt64(at, true);
    return (view.getBigInt64(at + 8, true) << 64n) | view.getBigUint64(at, true);
  }

  /** Encodes a value at `start`; returns its end. */
  #encode(unscaled: bigint, start: number): number {
    const digits = base10000((unscaled < 0n ? -unscaled : unscaled) * 10n ** BigInt(this.#padding));
    const fraction = (this.#scale + this.#padding) / 4;
    let weight = digits.length - fraction - 1;
    let first = 0;
    let last = digits.length;
    while (first < last && digits[first] === 0) {
      first += 1;
      weight -= 1;
    }
    while (last > first && digits[last - 1] === 0) last -= 1;
    const count = last - first;
    const end = start + 8 + count * 2;
    this.#reserve(end);
    const words = [count, count === 0 ? 0 : weight, unscaled < 0n ? NEGATIVE : POSITIVE, this.#scale];
    for (const [i, word] of [...words, ...digits.slice(first, last)].entries()) {
      this.#encoded[start + i * 2] = word >> 8;
      this.#encoded[start + i * 2 + 1] = word;
    }
    return end;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#encoded.length) return;
    const larger = new Uint8Array(Math.max(bytes, this.#encoded.length * 2));
    larger.set(this.#encoded);
    this.#encoded = larger;
  }
}

/** Returns the base-10,000 digits, most significant first; none for zero. */
function base10000(value: bigint): number[] {
  const digits: number[] = [];
  let rest = value;
  // Numbers are ten times faster than bigints, as soon as they are exact.
  for (; rest > BigInt(Number.MAX_SAFE_INTEGER); rest /= BigInt(BASE))
    digits.push(Number(rest % BigInt(BASE)));
  for (let small = Number(rest); small > 0; small = Math.floor(small / BASE)) digits.push(small % BASE);
  return digits.reverse();
}
