/** The contract of a "column writer", which writes one column of a DuckDB chunk as fields of COPY's binary format. */
import type { Vector } from './vector.ts';

/** The rows of a chunk while they are written. */
export interface RowBuffer {
  bytes: Uint8Array;
  /** Of the same bytes: words go in at once. */
  view: DataView;
  /** Where each row goes on; moved on by what is written. */
  at: Uint32Array;
}

/** Writes one column. */
export interface ColumnWriter {
  /** Bytes of a value in DuckDB's vector. */
  readonly width: number;
  /** Adds the bytes of each row's value, without its length, to `sizes`. */
  addSizes(vector: Vector, rows: number, sizes: Uint32Array): void;
  write(vector: Vector, rows: number, to: RowBuffer): void;
}

/** @returns where the row goes on */
export function putNull(view: DataView, to: number): number {
  view.setInt32(to, -1);
  return to + 4;
}
