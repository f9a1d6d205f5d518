import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
const available = await db.query("select from pg_available_extensions where name = 'timescaledb'");
const skip =
  available.length === 0 && 'this server has no TimescaleDB (TEST_POSTGRES_BIN_DIR names one that has)';
if (!skip) {
  await db.query('create extension if not exists timescaledb');
  await world.startWorker();
}

test('on_conflict = update merges into compressed chunks, beyond the limit for decompression of the database', {
  skip,
}, async () => {
  await db.query(`create table merged (at timestamptz not null, n integer, v text, unique (n, at))
      with (tsdb.hypertable, tsdb.partition_column = 'at', tsdb.segmentby = 'n');
    insert into merged select '2026-01-05'::timestamptz + i * interval '1 s', 1, 'old' from generate_series(1, 100) i`);
  await db.query("select compress_chunk(show_chunks('merged'))");
  await db.query(
    `alter database ${db.name} set timescaledb.max_tuples_decompressed_per_dml_transaction = 10`,
  );
  await db.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 's3_connector import_file%'",
  );
  const rows = Array.from(
    { length: 50 },
    (_, i) => `${new Date(Date.UTC(2026, 0, 5, 0, 0, i + 1)).toISOString()},1,new\n`,
  );
  world.put('merged/1.csv', `at,n,v\n${rows.join('')}`);
  await world.insertConnector({
    name: 'merged',
    pattern: 'merged/*',
    target_table: 'merged',
    on_conflict: 'update',
    time_zone: 'UTC',
    max_attempts: 1,
  });
  const [file] = await world.settled('merged');
  assert.deepEqual([file!.error_message ?? file!.status, file!.rows_imported], ['success', 50]);
  assert.deepEqual(await db.query('select v, count(*)::int as n from merged group by v order by v'), [
    { v: 'new', n: 50 },
    { v: 'old', n: 50 },
  ]);
});

test('a hypertable with row level security takes the rows that its policies allow', { skip }, async () => {
  const owner = await db.createRole();
  const session = await db.connect(owner);
  await db.asSuperuser(
    `grant s3_connector_admin to ${owner.name}; create schema secured authorization ${owner.name}`,
  );
  await session.query(`create table secured.readings (at timestamptz not null, n integer)
      with (tsdb.hypertable, tsdb.partition_column = 'at', tsdb.columnstore = false);
    alter table secured.readings enable row level security, force row level security;
    create policy small on secured.readings using (true) with check (n < 100)`);
  world.put('secured/1.csv', 'at,n\n2026-01-05,1\n2026-02-05,200\n2026-03-05,3\n');
  await session.query(
    `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table, on_bad_row)
      values ('secured', $1, $2, 'secured/*', 'csv', 'secured.readings', 'skip')`,
    [world.bucket, world.server.endpoint],
  );
  const [file] = await world.settled('secured');
  assert.deepEqual(
    [file!.error_message ?? file!.status, file!.rows_imported, file!.rows_rejected],
    ['success', 2, 1],
  );
  assert.deepEqual(await db.query('select n from secured.readings order by at'), [{ n: 1 }, { n: 3 }]);
});
