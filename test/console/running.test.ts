import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';
import { getPage, openConsole, shows } from './support.ts';

const world = await openWorld();
const { db } = world;
const console = await openConsole(world.db.url);
const ROWS = 20_480;
/** The row at which the import waits. */
const HELD = 5_000;

test('a running Parquet file shows its rows and row groups, and the time so far', async () => {
  await db.query('create table held (n bigint)');
  await db.query(`create function wait_at_row() returns trigger language plpgsql as $$
    begin
      if new.n = ${HELD} then perform pg_advisory_xact_lock(1818); end if;
      return new;
    end $$`);
  await db.query('create trigger held before insert on held for each row execute function wait_at_row()');
  const holder = await db.connect();
  await holder.query('select pg_advisory_lock(1818)');
  world.put(
    'held/1.parquet',
    await parquetOf(`select range::bigint as n from range(${ROWS})`, ', row_group_size 2048'),
  );
  await world.startWorker();
  await world.insertConnector({
    name: 'held',
    pattern: 'held/*',
    target_table: 'held',
    file_format: 'parquet',
  });
  const [file] = await db.waitFor<Record<string, number>>(
    'select rows_copied, row_total, row_groups, row_groups_copied from s3_connector.running_files',
    ([row]) => Number(row?.rows_copied) === HELD,
  );
  assert.deepEqual(
    { ...file },
    { rows_copied: 5000, row_total: 20480, row_groups: 10, row_groups_copied: 2 },
  );
  const { text } = await getPage(console, '/connector?name=held');
  shows(text, /<progress max="100" value="24"/);
  shows(text, /so far,[^<]* copied \(uncompressed\), 2 of 10 row groups, 5,000 of 20,480 rows,/);
  await holder.query('select pg_advisory_unlock(1818)');
  await holder.end();
  await world.settled('held');
  assert.deepEqual(await db.query('select count(*)::integer as n from held'), [{ n: ROWS }]);
});
