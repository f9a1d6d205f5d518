/** Turns DuckDB's chunks, column by column, into rows of COPY's binary format. */
import type duckdb from '@duckdb/node-bindings';
import type { BinaryFields } from '../../constants.ts';
import type { ColumnWriter, RowBuffer } from './column_writer.ts';
import { copyBytes } from './far_strings.ts';
import { readVectors } from './vector.ts';

/** The rows of a chunk for COPY, or the first row that is too long. */
export type EncodedChunk = { data: Uint8Array } | { tooLarge: { row: number; bytes: number } };

/** Buffers up to this size have spare room, so that they are rarely replaced, in bytes. */
const ROOMY = 1 << 23;
/** The most bytes of a chunk's rows. A chunk has up to 2,048 rows, each up to max_row_bytes. */
const MAX_CHUNK_BYTES = 1 << 30;

/** Its buffers are reused for the next chunk. */
export class ChunkEncoder {
  readonly #writers: ColumnWriter[];
  readonly #widths: number[];
  readonly #maxRowBytes: number;
  readonly #constants: BinaryFields;
  #sizes = new Uint32Array(2048);
  #buffer = rowBuffer(1 << 20, 2048);

  /** @param constants appended to each row */
  constructor(writers: ColumnWriter[], maxRowBytes: number, constants: BinaryFields) {
    this.#writers = writers;
    this.#widths = writers.map((writer) => writer.width);
    this.#maxRowBytes = maxRowBytes;
    this.#constants = constants;
  }

  /** Returns the rows without the format's header; valid until the next call. */
  encode(chunk: duckdb.DataChunk, rows: number): EncodedChunk {
    const vectors = readVectors(chunk, rows, this.#widths);
    this.#reserveRows(rows);
    // The number of fields, and the length of each.
    this.#sizes.fill(2 + 4 * vectors.length + this.#constants.bytes.length, 0, rows);
    for (const [i, writer] of this.#writers.entries()) writer.addSizes(vectors[i]!, rows, this.#sizes);
    const tooLarge = this.#placeRows(rows);
    if (tooLarge) return { tooLarge };
    for (const [i, writer] of this.#writers.entries()) writer.write(vectors[i]!, rows, this.#buffer);
    if (this.#constants.count > 0) this.#putConstants(rows);
    const { bytes: out, at } = this.#buffer;
    return { data: out.subarray(0, at[rows - 1]) };
  }

  #putConstants(rows: number): void {
    const { bytes } = this.#constants;
    const { bytes: out, at } = this.#buffer;
    for (let row = 0; row < rows; row++) {
      copyBytes(bytes, 0, bytes.length, out, at[row]!);
      at[row]! += bytes.length;
    }
  }

  #placeRows(rows: number): { row: number; bytes: number } | undefined {
    const sizes = this.#sizes;
    const { at } = this.#buffer;
    let end = 0;
    for (let row = 0; row < rows; row++) {
      const bytes = sizes[row]!;
      if (bytes > this.#maxRowBytes) return { row, bytes };
      at[row] = end;
      end += bytes;
    }
    if (end > MAX_CHUNK_BYTES) throw new Error(`Out of Memory: ${rows} rows take ${end} bytes`);
    if (end > this.#buffer.bytes.length)
      Object.assign(this.#buffer, byteBuffer(Math.max(end, Math.min(end * 2, ROOMY))));
    const { view } = this.#buffer;
    const fields = this.#writers.length + this.#constants.count;
    for (let row = 0; row < rows; row++) {
      const to = at[row]!;
      view.setInt16(to, fields);
      at[row] = to + 2;
    }
    return undefined;
  }

  #reserveRows(rows: number): void {
    if (rows <= this.#sizes.length) return;
    this.#sizes = new Uint32Array(rows);
    this.#buffer.at = new Uint32Array(rows);
  }
}

function rowBuffer(bytes: number, rows: number): RowBuffer {
  return { ...byteBuffer(bytes), at: new Uint32Array(rows) };
}

function byteBuffer(length: number): Pick<RowBuffer, 'bytes' | 'view'> {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer) };
}
