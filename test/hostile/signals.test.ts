import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { migrate } from '../../src/db/migrations.ts';
import { testDatabase } from '../support/database.ts';
import { openWorld } from '../support/world.ts';

// Every role that can connect may send notifications, take advisory locks, and name its session. A stranger, a role without any
// grant of ours, uses all of them against the workers.
const world = await openWorld();
const { db } = world;
const stranger = await db.createRole();

/** The numbers of advisory locks that the connector uses, or has used. */
const LOCK_CLASSES = { workers: 1395868505, queues: 1395868506 };
const LOCKS = [1395868504, 1395868604, 1395868507];

/** Takes every advisory lock that the stranger can guess. */
async function takeLocks(client: pg.Client, names: string[], tables: string[]): Promise<void> {
  for (const lock of LOCKS) await client.query('select pg_try_advisory_lock($1)', [lock]);
  for (const name of names)
    await client.query('select pg_try_advisory_lock($1, hashtext($2))', [LOCK_CLASSES.queues, name]);
  for (const table of tables)
    await client.query(
      'select pg_try_advisory_lock(hashtextextended($1, 0)), pg_try_advisory_lock(hashtextextended($1, 1))',
      [table],
    );
  await client.query('select pg_try_advisory_lock($1, id) from generate_series(1, 200) as id', [
    LOCK_CLASSES.workers,
  ]);
}

test("a stranger's advisory locks delay no start, no poll, no import and no function", async () => {
  const client = await db.connect(stranger);
  await takeLocks(client, ['one'], ['"public"."one"']);
  world.put('one/1.csv', 'n\n1\n');
  world.put('one/2.csv', 'n\n2\n');
  const importer = await world.startWorker();
  await world.insertConnector({ name: 'one', pattern: 'one/*', target_table: 'one', max_parallel_files: 1 });
  assert.deepEqual(
    (await world.settled('one')).map(({ status, attempts }) => [status, attempts]),
    [
      ['success', 1],
      ['success', 1],
    ],
  );
  await db.query("select s3_connector.pause('one'); select s3_connector.resume('one')");
  world.put('one/3.csv', 'n\n3\n');
  assert.equal((await world.pollAndSettle('one')).length, 3);
  const worker = await db.connect(db.worker);
  await worker.query('select s3_connector_private.fold_totals()');
  // The importer may be summing up itself.
  await db.waitFor<{ files: number; rows: number }>(
    `select files::integer, rows::integer from s3_connector_private.totals where connector_name = 'one' and status = 'success'`,
    ([totals]) => totals?.files === 3 && totals.rows === 3,
  );
  await client.query('select pg_advisory_unlock_all()');
  await importer.end('SIGTERM');
});

test("a stranger's advisory locks do not delay a migration", async () => {
  const empty = await testDatabase({ empty: true });
  const client = await empty.connect(stranger);
  await takeLocks(client, [], []);
  await migrate(empty.workerUrl);
  assert.deepEqual(await empty.query('select * from s3_connector.connector_status'), []);
});

