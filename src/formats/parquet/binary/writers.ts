/**
 * Writes PostgreSQL's binary values (the *_send functions in src/backend/utils/adt, and
 * https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT), one loop over all rows per column.
 * Each width has its own loop: V8 inlines a call in a loop only if it is the same for every column.
 */
import { type ColumnWriter, putNull, type RowBuffer } from './column_writer.ts';
import { DecimalWriter } from './decimal.ts';
import { FarStrings, INLINE_BYTES } from './far_strings.ts';
import type { BinaryKind } from './kinds.ts';
import { isNull, type Vector, words } from './vector.ts';

/** Returns the writer of a column. */
export function makeWriter(kind: BinaryKind, scale: number, vectorWidth: number): ColumnWriter {
  if (kind === 'decimal') return new DecimalWriter(vectorWidth, scale);
  if (kind === 'bytes') return new BytesWriter(null);
  if (kind === 'jsonb') return new BytesWriter(JSONB_VERSION);
  const { width, convert } = FIXED[kind];
  return new FixedWriter(width, convert);
}

/** The version byte before a jsonb's text (jsonb_recv in jsonb.c). */
const JSONB_VERSION = 1;
/** Days from DuckDB's epoch, 1970-01-01, to PostgreSQL's, 2000-01-01. */
const EPOCH_DAYS = 10_957;
/** The same in microseconds, as two 32-bit words: a JavaScript number does not hold 64 bits. */
const EPOCH_MICROSECONDS = BigInt(EPOCH_DAYS) * 86_400_000_000n;
const EPOCH_HIGH = Number(EPOCH_MICROSECONDS >> 32n);
const EPOCH_LOW = Number(EPOCH_MICROSECONDS & 0xffffffffn);

/** Converts DuckDB's values to PostgreSQL's, both as 32-bit words, least significant first. */
type Convert = (from: Uint32Array, to: Uint32Array) => void;

const FIXED: Record<
  Exclude<BinaryKind, 'decimal' | 'bytes' | 'jsonb'>,
  { width: Width; convert?: Convert }
> = {
  boolean: { width: 1 },
  int2: { width: 2 },
  int4: { width: 4 },
  int8: { width: 8 },
  float4: { width: 4 },
  float8: { width: 8 },
  date: { width: 4, convert: convertDates },
  timestamp: { width: 8, convert: convertTimestamps },
  // DuckDB stores months, days, microseconds; PostgreSQL the reverse. Reversing all bytes does both.
  interval: { width: 16 },
  uuid: { width: 16, convert: convertUuids },
};

function convertDates(from: Uint32Array, to: Uint32Array): void {
  for (let i = 0; i < from.length; i++) {
    const days = from[i]! | 0;
    if (days === 0x7fffffff) to[i] = days;
    else to[i] = days === -0x7fffffff ? 0x80000000 : days - EPOCH_DAYS;
  }
}

function convertTimestamps(from: Uint32Array, to: Uint32Array): void {
  for (let i = 0; i < from.length; i += 2) {
    const low = from[i]!;
    const high = from[i + 1]!;
    if (high === 0x7fffffff && low === 0xffffffff) {
      to[i] = low;
      to[i + 1] = high;
    } else if (high === 0x80000000 && low === 1) {
      to[i] = 0;
      to[i + 1] = high;
    } else {
      to[i] = low - EPOCH_LOW;
      to[i + 1] = high - EPOCH_HIGH - (low < EPOCH_LOW ? 1 : 0);
    }
  }
}

/** DuckDB stores a UUID as a signed 128-bit number with the first bit inverted, so that it sorts correctly. */
function convertUuids(from: Uint32Array, to: Uint32Array): void {
  for (let i = 0; i < from.length; i += 4) {
    to[i] = from[i]!;
    to[i + 1] = from[i + 1]!;
    to[i + 2] = from[i + 2]!;
    to[i + 3] = from[i + 3]! ^ 0x80000000;
  }
}

type Width = 1 | 2 | 4 | 8 | 16;

/** Values of a fixed width. PostgreSQL's bytes are DuckDB's converted ones in reverse order. */
class FixedWriter implements ColumnWriter {
  readonly width: Width;
  readonly #convert: Convert | undefined;
  #converted = new Uint32Array(0);

  constructor(width: Width, convert: Convert | undefined) {
    this.width = width;
    this.#convert = convert;
  }

  addSizes(vector: Vector, rows: number, sizes: Uint32Array): void {
    const { width } = this;
    if (vector.validity === null) for (let row = 0; row < rows; row++) sizes[row]! += width;
    else for (let row = 0; row < rows; row++) if (!isNull(vector, row)) sizes[row]! += width;
  }

