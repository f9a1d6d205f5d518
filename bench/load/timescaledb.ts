/** Installs TimescaleDB, if the server has it. */
import type pg from 'pg';

export const NO_TIMESCALEDB = 'This server has no TimescaleDB (set TEST_POSTGRES_BIN_DIR to one that does)';

/** Installs the extension. Returns false if the server does not have it. */
export async function installTimescaledb(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query("select from pg_available_extensions where name = 'timescaledb'");
  if (rows.length > 0) await client.query('create extension if not exists timescaledb');
  return rows.length > 0;
}
