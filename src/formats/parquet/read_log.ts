import type { DuckDBConnection } from '@duckdb/node-api';
import type { Extent, Outcome } from './protocol.ts';

/**
 * Reads some rows of a file that is still being fetched. A footer, or a page, that is wrong about where rows are makes
 * DuckDB read bytes that have not come yet: they are zeros, and may pass for values. DuckDB itself says where it read,
 * so that nothing here hangs on how it finds its way through a file.
 * @param extent what of the file was there before
 * @returns what came of it, unless it has read, or may have read, what was not there
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
    // What a query read that failed is not always said. Of one that did not, at least the footer is.
    if (reads === 0n && outcome.type === 'done') throw new Error('DuckDB does not say what it reads');
    // A footer that is wrong about its groups may be right about the whole file.
    const tooEarly = reads === 0n || beyond > 0n || outcome.type === 'rows_do_not_add_up';
    return tooEarly ? { type: 'read_too_early' } : outcome;
  } finally {
    await connection.run('call disable_logging()');
    await connection.run('call truncate_duckdb_logs()');
  }
}
