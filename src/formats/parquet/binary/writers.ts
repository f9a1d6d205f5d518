/**
 * PostgreSQL's binary values (the *_send functions in src/backend/utils/adt, and
 * https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT): each is written for all rows of a
 * chunk in one loop, with its length before it, at the position that the row has come to.
 */
import { DecimalWriter } from './decimal.ts';
import { FarStrings, INLINE_BYTES } from './far_strings.ts';
import type { BinaryKind } from './kinds.ts';
import { isNull, type Vector } from './vector.ts';

/** Writes one column. `at` holds where each row goes on, and is moved on. */
export interface ColumnWriter {
  /** Bytes of a value in DuckDB's vector. */
  readonly width: number;
  /** Adds the bytes of each row's value, without its length, to `sizes`. */
  addSizes(vector: Vector, rows: number, sizes: Uint32Array): void;
  write(vector: Vector, rows: number, out: Uint8Array, at: Uint32Array): void;
}

type PutValue = (data: Uint8Array, from: number, out: Uint8Array, to: number) => void;

/** Makes the writer of a column. */
export function makeWriter(kind: BinaryKind, scale: number, vectorWidth: number): ColumnWriter {
  if (kind === 'decimal') return new DecimalWriter(vectorWidth, scale);
  if (kind === 'bytes') return new BytesWriter(null);
  if (kind === 'jsonb') return new BytesWriter(JSONB_VERSION);
  const { width, put } = FIXED[kind];
  return fixedWriter(width, put);
}

/** The version that stands before a jsonb's text (jsonb_recv in jsonb.c). */
const JSONB_VERSION = 1;
/** Days from 1970, where DuckDB's dates begin, to 2000, where PostgreSQL's do. */
const EPOCH_DAYS = 10_957;
/** The same in microseconds, as two words of 32 bits: JavaScript's numbers do not hold 64. */
const EPOCH_MICROSECONDS = BigInt(EPOCH_DAYS) * 86_400_000_000n;
const EPOCH_HIGH = Number(EPOCH_MICROSECONDS >> 32n);
const EPOCH_LOW = Number(EPOCH_MICROSECONDS & 0xffffffffn);

const FIXED: Record<Exclude<BinaryKind, 'decimal' | 'bytes' | 'jsonb'>, { width: number; put: PutValue }> = {
  boolean: { width: 1, put: put1 },
  int2: { width: 2, put: put2 },
  int4: { width: 4, put: put4 },
  int8: { width: 8, put: put8 },
  float4: { width: 4, put: put4 },
  float8: { width: 8, put: put8 },
  date: { width: 4, put: putDate },
  timestamp: { width: 8, put: putTimestamp },
  interval: { width: 16, put: putInterval },
  uuid: { width: 16, put: putUuid },
};

function put1(data: Uint8Array, from: number, out: Uint8Array, to: number): void {
  out[to] = data[from]!;
}

function put2(data: Uint8Array, from: number, out: Uint8Array, to: number): void {
  out[to] = data[from + 1]!;
  out[to + 1] = data[from]!;
}

function put4(data: Uint8Array, from: number, out: Uint8Array, to: number): void {
  out[to] = data[from + 3]!;
  out[to + 1] = data[from + 2]!;
  out[to + 2] = data[from + 1]!;
  out[to + 3] = data[from]!;
}

function put8(data: Uint8Array, from: number, out: Uint8Array, to: number): void {
  put4(data, from + 4, out, to);
  put4(data, from, out, to + 4);
}

/** Puts a 32-bit integer, most significant byte first. */
export function putInt32(value: number, out: Uint8Array, to: number): void {
  out[to] = value >>> 24;
  out[to + 1] = value >>> 16;
  out[to + 2] = value >>> 8;
  out[to + 3] = value;
}

function getInt32(data: Uint8Array, from: number): number {
  return data[from]! | (data[from + 1]! << 8) | (data[from + 2]! << 16) | (data[from + 3]! << 24);
}

function putDate(data: Uint8Array, from: number, out: Uint8Array, to: number): void {
  const days = getInt32(data, from);
  if (days === 0x7fffffff) putInt32(days, out, to);
  else if (days === -0x7fffffff) putInt32(-0x80000000, out, to);
  else putInt32(days - EPOCH_DAYS, out, to);
}

function putTimestamp(data: Uint8Array, from: number, out: Uint8Array, to: number): void {
  const low = getInt32(data, from) >>> 0;
  const high = getInt32(data, from + 4);
  if (high === 0x7fffffff && low === 0xffffffff) {
    put8(data, from, out, to);
  } else if (high === -0x80000000 && low === 1) {
    putInt32(high, out, to);
    putInt32(0, out, to + 4);
  } else {
    putInt32(high - EPOCH_HIGH - (low < EPOCH_LOW ? 1 : 0), out, to);
    putInt32(low - EPOCH_LOW, out, to + 4);
  }
}

/** DuckDB: months, days, microseconds; PostgreSQL the other way round. */
function putInterval(data: Uint8Array, from: number, out: Uint8Array, to: number): void {
  put8(data, from + 8, out, to);
  put4(data, from + 4, out, to + 8);
  put4(data, from, out, to + 12);
}

/** DuckDB keeps a UUID as a signed number of 128 bits, its first bit turned so that they sort. */
function putUuid(data: Uint8Array, from: number, out: Uint8Array, to: number): void {
  put8(data, from + 8, out, to);
  put8(data, from, out, to + 8);
  out[to] = out[to]! ^ 0x80;
}

/** A writer of its own for each column: V8 then compiles the loop for the one function that it calls, and not for all of them. */
function fixedWriter(width: number, put: PutValue): ColumnWriter {
  return {
    width,
    addSizes: (vector, rows, sizes) => {
      if (vector.validity === null) for (let row = 0; row < rows; row++) sizes[row]! += width;
      else for (let row = 0; row < rows; row++) if (!isNull(vector, row)) sizes[row]! += width;
    },
    write: (vector, rows, out, at) => {
      const { data } = vector;
      for (let row = 0; row < rows; row++) {
        const to = at[row]!;
        if (isNull(vector, row)) {
          at[row] = putNull(out, to);
        } else {
          putInt32(width, out, to);
          put(data, row * width, out, to + 4);
          at[row] = to + 4 + width;
        }
      }
    },
  };
}

/** @returns where the row goes on */
export function putNull(out: Uint8Array, to: number): number {
  putInt32(-1, out, to);
  return to + 4;
}

/** Text, blobs and JSON: DuckDB's strings are 16 bytes, the length and either the bytes or where they are. */
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
    for (let row = 0; row < rows; row++) {
      if (!isNull(vector, row)) sizes[row]! += this.#prefixBytes + getInt32(vector.data, row * 16);
    }
  }

  write(vector: Vector, rows: number, out: Uint8Array, at: Uint32Array): void {
    const { data } = vector;
    for (let row = 0; row < rows; row++) {
      let to = at[row]!;
      if (isNull(vector, row)) {
        at[row] = putNull(out, to);
        continue;
      }
      const from = row * 16;
      const length = getInt32(data, from);
      putInt32(length + this.#prefixBytes, out, to);
      to += 4;
      if (this.#prefix !== null) out[to++] = this.#prefix;
      if (length <= INLINE_BYTES) for (let i = 0; i < length; i++) out[to + i] = data[from + 4 + i]!;
      else this.#far.add(data, from + 8, length, to);
      at[row] = to + length;
    }
    this.#far.copy(data, out);
  }
}
