/** Checks with DuckDB's own log which bytes of a file it has read. */
import type { DuckDBConnection } from '@duckdb/node-api';
import type { Extent, Outcome } from './protocol.ts';

/**
 * Reads a row range of a file that is still being fetched. If the footer or a page is wrong about where rows are, DuckDB
 * reads bytes that have not arrived yet. These are zeros and could be taken for values. The log of its reads shows this
 * for every file layout.
 * @param extent the part of the file that was fetched before
 * @returns the outcome of `run`, or `read_too_early` if it read, or may have read, bytes outside of the extent
 */
export async function readWithinExtent(
  connection: DuckDBConnection,
  { available, tailFrom }: Extent,
  run: () => Promise<Outcome>,
): Promise<Outcome> {
  await connection.run("call enable_logging('FileSystem')");
  try {
    const outcome = await run();
    const found = await connection.runAndReadAll(
      `select count(*), count(*) filter (pos < 0 or (pos + bytes > ${available} and pos < ${tailFrom}))
        from duckdb_logs_parsed('FileSystem') where op = 'READ'`,
    );
    const [reads, beyond] = found.getRows()[0] as [bigint, bigint];
    // The reads of a failed query may be missing in the log. A successful query has at least read the footer.
    if (reads === 0n && outcome.type === 'done') throw new Error('DuckDB did not log what it read');
    // A footer may be wrong about a row group's rows, and right about the file's.
    const tooEarly = reads === 0n || beyond > 0n || outcome.type === 'rows_do_not_add_up';
    return tooEarly ? { type: 'read_too_early' } : outcome;
  } finally {
    await connection.run('call disable_logging()');
    await connection.run('call truncate_duckdb_logs()');
  }
}
