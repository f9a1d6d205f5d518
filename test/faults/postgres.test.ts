import assert from 'node:assert/strict';
import { rename, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Fault } from '../../embedded/bucket/faults.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { type FileRow, openWorld } from '../support/world.ts';
import { databaseFaults } from './database_faults.ts';
import { assertAtRest } from './exactly_once.ts';
import { ownServer } from './own_server.ts';

const server = await ownServer({ deadlock_timeout: '200ms', max_connections: '60' });
const world = await openWorld(server);
const { db } = world;
const faults = databaseFaults(world);
let worker: WorkerProcess;

before(async () => {
  worker = await world.startWorker();
});

test('a full disk is a passing error', async () => {
  await db.query('create table disk_full (n integer, file_id bigint)');
  const { path } = await db.one<{ path: string }>("select pg_relation_filepath('disk_full') as path");
  const file = join(server.dataDir, path);
  await db.asSuperuser('checkpoint');
  // The kernel's own device for this: every write fails with ENOSPC.
  await rename(file, `${file}.away`);
  await symlink('/dev/full', file);
  await faults.set();
  await faults.insert('disk_full');
  const failed = await faults.file('disk_full', 'pending_retry');
  assert.equal(failed.error_code, 'database_disk_full');
  assert.match(failed.error_message!, /No space left on device/);
  await unlink(file);
  await rename(`${file}.away`, file);
  await faults.succeeds('disk_full');
});

test('a cancelled statement is a passing error', async () => {
  await db.query(`
    create table cancelled (n integer, file_id bigint);
    create function sleep() returns trigger language plpgsql as 'begin perform pg_sleep(30); return new; end';
    create trigger sleep before insert on cancelled for each row execute function sleep()`);
  await faults.insert('cancelled');
  await db.waitFor(
    `select pg_cancel_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event = 'PgSleep' and application_name like 's3_connector import_file%'`,
    (rows) => rows.length > 0,
  );
  const failed = await faults.file('cancelled', 'pending_retry');
  assert.equal(failed.error_code, 'statement_cancelled');
  await db.query('drop trigger sleep on cancelled');
  await faults.succeeds('cancelled');
});

test('limits of the login and the database do not end an import: import_timeout limits it', async () => {
  await faults.set("statement_timeout = '200ms'");
  // Not for this test's own statements, which may take longer.
  await db.asSuperuser(`alter role ${db.person.name} in database ${db.name} set statement_timeout = 0`);
  const limits = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
  for (const limit of limits)
    await db.asSuperuser(`alter role ${db.importer.name} in database ${db.name} set ${limit} = '100ms'`);
  await db.asSuperuser(`create table limited (n integer, file_id bigint); grant all on limited to public;
    create table limits (name text, setting text); grant all on limits to public;
    create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(0.3); return new; end';
    create trigger wait before insert on limited for each row execute function wait()`);
  const holder = await db.connectSuperuser();
  await holder.query('set statement_timeout to 0; begin; lock table limited in access exclusive mode');
  await faults.insert('limited', {
    import_timeout: '10 minutes',
    on_import:
      "insert into public.limits select name, setting from pg_settings where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')",
  });
  await faults.waitsForLock();
  await holder.query('select pg_sleep(0.3); rollback');
  assert.equal((await faults.succeeds('limited')).attempts, 1);
  const { rows } = await holder.query('select name, setting from limits order by name');
  assert.ok(rows.length >= 3);
  // Only the server's own limit for locks is off. Before PostgreSQL 17 there is none for transactions.
  for (const { name, setting } of rows) assert.equal(setting, name === 'lock_timeout' ? '0' : '660000', name);
  for (const limit of limits)
    await db.asSuperuser(`alter role ${db.importer.name} in database ${db.name} reset ${limit}`);
  await db.asSuperuser(`alter role ${db.person.name} in database ${db.name} reset statement_timeout`);
  await faults.set();
});

test('an import waits for a lock on its table, and other files are imported meanwhile', async () => {
  await db.query('create table locked (n integer, file_id bigint)');
  const holder = await db.connect();
  await holder.query('begin; lock table locked in access exclusive mode');
  await faults.insert('locked');
  await faults.waitsForLock();
  await faults.insert('not_locked');
  await faults.succeeds('not_locked');
  await holder.query('rollback');
  assert.equal((await faults.succeeds('locked')).attempts, 1);
});

test("a lock_timeout of the owner's own code is a passing error", async () => {
  await db.query(`create table lock_timeout (n integer, file_id bigint); create table noted (n integer);
    create function note() returns trigger language plpgsql set lock_timeout = '100ms' as
      'begin insert into noted values (new.n); return new; end';
    create trigger note before insert on lock_timeout for each row execute function note()`);
  const holder = await db.connect();
  await holder.query('begin; lock table noted in access exclusive mode');
  await faults.insert('lock_timeout');
  const failed = await faults.file('lock_timeout', 'pending_retry');
  assert.equal(failed.error_code, 'lock_not_available');
  await holder.query('rollback');
  await faults.succeeds('lock_timeout');
});

