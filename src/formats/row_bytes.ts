/** Bytes for a COPY. At their end they say how many rows they were, as COPY itself would count them. */
export type RowBytes = AsyncGenerator<Uint8Array, number>;

/** Some rows that are in memory. */
export async function* rowBytes(bytes: Uint8Array, rows: number): RowBytes {
  yield bytes;
  return rows;
}

/** Passes rows on, and keeps their number. */
export class CountedRows {
  readonly #bytes: RowBytes;
  /** Known when all have been passed on; until then there are none. */
  count = 0;

  constructor(bytes: RowBytes) {
    this.#bytes = bytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    this.count = yield* this.#bytes;
  }
}