  write(vector: Vector, rows: number, to: RowBuffer): void {
    if (this.width === 1) write1(vector, rows, to);
    else if (this.width === 2) write2(vector, rows, to);
    else if (this.width === 4) write4(this.#words(vector), vector, rows, to);
    else if (this.width === 8) write8(this.#words(vector), vector, rows, to);
    else write16(this.#words(vector), vector, rows, to);
  }

  #words({ data }: Vector): Uint32Array {
    const from = words(data);
    if (!this.#convert) return from;
    if (this.#converted.length < from.length) this.#converted = new Uint32Array(from.length);
    this.#convert(from, this.#converted);
    return this.#converted;
  }
}

function write1(vector: Vector, rows: number, { view, at }: RowBuffer): void {
  const { data } = vector;
  for (let row = 0; row < rows; row++) {
    const to = at[row]!;
    if (isNull(vector, row)) {
      at[row] = putNull(view, to);
      continue;
    }
    view.setInt32(to, 1);
    view.setUint8(to + 4, data[row]!);
    at[row] = to + 5;
  }
}

function write2(vector: Vector, rows: number, { view, at }: RowBuffer): void {
  const { data } = vector;
  for (let row = 0; row < rows; row++) {
    const to = at[row]!;
    if (isNull(vector, row)) {
      at[row] = putNull(view, to);
      continue;
    }
    view.setInt32(to, 2);
    view.setUint16(to + 4, data[row * 2]! | (data[row * 2 + 1]! << 8));
    at[row] = to + 6;
  }
}

function write4(values: Uint32Array, vector: Vector, rows: number, { view, at }: RowBuffer): void {
  for (let row = 0; row < rows; row++) {
    const to = at[row]!;
    if (isNull(vector, row)) {
      at[row] = putNull(view, to);
      continue;
    }
    view.setInt32(to, 4);
    view.setUint32(to + 4, values[row]!);
    at[row] = to + 8;
  }
}

function write8(values: Uint32Array, vector: Vector, rows: number, { view, at }: RowBuffer): void {
  for (let row = 0; row < rows; row++) {
    const to = at[row]!;
    if (isNull(vector, row)) {
      at[row] = putNull(view, to);
      continue;
    }
    view.setInt32(to, 8);
    view.setUint32(to + 4, values[row * 2 + 1]!);
    view.setUint32(to + 8, values[row * 2]!);
    at[row] = to + 12;
  }
}

function write16(values: Uint32Array, vector: Vector, rows: number, { view, at }: RowBuffer): void {
  for (let row = 0; row < rows; row++) {
    const to = at[row]!;
    if (isNull(vector, row)) {
      at[row] = putNull(view, to);
      continue;
    }
    view.setInt32(to, 16);
    view.setUint32(to + 4, values[row * 4 + 3]!);
    view.setUint32(to + 8, values[row * 4 + 2]!);
    view.setUint32(to + 12, values[row * 4 + 1]!);
    view.setUint32(to + 16, values[row * 4]!);
    at[row] = to + 20;
  }
}

/** Text, blobs and JSON. DuckDB's string takes 16 bytes: its length, then the bytes themselves or a pointer. */
class BytesWriter implements ColumnWriter {
  readonly width = 16;
  readonly #prefix: number | null;
  readonly #prefixBytes: number;
  readonly #far = new FarStrings();

  constructor(prefix: number | null) {
    this.#prefix = prefix;
    this.#prefixBytes = prefix === null ? 0 : 1;
  }

  addSizes(vector: Vector, rows: number, sizes: Uint32Array): void {
    const lengths = words(vector.data);
    for (let row = 0; row < rows; row++) {
      if (!isNull(vector, row)) sizes[row]! += this.#prefixBytes + lengths[row * 4]!;
    }
  }

  write(vector: Vector, rows: number, { bytes, view, at }: RowBuffer): void {
    const { data } = vector;
    const strings = words(data);
    const unaligned = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let row = 0; row < rows; row++) {
      let to = at[row]!;
      if (isNull(vector, row)) {
        at[row] = putNull(view, to);
        continue;
      }
      const length = strings[row * 4]!;
      view.setInt32(to, length + this.#prefixBytes);
      to += 4;
      if (this.#prefix !== null) bytes[to++] = this.#prefix;
      if (length > INLINE_BYTES) this.#far.add(data, row * 16 + 8, length, to);
      else if (length < 4) for (let i = 0; i < length; i++) bytes[to + i] = data[row * 16 + 4 + i]!;
      else {
        // Whole words are copied; the last one may overlap the one before it.
        view.setUint32(to, strings[row * 4 + 1]!, true);
        if (length > 8) view.setUint32(to + 4, strings[row * 4 + 2]!, true);
        view.setUint32(to + length - 4, unaligned.getUint32(row * 16 + length, true), true);
      }
      at[row] = to + length;
    }
    this.#far.copy(data, bytes);
  }
}