test('a deadlock is a passing error', async () => {
  await db.query(`create table deadlocked (n integer primary key, file_id bigint);
    create function hold() returns trigger language plpgsql as
      'begin perform pg_advisory_xact_lock(2); return new; end';
    create trigger hold before insert on deadlocked for each row when (new.n = 2 and new.file_id is not null)
      execute function hold()`);
  // The import must be the session that finds the deadlock.
  await db.asSuperuser(`alter role ${db.person.name} set deadlock_timeout = '1h'`);
  const [holder, other] = [await db.connect(), await db.connect()];
  await other.query('begin');
  await other.query('insert into deadlocked values (2)');
  await holder.query('select pg_advisory_lock(2)');
  await faults.insert('deadlocked');
  // It has inserted 1, and waits before 2.
  await faults.waitsForLock();
  const waiting = other.query('insert into deadlocked values (1)');
  await db.waitFor(
    "select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'",
    (rows) => rows.length === 1,
    { values: [(other as pg.Client & { processID: number }).processID] },
  );
  await holder.query('select pg_advisory_unlock(2)');
  await waiting;
  const failed = await faults.file('deadlocked', 'pending_retry');
  assert.equal(failed.error_code, 'deadlock');
  await other.query('rollback');
  await db.query('drop trigger hold on deadlocked');
  await db.asSuperuser(`alter role ${db.person.name} reset deadlock_timeout`);
  await faults.succeeds('deadlocked');
});

test('a serialization failure is a passing error', async () => {
  // Imports run at read committed in every database, so only code that a trigger calls can fail in this way.
  await db.query(`
    create table serialized (n integer, file_id bigint);
    create sequence serialized_tries;
    create function fail_first() returns trigger language plpgsql as $$
    begin
      if nextval('serialized_tries') = 1 then
        raise exception 'could not serialize access' using errcode = 'serialization_failure';
      end if;
      return null;
    end;
    $$;
    create trigger fail_first before insert on serialized for each statement execute function fail_first()`);
  await faults.insert('serialized');
  const failed = await faults.file('serialized', 'pending_retry');
  assert.equal(failed.error_code, 'serialization_failure');
  await faults.succeeds('serialized');
});

test('a server that is read-only, as after a failover, costs the file no attempt', async () => {
  await faults.set('default_transaction_read_only = on');
  await faults.insert('read_only');
  const [returned] = await db.waitFor<FileRow>(
    "select * from s3_connector.files where connector_name = 'read_only'",
    ([file]) => file?.status === 'in_queue' && file.error_code !== null,
  );
  assert.deepEqual([returned!.attempts, returned!.error_code], [0, 'database_read_only']);
  await faults.set();
  assert.equal((await faults.succeeds('read_only')).attempts, 1);
});

/**
 * Inserts a connector with its table and one file, which is large enough to be read during its fetch: so the transaction
 * waits for the network.
 * @param after bytes of the file after which its fetch stalls
 */
async function insertLarge(name: string, after: number): Promise<{ stalled: Fault; rows: number }> {
  const rows = 2_000_000;
  await db.query(`create table ${name} (n integer, file_id bigint)`);
  const key = `${name}/1.csv`;
  const stalled = world.server.faults.order({ operation: 'GetObject', key, stall: { after } });
  world.put(key, `n\n${'12345\n'.repeat(rows)}`);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_id_column: 'file_id',
  });
  return { stalled, rows };
}

test('an import whose fetch stalls outlasts the idle_in_transaction_session_timeout of the database', async () => {
  await faults.set("idle_in_transaction_session_timeout = '300ms'");
  const { stalled, rows } = await insertLarge('idle', 1);
  await stalled.hit();
  await db.waitFor(
    `select from pg_stat_activity where datname = current_database() and state = 'idle in transaction'
      and application_name like 's3_connector import_file%' and clock_timestamp() - state_change > interval '600 ms'`,
    (found) => found.length > 0,
  );
  stalled.release();
  const file = await faults.succeeds('idle');
  assert.deepEqual([file.rows_imported, file.attempts], [rows, 1]);
  await faults.set();
});

