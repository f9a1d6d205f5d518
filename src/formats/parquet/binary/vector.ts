import duckdb from '@duckdb/node-bindings';

/** A column of a chunk as DuckDB holds it: little-endian values side by side. */
export interface Vector {
  data: Uint8Array;
  /** A bit a row, 1 for a value; null where no row is null. */
  validity: Uint8Array | null;
}

/** The columns of a chunk; `widths` are the bytes of a value of each. Valid until the next chunk is fetched. */
export function readVectors(chunk: duckdb.DataChunk, rows: number, widths: number[]): Vector[] {
  return widths.map((width, column) => {
    const vector = duckdb.data_chunk_get_vector(chunk, column);
    return {
      data: duckdb.vector_get_data(vector, rows * width),
      // Validity comes in words of 64 bits.
      validity: (duckdb.vector_get_validity(vector, Math.ceil(rows / 64) * 8) as Uint8Array | null) ?? null,
    };
  });
}

/** The bytes of a vector in words of 32 bits, of the machine's own byte order, as DuckDB's are. */
export function words({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, byteLength >> 2);
}

export function isNull({ validity }: Vector, row: number): boolean {
  return validity !== null && ((validity[row >> 3]! >> (row & 7)) & 1) === 0;
}

/** Strings and blobs up to this long stand in the vector itself. */
export const INLINE_BYTES = 12;
