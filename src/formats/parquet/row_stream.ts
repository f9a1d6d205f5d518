import type { DuckDBConnection, DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import { injectFault } from '../../data_faults.ts';
import type { ExpectedRows } from './protocol.ts';

/** Chunks of DuckDB, of 2,048 rows each, after which their memory is freed. */
const CHUNKS_TO_FREE = 32;
/** The number of the row that a query puts behind its last one; see ExpectedRows. */
export const END_ROW = -1n;

/** Rows of a query, as DuckDB holds them. */
export interface RowChunk {
  chunk: DuckDBDataChunk;
  /** How many of the chunk's rows count: the end row is none. */
  rows: number;
}

/** A stream that ended before its last row, or gave other rows than it should. */
export class BrokenStream extends Error {
  /** Rows before. */
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
 * Streams a query's rows. DuckDB's library answers an error in the middle of a stream as it answers its end
 * (docs/duckdb_stream_errors.md), so an end counts only if the rows are those that were expected.
 * @throws BrokenStream with DuckDB's error, where a second run of the query meets one
 */
export async function* streamRows(
  connection: DuckDBConnection,
  query: string,
  result: DuckDBResult,
  expected: ExpectedRows,
): AsyncGenerator<RowChunk, number> {
  const witness = new Witness(result.columnCount - 1, expected);
  let chunks = 0;
  for await (const chunk of injectFault('chunks', chunksOf(result))) {
    const rows = witness.take(chunk);
    if (rows === null) break;
    if (rows > 0) yield { chunk, rows };
    // A chunk's memory is freed with its object, which is so small that its collection would wait for 100 MB of others.
    if (++chunks % CHUNKS_TO_FREE === 0) globalThis.gc?.({ type: 'minor' });
  }
  const gap = witness.gap();
  if (gap === null) return witness.rows;
  const reason = await lookAgain(connection, query);
  throw new BrokenStream(reason ?? gap, witness.rows, reason !== null);
}

async function* chunksOf(result: DuckDBResult): AsyncGenerator<DuckDBDataChunk> {
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    yield chunk;
  }
}

/** Compares the rows that come with those that are expected. */
class Witness {
  rows = 0;
  readonly #column: number;
  readonly #expected: ExpectedRows;
  #ended = false;
  #outOfOrder: string | null = null;

  /** @param column the one that holds the rows' numbers, if there is one */
  constructor(column: number, expected: ExpectedRows) {
    this.#column = column;
    this.#expected = expected;
  }

  /** How many of a chunk's rows count; null where the rest is not worth reading. */
  take(chunk: DuckDBDataChunk): number | null {
    const { first, numbers } = this.#expected;
    let rows = chunk.rowCount;
    if (numbers !== 'none') {
      const found = numbersOf(chunk, this.#column, rows);
      if (this.#ended) this.#outOfOrder = 'rows came behind the last one';
      this.#ended ||= found[rows - 1] === END_ROW;
      if (this.#ended) rows -= 1;
      const wanted = BigInt(first + this.rows);
      const inOrder = rows <= 0 || (found[0] === wanted && found[rows - 1] === wanted + BigInt(rows - 1));
      if (numbers === 'in order' && !inOrder)
        this.#outOfOrder = `row ${found[0]! + 1n} came where row ${wanted + 1n} was expected`;
      if (this.#outOfOrder !== null) return null;
    }
    this.rows += rows;
    return rows;
  }

  /** What is wrong with the rows now that there are no more; null where nothing is. */
  gap(): string | null {
    const { count } = this.#expected;
    if (this.#outOfOrder !== null) return this.#outOfOrder;
    if (count === null)
      return this.#ended ? null : `the rows ended after row ${this.rows}, and more were to come`;
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

/** Runs a query again so that DuckDB's library throws what stopped it, in little memory; null where it meets no error. */
async function lookAgain(connection: DuckDBConnection, query: string): Promise<string | null> {
  try {
    // Every value must be made, also of columns of which DuckDB knows that they hold no null.
    await connection.run(`select bit_xor(hash(*columns(*))) from (${query})`);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
