import type duckdb from '@duckdb/node-bindings';
import type { BinaryFields } from '../../constants.ts';
import { readVectors } from './vector.ts';
import type { ColumnWriter } from './writers.ts';

/** Rows of a chunk, ready for COPY, or the first that is too long. */
export type EncodedChunk = { data: Uint8Array } | { tooLarge: { row: number; bytes: number } };

/** Turns DuckDB's chunks, column by column, into COPY's binary rows. Its buffers are used again for the next chunk. */
export class ChunkEncoder {
  readonly #writers: ColumnWriter[];
  readonly #widths: number[];
  readonly #maxRowBytes: number;
  readonly #constants: BinaryFields;
  #out = new Uint8Array(1 << 20);
  #sizes = new Uint32Array(2048);
  #at = new Uint32Array(2048);

  /** @param constants what ends each row */
  constructor(writers: ColumnWriter[], maxRowBytes: number, constants: BinaryFields) {
    this.#writers = writers;
    this.#widths = writers.map((writer) => writer.width);
    this.#maxRowBytes = maxRowBytes;
    this.#constants = constants;
  }

  /** The rows as they follow the header; valid until the next call. */
  encode(chunk: duckdb.DataChunk, rows: number): EncodedChunk {
    const vectors = readVectors(chunk, rows, this.#widths);
    this.#reserveRows(rows);
    // The number of fields, and the length of each.
    this.#sizes.fill(2 + 4 * vectors.length + this.#constants.bytes.length, 0, rows);
    for (const [i, writer] of this.#writers.entries()) writer.addSizes(vectors[i]!, rows, this.#sizes);
    const tooLarge = this.#placeRows(rows);
    if (tooLarge) return { tooLarge };
    for (const [i, writer] of this.#writers.entries()) writer.write(vectors[i]!, rows, this.#out, this.#at);
    if (this.#constants.count > 0) this.#putConstants(rows);
    return { data: this.#out.subarray(0, this.#at[rows - 1]) };
  }

  #putConstants(rows: number): void {
    const { bytes } = this.#constants;
    for (let row = 0; row < rows; row++) {
      this.#out.set(bytes, this.#at[row]!);
      this.#at[row]! += bytes.length;
    }
  }

  #placeRows(rows: number): { row: number; bytes: number } | undefined {
    let end = 0;
    for (let row = 0; row < rows; row++) {
      const bytes = this.#sizes[row]!;
      if (bytes > this.#maxRowBytes) return { row, bytes };
      this.#at[row] = end;
      end += bytes;
    }
    if (end > this.#out.length) this.#out = new Uint8Array(end * 2);
    const fields = this.#writers.length + this.#constants.count;
    for (let row = 0; row < rows; row++) {
      const to = this.#at[row]!;
      this.#out[to] = fields >> 8;
      this.#out[to + 1] = fields;
      this.#at[row] = to + 2;
    }
    return undefined;
  }

  #reserveRows(rows: number): void {
    if (rows <= this.#sizes.length) return;
    this.#sizes = new Uint32Array(rows);
    this.#at = new Uint32Array(rows);
  }
}
