import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
const available = await db.query("select from pg_available_extensions where name = 'timescaledb'");

describe('a continuous aggregate', {
  skip: available.length === 0 && 'this server has no TimescaleDB (TEST_POSTGRES_BIN_DIR names one that has)',
}, () => {
  before(async () => {
    await db.query('create extension if not exists timescaledb');
    await world.startWorker();
    await db.query(`create table readings (at timestamptz not null, n integer);
      select create_hypertable('readings', by_range('at'))`);
    await db.query(`create materialized view daily with (timescaledb.continuous, timescaledb.materialized_only = false) as
      select time_bucket('1 day', at) as day, sum(n) as total from readings group by 1 with no data`);
  });

  // The statements about both in docs/connectors.md.
  test('that is real-time shows the rows at once, and on_import cannot refresh it', async () => {
    world.put('refreshed/1.csv', 'at,n\n2026-01-01T12:00:00Z,1\n');
    world.put('plain/1.csv', 'at,n\n2026-01-02T12:00:00Z,2\n');
    await world.insertConnector({
      name: 'refreshed',
      pattern: 'refreshed/*',
      target_table: 'readings',
      on_import: "call refresh_continuous_aggregate('daily', null, null)",
    });
    await world.insertConnector({ name: 'plain', pattern: 'plain/*', target_table: 'readings' });
    const [refused] = await world.settled('refreshed');
    assert.equal(refused!.error_code, 'on_import_failed');
    assert.match(refused!.error_message!, /transaction block/);
    assert.equal((await world.settled('plain'))[0]!.status, 'success');
    assert.deepEqual(await db.query('select total from daily'), [{ total: 2 }]);
  });
});