test("a stranger's notifications stop no attempt and no worker", async () => {
  world.put('told/1.csv', 'n\n1\n');
  await db.query('create table told (n integer)');
  const holder = await db.connect();
  await holder.query('begin; lock table told');
  const worker = await world.startWorker();
  await world.insertConnector({ name: 'told', pattern: 'told/*', target_table: 'told' });
  const [running] = await db.waitFor<{ attempt_id: number }>(
    "select attempt_id from s3_connector.files where connector_name = 'told' and status = 'running'",
    (rows) => rows.length === 1,
  );
  const client = await db.connect(stranger);
  await client.query(`notify "worker:migrate", '{"migrationNumber": 99, "breaking": true}'`);
  await client.query(`notify "jobs:insert", '{"count": 1e300}'`);
  await client.query("select pg_notify('s3_connector_version', '99.0.0')");
  await client.query("select pg_notify('s3_connector_cancel', $1)", [String(running!.attempt_id)]);
  // The worker has received all of them when it has received this one: a file that is cancelled for real.
  world.put('cancelled/1.csv', 'n\n1\n');
  await world.insertConnector({ name: 'cancelled', pattern: 'cancelled/*', target_table: 'told' });
  await db.waitFor(
    "select from s3_connector.files where connector_name = 'cancelled' and status = 'running'",
    (rows) => rows.length === 1,
  );
  await db.query("select s3_connector.cancel_file('cancelled', 'cancelled/1.csv')");
  await worker.logged('import stopped');
  await holder.query('commit');
  assert.deepEqual(
    (await world.settled('told')).map(({ status, attempts }) => [status, attempts]),
    [['success', 1]],
  );
  assert.deepEqual(
    worker.lines.filter(({ event }) => event === 'import stopped').map(({ key }) => key),
    ['cancelled/1.csv'],
  );
  await worker.end('SIGTERM');
});

test('a session of a stranger with the name of an import shows no progress of it', async () => {
  await db.query('create table shown (n integer)');
  const holder = await db.connect();
  await holder.query('begin; lock table shown');
  const worker = await world.startWorker();
  world.put('shown/1.csv', 'n\n1\n');
  await world.insertConnector({ name: 'shown', pattern: 'shown/*', target_table: 'shown' });
  const [running] = await db.waitFor<{ id: number }>(
    `select f.id from s3_connector.files f
     where f.connector_name = 'shown' and exists (
       select from pg_stat_activity a
       where a.datname = current_database() and a.application_name = format('s3_connector import_file %s', f.id)
     )`,
    (rows) => rows.length === 1,
  );
  const client = await db.connect(stranger);
  for (const name of [
    `import_file ${running!.id}`,
    `import_file ${'9'.repeat(30)}`,
    `import_file ${running!.id} ${'9'.repeat(20)}/1/1;`,
  ]) {
    await client.query("select set_config('application_name', $1, false)", [`s3_connector ${name}`]);
    assert.deepEqual(
      await db.query(
        "select key, rows_copied from s3_connector.running_files where connector_name = 'shown'",
      ),
      [{ key: 'shown/1.csv', rows_copied: null }],
      name,
    );
  }
  await holder.query('commit');
  assert.equal((await world.settled('shown'))[0]!.status, 'success');
  await worker.end('SIGTERM');
});

test("a stranger who takes over a dead worker's lock does not keep it alive", async () => {
  await db.query('create table died (n integer)');
  const holder = await db.connect();
  await holder.query('begin; lock table died');
  const killed = await world.startWorker();
  world.put('died/1.csv', 'n\n1\n');
  await world.insertConnector({ name: 'died', pattern: 'died/*', target_table: 'died' });
  await db.waitFor(
    `select from s3_connector.files f join s3_connector.workers w on w.id = f.worker_id
     where f.connector_name = 'died' and f.status = 'running'`,
    (rows) => rows.length === 1,
  );
  const client = await db.connect(stranger);
  const { rows: locks } = await client.query<{ key: number }>(
    `select objid::integer as key from pg_locks
     where locktype = 'advisory' and classid = $1 and database = (select oid from pg_database where datname = current_database())`,
    [LOCK_CLASSES.workers],
  );
  assert.equal(locks.length, 1, 'the worker that will be killed is the only one');
  const stealer = await db.connect(stranger);
  const waiting = stealer.query('select pg_advisory_lock($1, $2)', [LOCK_CLASSES.workers, locks[0]!.key]);
  await killed.end('SIGKILL');
  await waiting;
  await holder.query('commit');
  const other = await world.startWorker();
  assert.equal((await world.settled('died'))[0]!.status, 'success');
  const alive = await db.query<{ pid: number }>('select pid from s3_connector.workers where alive');
  assert.ok(alive.some(({ pid }) => pid === other.pid));
  assert.ok(!alive.some(({ pid }) => pid === killed.pid));
});
