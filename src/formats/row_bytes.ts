/** Rows as bytes for COPY, together with their number, so that no row is lost unnoticed. */
/** Yields bytes for COPY and returns the number of rows in them, counted as COPY counts. */
export type RowBytes = AsyncGenerator<Uint8Array, number>;

/** Returns rows that are in memory. */
export async function* rowBytes(bytes: Uint8Array, rows: number): RowBytes {
  yield bytes;
  return rows;
}

/** Passes rows on and keeps their number. */
export class CountedRows {
  readonly #bytes: RowBytes;
  /** 0 until all rows have been passed on. */
  count = 0;

  constructor(bytes: RowBytes) {
    this.#bytes = bytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    this.count = yield* this.#bytes;
  }
}
