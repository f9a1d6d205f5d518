/** Reads a "vector", one column of a DuckDB chunk, from DuckDB's memory. */
import duckdb from '@duckdb/node-bindings';

/** Little-endian values, one after the other. */
export interface Vector {
  data: Uint8Array;
  /** One bit per row, 1 for a value; null if no row is null. */
  validity: Uint8Array | null;
}

/**
 * Returns the columns of a chunk, valid until the next chunk is fetched.
 * @param widths the bytes of one value, by column
 */
export function readVectors(chunk: duckdb.DataChunk, rows: number, widths: number[]): Vector[] {
  return widths.map((width, column) => {
    const vector = duckdb.data_chunk_get_vector(chunk, column);
    return {
      data: duckdb.vector_get_data(vector, rows * width),
      // Validity is stored in 64-bit words.
      validity: (duckdb.vector_get_validity(vector, Math.ceil(rows / 64) * 8) as Uint8Array | null) ?? null,
    };
  });
}

/** Returns a vector's bytes as 32-bit words in the machine's byte order, which DuckDB uses too. */
export function words({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, byteLength >> 2);
}

export function isNull({ validity }: Vector, row: number): boolean {
  return validity !== null && ((validity[row >> 3]! >> (row & 7)) & 1) === 0;
}
