import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;

const csv = (n: number) => `n\n${n}\n`;
const STATES =
  'select name, state, notice is not null as noticed from s3_connector.connector_status order by name';
const numbers = async (database: TestDatabase, table: string) =>
  (await database.query<{ n: number }>(`select n from ${table} order by n`)).map(({ n }) => n);
const waitingJobs = (database: TestDatabase) =>
  database.query("select key from s3_connector_queue.jobs where key not like 'poll_due%'");

/** Connectors in every state, and no worker: it was killed in the middle of an import. */
before(async () => {
  for (const n of [1, 2, 3]) {
    world.put(`imported/${n}.csv`, csv(n));
    world.put(`stopped/${n}.csv`, csv(n));
    world.put(`waiting/${n}.csv`, csv(n));
  }
  for (const name of ['imported', 'stopped', 'waiting']) {
    await db.query(`create table ${name} (n integer)`);
  }
  const worker = await world.startWorker();
  await world.insertConnector({ name: 'imported', pattern: 'imported/*', target_table: 'imported' });
  await world.insertConnector({ name: 'stopped', pattern: 'stopped/*', target_table: 'stopped' });
  await Promise.all([world.settled('imported'), world.settled('stopped')]);
  await db.query("select s3_connector.pause('stopped')");
  const stalled = server.faults.order({ operation: 'GetObject', stall: { after: 2 } });
  await world.insertConnector({
    name: 'waiting',
    pattern: 'waiting/*',
    target_table: 'waiting',
    max_parallel_files: 1,
  });
  await stalled.hit();
  await worker.end('SIGKILL');
  stalled.cancel();
});

test('a worker on a copy of a database imports nothing until a person resumes a connector', async () => {
  const copy = await testDatabase({ copyOf: db });
  server.requests.reset();
  await world.startWorker({ DATABASE_URL: copy.workerUrl, IMPORT_DATABASE_URL: copy.importUrl });
  await copy.query("select s3_connector_queue.add_job('poll_due', job_key => 'poll_due')");
  await copy.waitFor(
    "select from s3_connector_queue.jobs where key = 'poll_due' and run_at <= now()",
    (rows) => rows.length === 0,
  );
  assert.deepEqual(await copy.query(STATES), [
    { name: 'imported', state: 'paused', noticed: true },
    { name: 'stopped', state: 'paused', noticed: false },
    { name: 'waiting', state: 'paused', noticed: true },
  ]);
  assert.deepEqual(
    await copy.query("select key, status from s3_connector.files where status <> 'success' order by key"),
    [1, 2, 3].map((n) => ({ key: `waiting/${n}.csv`, status: 'paused' })),
  );
  assert.deepEqual(await waitingJobs(copy), []);
  assert.equal(server.requests.count(), 0, 'the bucket was not asked for anything');

  await copy.query("select s3_connector.resume('waiting')");
  await copy.waitFor(
    "select success from s3_connector.connector_status where name = 'waiting'",
    ([row]) => row?.success === 3,
  );
  assert.deepEqual(await numbers(copy, 'waiting'), [1, 2, 3]);
  assert.deepEqual(await copy.query(STATES), [
    { name: 'imported', state: 'paused', noticed: true },
    { name: 'stopped', state: 'paused', noticed: false },
    { name: 'waiting', state: 'running', noticed: false },
  ]);
  assert.deepEqual(await copy.query('select * from s3_connector_private.wrong_totals()'), []);
  assert.deepEqual(await numbers(db, 'waiting'), [], 'the original is left alone');
});

test('a connector that is inserted into a copy runs; the copied ones do not', async () => {
  const copy = await testDatabase({ copyOf: db });
  await copy.query(
    "insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table) values ('new', 'some-bucket', '**', 'csv', 't')",
  );
  assert.deepEqual(await copy.query(STATES), [
    { name: 'imported', state: 'paused', noticed: true },
    { name: 'new', state: 'running', noticed: false },
    { name: 'stopped', state: 'paused', noticed: false },
    { name: 'waiting', state: 'paused', noticed: true },
  ]);
  assert.deepEqual(await waitingJobs(copy), [{ key: 'poll:new' }]);
});

test('a connector that is resumed in a copy before a worker has started there runs', async () => {
  const copy = await testDatabase({ copyOf: db });
  await copy.query("select s3_connector.resume('waiting')");
  assert.deepEqual(await copy.query(STATES), [
    { name: 'imported', state: 'paused', noticed: true },
    { name: 'stopped', state: 'paused', noticed: false },
    { name: 'waiting', state: 'running', noticed: false },
  ]);
});

test('a job or a poll that a worker has already taken does nothing in a copy', async () => {
  const copy = await testDatabase({ copyOf: db });
  const file = await copy.one<{ id: number }>(
    "select id from s3_connector.files where key = 'waiting/2.csv'",
  );
  assert.deepEqual(
    await copy.query('select * from s3_connector_private.start_attempt($1, 1)', [file.id]),
    [],
  );
  assert.deepEqual(
    await copy.query('select status, attempts from s3_connector.files where id = $1', [file.id]),
    [{ status: 'paused', attempts: 0 }],
  );

  const another = await testDatabase({ copyOf: db });
  const objects = [{ key: 'imported/4.csv', etag: '"x"', size_bytes: 1, last_modified: '2026-01-01' }];
  assert.deepEqual(
    await another.query(
      `select s3_connector_private.commit_poll('imported', p.marker, p.scan_position, $1, null, false, now(), now(), 1, 1, 1) as enqueued
        from s3_connector_private.progress p where p.connector_name = 'imported'`,
      [JSON.stringify(objects)],
    ),
    [{ enqueued: null }],
  );
  assert.deepEqual(await another.query("select from s3_connector.files where key = 'imported/4.csv'"), []);

  const third = await testDatabase({ copyOf: db });
  await third.query(
    `insert into s3_connector_private.upcoming_keys values ('imported', 'imported/4.csv', '"x"', 1, now())`,
  );
  await third.query(
    "update s3_connector_private.progress set backlog = true where connector_name = 'imported'",
  );
  await third.query("select s3_connector_private.enqueue_more('imported')");
  assert.deepEqual(await third.query("select from s3_connector.files where key = 'imported/4.csv'"), []);
});

test('totals that a restore has doubled are counted again', async () => {
  const copy = await testDatabase({ copyOf: db });
  await copy.query('select s3_connector_private.fold_totals()');
  await copy.query('update s3_connector_private.totals set files = files * 2, rows = rows * 2');
  await copy.query('select s3_connector_private.pause_if_copied()');
  assert.deepEqual(await copy.query('select * from s3_connector_private.wrong_totals()'), []);
});

test('the original continues as before', async () => {
  await world.startWorker();
  await db.query("select s3_connector_queue.add_job('poll_due', job_key => 'poll_due')");
  await world.settled('waiting');
  assert.deepEqual(await db.query(STATES), [
    { name: 'imported', state: 'running', noticed: false },
    { name: 'stopped', state: 'paused', noticed: false },
    { name: 'waiting', state: 'running', noticed: false },
  ]);
  assert.deepEqual(await numbers(db, 'waiting'), [1, 2, 3]);
});
