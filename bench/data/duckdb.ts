/** Runs SQL in DuckDB. */
import { DuckDBInstance } from '@duckdb/node-api';

/** Runs statements in a new database in memory. Returns the first row of the last one. */
export async function runInDuckDB(...statements: string[]): Promise<Record<string, unknown>> {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: '2GB',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const connection = await instance.connect();
  try {
    await connection.run("set time zone 'UTC'");
    for (const statement of statements.slice(0, -1)) await connection.run(statement);
    return (await connection.runAndReadAll(statements.at(-1)!)).getRowObjectsJson()[0] ?? {};
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
