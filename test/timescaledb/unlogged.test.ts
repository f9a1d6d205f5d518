import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
const available = await db.query("select from pg_available_extensions where name = 'timescaledb'");

test('a hypertable with an unlogged chunk takes no files', {
  skip: available.length === 0 && 'this server has no TimescaleDB (TEST_POSTGRES_BIN_DIR names one that has)',
}, async () => {
  await db.query('create extension if not exists timescaledb');
  await db.query(`create table chunked (at timestamptz not null) with (tsdb.hypertable);
    insert into chunked values ('2026-01-05'), ('2026-03-05')`);
  const { chunk } = await db.one<{ chunk: string }>("select show_chunks('chunked')::text as chunk limit 1");
  world.put('chunked/1.csv', 'at\n2026-01-06\n');
  await world.startWorker();
  const connector = { name: 'chunked', pattern: 'chunked/*', target_table: 'chunked', state: 'paused' };
  await world.insertConnector(connector);
  await db.query(`alter table ${chunk} set unlogged`);
  await assert.rejects(world.insertConnector({ ...connector, name: 'again' }), /is unlogged/);
  await db.query("select s3_connector.resume('chunked')");
  const [refused] = await world.settled('chunked');
  assert.equal(refused!.error_code, 'table_unlogged');
  assert.ok(refused!.error_message!.includes(`alter table ${chunk} set logged`), refused!.error_message!);
  await db.query(`alter table ${chunk} set logged`);
  await db.query("select s3_connector.retry('chunked')");
  assert.equal((await world.settled('chunked'))[0]!.status, 'success');
});
