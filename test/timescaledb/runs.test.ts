import { after, describe } from 'node:test';
import { testDatabase } from '../support/database.ts';
import { openPartImports } from './part_imports.ts';
import { testSortedRuns } from './sorted_runs.ts';

const db = await testDatabase();
const available = await db.query("select from pg_available_extensions where name = 'timescaledb'");

describe('rows that go into the columnstore in runs', {
  skip: available.length === 0 && 'this server has no TimescaleDB (TEST_POSTGRES_BIN_DIR names one that has)',
}, async () => {
  if (available.length === 0) return;
  const client = await db.connectSuperuser();
  const { rows } = await client.query('select current_user as name');
  const imports = await openPartImports(client, rows[0].name);
  after(() => imports.close());
  await client.query('create extension if not exists timescaledb');
  await client.query('select _timescaledb_functions.stop_background_workers()');
  testSortedRuns(imports, '{COMPRESSED}');
});