test('a server without free connections costs the file no attempt', async () => {
  await db.query('create table crowded (n integer, file_id bigint)');
  await faults.set();
  const fetched = world.server.faults.order({
    operation: 'GetObject',
    key: 'crowded/1.csv',
    stall: { after: 1 },
  });
  await faults.insert('crowded');
  await fetched.hit();
  const observer = await db.connect();
  const crowd = await fillServer();
  fetched.release();
  const waiting = await seeWaiting(observer).finally(() => crowd.leave());
  assert.deepEqual([waiting.attempts, waiting.error_code], [0, 'too_many_connections']);
  assert.match(
    waiting.notice!,
    /^imports wait, because crowded\/1.csv: the database refused a session: .*lower WORKER_CONCURRENCY.*; next try at \d\d:\d\d:\d\d UTC$/,
  );
  assert.equal((await faults.succeeds('crowded')).attempts, 1);
  assert.equal(await world.notice('crowded'), null);
});

/** Waits until the file is back in the queue. It is tried again and again. */
async function seeWaiting(observer: pg.Client): Promise<FileRow & { notice: string | null }> {
  let found: (FileRow & { notice: string | null }) | undefined;
  await until('the file is back in the queue', async () => {
    const { rows } = await observer.query(
      `select f.*, s.notice from s3_connector.files f join s3_connector.connector_status s on s.name = f.connector_name
        where f.connector_name = 'crowded' and f.status = 'in_queue' and f.error_code is not null`,
    );
    found = rows[0];
    return found;
  });
  return found!;
}

/** Takes every free connection, and those that others release. */
async function fillServer(): Promise<{ leave(): Promise<void> }> {
  const taken: pg.Client[] = [];
  let over = false;
  const take = async (): Promise<boolean> => {
    const client = new pg.Client({ connectionString: db.url });
    client.on('error', () => {});
    try {
      await client.connect();
    } catch (error) {
      if ((error as pg.DatabaseError).code === '53300') return false;
      throw error;
    }
    taken.push(client);
    return true;
  };
  while (await take());
  const staying = (async () => {
    while (!over) if (!(await take())) await delay(5);
  })();
  return {
    async leave() {
      over = true;
      await staying;
      await Promise.all(taken.map((client) => client.end()));
    },
  };
}

test('a dropped table is a lasting error if the connector may not create it', async () => {
  await db.query('create table dropped (n integer, file_id bigint)');
  await faults.insert('dropped', { create_table: false });
  await faults.succeeds('dropped');
  await db.query('drop table dropped');
  world.put('dropped/2.csv', 'n\n3\n');
  const [, second] = await world.pollAndSettle('dropped');
  assert.deepEqual([second!.status, second!.error_code, second!.attempts], ['failure', 'table_missing', 1]);
  await db.query('create table dropped (n integer, file_id bigint)');
  await db.query("select s3_connector.retry('dropped')");
  await world.settled('dropped');
  assert.deepEqual(await db.query('select n from dropped'), [{ n: 3 }]);
});

test('a table that is dropped while an import waits for it is created again', async () => {
  await db.query('create table vanished (n integer, file_id bigint)');
  const holder = await db.connect();
  await holder.query('begin; lock table vanished in access exclusive mode');
  await faults.insert('vanished');
  await faults.waitsForLock();
  await holder.query('drop table vanished; commit');
  const failed = await faults.file('vanished', 'pending_retry');
  assert.equal(failed.error_code, 'table_changed');
  await faults.succeeds('vanished');
});

test('if a column is dropped while an import waits, the columns are read again and the error names it', async () => {
  await db.query('create table altered (n integer, m integer, file_id bigint)');
  world.put('altered/0.csv', 'n,m\n1,1\n');
  const holder = await db.connect();
  await holder.query('begin; lock table altered in access exclusive mode');
  await faults.insert('altered', { pattern: 'altered/0*' });
  await faults.waitsForLock();
  await holder.query('alter table altered drop column m; commit');
  assert.equal((await faults.file('altered', 'pending_retry')).error_code, 'table_changed');
  await db.query(
    'select s3_connector_queue.reschedule_jobs(array(select id from s3_connector_queue.jobs where run_at > now()), now())',
  );
  const failed = await faults.file('altered', 'failure');
  assert.match(failed.error_message!, /lacks: "m"\./);
  await db.query('alter table altered add column m integer');
  await db.query("select s3_connector.retry('altered')");
  await faults.succeeds('altered');
});

test('a server restart in the middle of a COPY is a passing error', async () => {
  const { stalled, rows } = await insertLarge('restarted', 6_000_000);
  await stalled.hit();
  await db.waitFor(
    'select from pg_stat_progress_copy where bytes_processed > 1000000',
    ({ length }) => length > 0,
  );
  await server.restart('fast');
  stalled.release();
  const failed = await faults.file('restarted', 'pending_retry');
  assert.equal(failed.error_code, 'connection_lost');
  assert.equal((await faults.succeeds('restarted')).rows_imported, rows);
});

test('the worker has survived all errors, and no jobs or sessions are left', async () => {
  await assertAtRest(db);
  assert.equal((await worker.end('SIGTERM')).code, 0);
  await world.spoolEmptied();
});
