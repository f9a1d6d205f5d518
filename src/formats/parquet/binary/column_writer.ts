/** The contract of a "column writer", which writes one column of a DuckDB chunk as fields of COPY's binary format. */
import type { Vector } from './vector.ts';

/** The rows of a chunk while they are written. */
export interface RowBuffer {
  bytes: Uint8Array;
  /** A view of the same bytes, to write whole words. */
  view: DataView;
  /** Where each row's next field goes; each write advances it. */
  at: Uint32Array;
}

export interface ColumnWriter {
  /** The bytes of one value in DuckDB's vector. */
  readonly width: number;
  /** Adds the bytes of each row's value, without its length, to `sizes`. */
  addSizes(vector: Vector, rows: number, sizes: Uint32Array): void;
  write(vector: Vector, rows: number, to: RowBuffer): void;
}

/** Writes a null; returns where the row's next field goes. */
export function putNull(view: DataView, to: number): number {
  view.setInt32(to, -1);
  return to + 4;
}
