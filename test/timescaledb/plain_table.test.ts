import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
const installed = await db.query("select from pg_extension where extname = 'timescaledb'");

const READINGS = 'at,n\n2026-01-01T00:00:00Z,1\n2026-02-01T00:00:00Z,2\n';

describe('a table created from the first file, in a database without TimescaleDB', {
  skip: installed.length > 0 && 'TimescaleDB is installed in the template of this test run',
}, () => {
  before(() => world.startWorker());

  test('is plain, and a notice says so', async () => {
    world.put('unasked/1.csv', READINGS);
    await world.insertConnector({ name: 'unasked', pattern: 'unasked/*', target_table: 'unasked' });
    const [file] = await world.settled('unasked');
    assert.deepEqual([file!.status, file!.rows_imported], ['success', 2], file!.error_message ?? '');
    assert.deepEqual(await db.query('select count(*) from unasked'), [{ count: 2 }]);
    assert.match((await world.notice('unasked'))!, /unasked is a plain table.*TimescaleDB/);
  });

  test('does not block calls on its connector while its rows are copied', async () => {
    // The table cannot be locked before its own import creates it: a trigger keeps COPY waiting.
    await db.asSuperuser(`
      create function wait_before_rows() returns trigger language plpgsql as $$
      begin
        perform pg_advisory_xact_lock_shared(1);
        return null;
      end $$;
      create function hold_table() returns event_trigger language plpgsql as $$
      begin
        create trigger hold before insert on slow for each statement execute function wait_before_rows();
      end $$;
      create event trigger hold_table on ddl_command_end when tag in ('CREATE TABLE') execute function hold_table()`);
    const holder = await db.connect();
    await holder.query('select pg_advisory_lock(1)');
    world.put('slow/1.csv', READINGS);
    await world.insertConnector({ name: 'slow', pattern: 'slow/*', target_table: 'slow' });
    await db.waitFor(
      "select from pg_stat_activity where datname = current_database() and application_name like 's3_connector import_file %' and wait_event = 'advisory'",
      (rows) => rows.length === 1,
    );
    await db.query("begin; set local lock_timeout = '3s'; select s3_connector.poll_now('slow'); commit");
    await db.asSuperuser('drop event trigger hold_table');
    await holder.query('select pg_advisory_unlock(1)');
    const [file] = await world.settled('slow');
    assert.equal(file!.status, 'success', file!.error_message ?? '');
    assert.match((await world.notice('slow'))!, /slow is a plain table/);
  });

  test('is plain without a notice if no hypertable would have been created anyway', async () => {
    world.put('timeless/1.csv', 'n\n1\n');
    world.put('declined/1.csv', READINGS);
    await world.insertConnector({ name: 'timeless', pattern: 'timeless/*', target_table: 'timeless' });
    await world.insertConnector({
      name: 'declined',
      pattern: 'declined/*',
      target_table: 'declined',
      hypertable: false,
    });
    for (const name of ['timeless', 'declined']) {
      const [file] = await world.settled(name);
      assert.equal(file!.status, 'success', file!.error_message ?? '');
      assert.equal(await world.notice(name), null, name);
    }
  });

  test('is not created if hypertable is true: the file fails and says what to do', async () => {
    world.put('asked/1.csv', READINGS);
    await world.insertConnector({
      name: 'asked',
      pattern: 'asked/*',
      target_table: 'asked',
      hypertable: true,
    });
    const [file] = await world.settled('asked');
    assert.deepEqual(
      [file!.status, file!.error_code, file!.attempts],
      ['failure', 'no_timescaledb', 1],
      file!.error_message ?? '',
    );
    assert.match(file!.error_message!, /TimescaleDB is not installed.*create extension timescaledb/);
    assert.equal((await db.one("select to_regclass('asked') as made")).made, null);
  });
});
