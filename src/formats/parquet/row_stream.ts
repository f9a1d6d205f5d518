/** Streams a DuckDB query's rows, and checks that the stream ended after its last row. */
import type { DuckDBConnection, DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import { injectFault } from '../../data_faults.ts';
import type { ExpectedRows } from './protocol.ts';

/** After how many chunks, of up to 2,048 rows each, their memory is freed. */
const CHUNKS_TO_FREE = 32;
/** The number of the "end row", which a query returns after its last row; see ExpectedRows. */
export const END_ROW = -1n;

/** Rows of a query, as DuckDB holds them. */
export interface RowChunk {
  chunk: DuckDBDataChunk;
  /** The number of rows, without the end row. */
  rows: number;
}

/** A stream that ended before its last row, or returned other rows than expected. */
export class BrokenStream extends Error {
  /** Rows before the error. */
  readonly rows: number;
  /** Whether the message is DuckDB's own. */
  readonly explained: boolean;

  constructor(message: string, rows: number, explained: boolean) {
    super(message);
    this.rows = rows;
    this.explained = explained;
  }
}

/**
 * Yields a query's rows. DuckDB's library reports an error in the middle of a stream as the
 * stream's end (docs/duckdb_stream_errors.md). An end is therefore accepted only if the rows are the expected ones.
 * @throws BrokenStream with DuckDB's error, if a second run of the query fails as well
 */
export async function* streamRows(
  connection: DuckDBConnection,
  query: string,
  result: DuckDBResult,
  expected: ExpectedRows,
): AsyncGenerator<RowChunk> {
  const check = new RowCheck(result.columnCount - 1, expected);
  let chunks = 0;
  for await (const chunk of injectFault('chunks', chunksOf(result))) {
    const rows = check.accept(chunk);
    if (rows === null) break;
    if (rows > 0) yield { chunk, rows };
    // A chunk's memory is freed with its JavaScript object. The object is tiny, so V8 would collect it too late.
    if (++chunks % CHUNKS_TO_FREE === 0) globalThis.gc?.({ type: 'minor' });
  }
  const mismatch = check.mismatch();
  if (mismatch === null) return;
  const reason = await findError(connection, query);
  throw new BrokenStream(reason ?? mismatch, check.rows, reason !== null);
}

async function* chunksOf(result: DuckDBResult): AsyncGenerator<DuckDBDataChunk> {
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    yield chunk;
  }
}

/** Compares the rows that arrive with the expected ones. */
class RowCheck {
  rows = 0;
  readonly #column: number;
  readonly #expected: ExpectedRows;
  #ended = false;
  #outOfOrder: string | null = null;

  /** @param column the column with the rows' numbers, if there is one */
  constructor(column: number, expected: ExpectedRows) {
    this.#column = column;
    this.#expected = expected;
  }

  /** Returns the number of a chunk's rows, without the end row; null if a mismatch makes the rest useless. */
  accept(chunk: DuckDBDataChunk): number | null {
    const { first, numbers } = this.#expected;
    let rows = chunk.rowCount;
    if (numbers !== 'none') {
      const found = numbersOf(chunk, this.#column, rows);
      if (this.#ended) this.#outOfOrder = 'rows came after the end row';
      this.#ended ||= found[rows - 1] === END_ROW;
      if (this.#ended) rows -= 1;
      const wanted = BigInt(first + this.rows);
      const inOrder = rows <= 0 || (found[0] === wanted && found[rows - 1] === wanted + BigInt(rows - 1));
      if (numbers === 'in order' && !inOrder)
        this.#outOfOrder = `expected row ${wanted + 1n}, got row ${found[0]! + 1n}`;
      if (this.#outOfOrder !== null) return null;
    }
    this.rows += rows;
    return rows;
  }

  /** Returns what is wrong after the last chunk; null if the rows are the expected ones. */
  mismatch(): string | null {
    const { count } = this.#expected;
    if (this.#outOfOrder !== null) return this.#outOfOrder;
    if (count === null)
      return this.#ended ? null : `the rows ended after row ${this.rows}, without an end row`;
    return this.rows === count ? null : `expected ${count} rows, got ${this.rows}`;
  }
}

function numbersOf({ chunk }: DuckDBDataChunk, column: number, rows: number): BigInt64Array {
  const { buffer, byteOffset } = duckdb.vector_get_data(
    duckdb.data_chunk_get_vector(chunk, column),
    rows * 8,
  );
  return new BigInt64Array(buffer, byteOffset, rows);
}

/** Returns the error of a query by running it again, in little memory; null if the second run succeeds. */
async function findError(connection: DuckDBConnection, query: string): Promise<string | null> {
  try {
    // The hash makes DuckDB compute every value; a mere count would skip columns.
    await connection.run(`select bit_xor(hash(*columns(*))) from (${query})`);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
