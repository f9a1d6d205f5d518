/** Rows as bytes for COPY, together with their number, so that no row is lost unnoticed. */
/** Yields bytes for COPY and returns the number of rows in them, counted as COPY counts. */
export type RowBytes = AsyncGenerator<Uint8Array, number>;

/** Returns rows that are in memory. */
export async function* rowBytes(bytes: Uint8Array, rows: number): RowBytes {
  yield bytes;
  return rows;
}

/** Rows, and the bytes around them that a COPY has once. Rows with equal options and an equal `head` may share a COPY. */
export interface BareRows {
  head: Uint8Array;
  rows: RowBytes;
  tail: Uint8Array;
  /** Ends a row, if the last one has no end; null if rows have no ends. */
  lineEnd: Uint8Array | null;
}

/** What COPY gets in one of its formats. */
export interface CopyBytes {
  /** The list in COPY's WITH clause. */
  options: string;
  data: RowBytes;
  /** The same bytes without what surrounds the rows. Read this or `data`. */
  bare: BareRows;
}

const NOTHING = new Uint8Array(0);
const LINE_FEED = Uint8Array.of(0x0a);

/** Returns what COPY gets for rows in its text format. */
export function textFormat(rows: RowBytes): CopyBytes {
  return {
    options: 'format text',
    data: rows,
    bare: { head: NOTHING, rows, tail: NOTHING, lineEnd: LINE_FEED },
  };
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
