/** The environment of a measurement: versions, settings, machine. */
import { availableParallelism, totalmem } from 'node:os';
import type pg from 'pg';
import { canMeasure } from './processes.ts';

const SETTINGS = ['shared_buffers', 'max_wal_size', 'fsync', 'full_page_writes', 'autovacuum', 'wal_level'];

/** Prints the environment. */
export async function printEnvironment(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: string; timescaledb: string | null; settings: string }>(
    `select split_part(current_setting('server_version'), ' ', 1) as version,
       (select extversion from pg_extension where extname = 'timescaledb') as timescaledb,
       (select string_agg(name || ' ' || current_setting(name), ', ' order by name) from unnest($1::text[]) name) as settings`,
    [SETTINGS],
  );
  const { version, timescaledb, settings } = rows[0]!;
  const extension = timescaledb ? ` with TimescaleDB ${timescaledb}` : '';
  console.log(
    `PostgreSQL ${version}${extension} (${settings}), bucket and client on one machine: ${availableParallelism()} cores, ${Math.round(totalmem() / 1e9)} GB. Node ${process.version}.`,
  );
  if (!canMeasure) console.log('This is not Linux: CPU times and memory cannot be measured.');
}
