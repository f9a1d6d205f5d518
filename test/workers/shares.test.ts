import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { afterEach, test } from 'node:test';
import { POLL_PLACES, sharesOf } from '../../src/worker/shares.ts';
import type { Login } from '../support/roles.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
// Without bundles, each place has one running file.
const PLACES = { WORKER_CONCURRENCY: '2', IMPORT_BUNDLE_FILES: '1' };

afterEach(() => server.faults.clear());

/** The task that the crontab runs every minute. */
const housekeep = () => db.query("select s3_connector_queue.add_job('poll_due', job_key => 'poll_due')");

const running = (workerId: unknown, count: number) =>
  db.waitFor(
    "select from s3_connector.files where status = 'running' and worker_id = $1",
    (rows) => rows.length === count,
    { values: [workerId] },
  );

/** Tables that this locks, so that every file of theirs that starts keeps a place until the release. */
async function lockTable(table: string): Promise<{ release(): Promise<unknown> }> {
  await db.query(`create table ${table} (n integer)`);
  const session = await db.connect();
  await session.query(`begin; lock table ${table} in access exclusive mode`);
  return { release: () => session.query('rollback') };
}

test('every task belongs to exactly one share', async () => {
  const files = await readdir(new URL('../../tasks', import.meta.url));
  const tasks = sharesOf(4).flatMap((share) => share.tasks);
  assert.deepEqual(tasks.toSorted(), files.map((file) => file.replace(/\.ts$/, '')).toSorted());
});

test('slow files in every place delay no poll, request, housekeeping, rescue or metrics', async () => {
  const lock = await lockTable('slow');
  for (let file = 1; file <= 9; file++) world.put(`slow/${file}.csv`, 'n\n1\n');
  world.put('quick/1.csv', 'n\n1\n');
  const killed = await world.startWorker(PLACES);
  await world.insertConnector({
    name: 'slow',
    pattern: 'slow/*',
    target_table: 'slow',
    schedule: NEVER_AGAIN,
  });
  const { worker: killedId } = await killed.logged('ready');
  await running(killedId, 2);
  const living = await world.startWorker({ ...PLACES, METRICS_PORT: '0' });
  const { worker: livingId } = await living.logged('ready');
  await running(livingId, 2);
  await killed.end('SIGKILL');

  // A new connector is polled, and again when its schedule is due.
  await world.insertConnector({ name: 'quick', pattern: 'quick/*', target_table: 'quick' });
  const polled = (times: number) =>
    db.waitFor(
      "select from s3_connector.polls where connector_name = 'quick'",
      (rows) => rows.length >= times,
    );
  await polled(1);
  for (const round of [2, 3]) {
    await db.query(
      "update s3_connector_private.progress set next_poll_at = now() where connector_name = 'quick'",
    );
    await housekeep();
    await polled(round);
    await db.waitFor(
      "select from s3_connector_private.total_changes where connector_name = 'quick'",
      (rows) => rows.length === 0,
    );
  }
  assert.deepEqual(
    await db.query("select status, attempts from s3_connector.files where connector_name = 'quick'"),
    [{ status: 'in_queue', attempts: 0 }],
  );

  // History is pruned.
  await db.query(
    "insert into s3_connector_private.workers (host, pid, version, concurrency, stopped_at) values ('pruned', 1, '1', 1, now() - interval '8 days')",
  );
  await housekeep();
  await db.waitFor(
    "select from s3_connector_private.workers where host = 'pruned'",
    (rows) => rows.length === 0,
  );

  // Requests are answered, and polls that a person requests are run.
  await db.query("call s3_connector.check('quick')");
  await db.query("call s3_connector.preview('quick')");
  await db.query("call s3_connector.audit('quick')");
  const dryRun = await db.one<{ rows_imported: number }>(
    "call s3_connector.dry_run_file('quick', 'quick/1.csv')",
  );
  assert.equal(dryRun.rows_imported, 1);
  await db.query("select s3_connector.poll_now('quick')");
  await polled(4);

  // The worker serves its metrics, and is healthy.
  const { port } = await living.logged('serving metrics');
  for (const path of ['metrics', 'healthz'])
    assert.equal((await fetch(`http://127.0.0.1:${port}/${path}`)).status, 200);

  // The dead worker's file is free, although the living one has no place for it.
  await running(killedId, 0);
  await running(livingId, 2);
  assert.deepEqual(
    await db.query(
      "select distinct status, error_code from s3_connector.files where error_code = 'worker_died'",
    ),
    [{ status: 'in_queue', error_code: 'worker_died' }],
  );

  await lock.release();
  for (const name of ['slow', 'quick']) {
    const files = await world.settled(name);
    assert.ok(files.every((file) => file.status === 'success'));
  }
  await living.end('SIGTERM');
});

test('a worker that starts frees at once the files of a dead one', async () => {
  const lock = await lockTable('inherited');
  world.put('inherited/1.csv', 'n\n1\n');
  const killed = await world.startWorker(PLACES);
  await world.insertConnector({ name: 'inherited', pattern: 'inherited/*', target_table: 'inherited' });
  const { worker: killedId } = await killed.logged('ready');
  await running(killedId, 1);
  await killed.end('SIGKILL');
  const successor = await world.startWorker(PLACES);
  await successor.logged('ready');
  const events = successor.lines.map((line) => line.event);
  const rescued = events.indexOf('files of dead workers queued again');
  assert.ok(rescued >= 0 && rescued < events.indexOf('ready'), `${events}`);
  await lock.release();
  assert.equal((await world.settled('inherited'))[0]!.status, 'success');
  await successor.end('SIGTERM');
});

test('a thousand polls of a bucket that hangs delay no import', async () => {
  const lock = await lockTable('waiting');
  const worker = await world.startWorker(PLACES);
  const { worker: id } = await worker.logged('ready');
  world.put('waiting/1.csv', 'n\n1\n');
  await world.insertConnector({
    name: 'waiting',
    pattern: 'waiting/*',
    target_table: 'waiting',
    schedule: NEVER_AGAIN,
  });
  await running(id, 1);
  await db.query("select s3_connector.cancel_file('waiting', 'waiting/1.csv')");
  await lock.release();
  await worker.logged('import stopped');

  const hanging = server.faults.order({ operation: 'ListObjectsV2', stall: { after: 1 }, times: 1000 });
  await db.query(
    `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, endpoint, schedule)
      select 'hanging ' || n, $1, 'hanging/' || n || '/*', 'csv', 'hanging', $2, $3 from generate_series(1, 1000) n`,
    [world.bucket, server.endpoint, NEVER_AGAIN],
  );
  await hanging.hit(2);
  await db.query("select s3_connector.retry_file('waiting', 'waiting/1.csv')");
  assert.equal((await world.settled('waiting'))[0]!.status, 'success');
  const { waiting } = await db.one<{ waiting: number }>(
    "select count(*) as waiting from s3_connector_queue.jobs where task_identifier = 'poll' and locked_at is null",
  );
  assert.ok(waiting > 900, `${waiting} polls still wait`);
  server.faults.clear();
  await db.query(
    'select s3_connector.pause(name) from s3_connector.connectors; delete from s3_connector.connectors',
  );
  await worker.end('SIGTERM');
});

/** Inserts connectors of a role, for a bucket of that name. */
async function insertMany(owner: Login, bucket: string, count: number): Promise<void> {
  server.store.createBucket(bucket);
  const session = await db.connect(owner);
  await session.query(
    `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, endpoint, schedule)
      select $1 || ' ' || n, $1, '*', 'csv', 'hanging', $2, $3 from generate_series(1, $4::integer) n`,
    [bucket, server.endpoint, NEVER_AGAIN, count],
  );
}

async function admin(): Promise<Login> {
  const role = await db.createRole();
  await db.asSuperuser(`grant s3_connector_admin to ${role.name}`);
  return role;
}

test('owners whose buckets hang leave places for the polls of others', async () => {
  const worker = await world.startWorker(PLACES);
  const hang = (bucket: string) =>
    server.faults.order({ operation: 'ListObjectsV2', bucket, stall: { after: 1 }, times: 1000 });
  const polled = (name: string, times: number) =>
    db.waitFor(
      'select from s3_connector.polls where connector_name = $1 and error is null',
      (rows) => rows.length >= times,
      { values: [name] },
    );
  // Half of the places for the first owner, half of the rest for the next one.
  const first = hang('hangs-first');
  await insertMany(await admin(), 'hangs-first', 20);
  await first.hit(POLL_PLACES / 2);
  const second = hang('hangs-second');
  await insertMany(await admin(), 'hangs-second', 20);
  await second.hit(2);

  const owner = await admin();
  await insertMany(owner, 'answers', 1);
  await polled('answers 1', 1);
  await db.query(
    "update s3_connector_private.progress set next_poll_at = now() where connector_name = 'answers 1'",
  );
  await housekeep();
  await polled('answers 1', 2);
  assert.deepEqual([first.hits, second.hits], [POLL_PLACES / 2, 2]);

  // With every place taken, imports, requests and the housekeeping go on.
  await db.query('create table imported (n integer, file_id bigint)');
  world.put('imported/1.csv', 'n\n1\n');
  await world.insertConnector({
    name: 'imported',
    pattern: 'imported/*',
    target_table: 'imported',
    file_id_column: 'file_id',
    schedule: NEVER_AGAIN,
  });
  await world.settled('imported');
  const third = hang('hangs-third');
  await insertMany(await admin(), 'hangs-third', 1);
  await third.hit();
  await db.query("select s3_connector.reimport_file('imported', 'imported/1.csv')");
  assert.equal((await world.settled('imported'))[0]!.status, 'success');
  await db.query("call s3_connector.check('imported')");
  await housekeep();
  await db.waitFor(
    "select from s3_connector_private.total_changes where connector_name = 'imported'",
    (rows) => rows.length === 0,
  );
  server.faults.clear();
  await db.query(
    'select s3_connector.pause(name) from s3_connector.connectors; delete from s3_connector.connectors',
  );
  await worker.end('SIGTERM');
});

test('a share takes jobs of its own priorities only', async () => {
  const worker = await world.startWorker(PLACES);
  for (const priorities of ['-20 and -20', '-10 and -10', '-1 and 0']) {
    await db.waitFor(
      'select from pg_stat_activity where datname = current_database() and query ~ $1',
      (rows) => rows.length > 0,
      { values: [`is_available = true and jobs.priority between ${priorities}`] },
    );
  }
  await worker.end('SIGTERM');
});

test('a housekeeping step that fails is logged, and stops none of the others', async () => {
  const worker = await world.startWorker(PLACES);
  const session = await db.connect(db.worker);
  await session.query('alter function s3_connector_private.fold_totals() rename to fold_totals_gone');
  await db.query(
    "insert into s3_connector_private.workers (host, pid, version, concurrency, stopped_at) values ('old', 1, '1', 1, now() - interval '8 days')",
  );
  await housekeep();
  await db.waitFor(
    "select from s3_connector_private.workers where host = 'old'",
    (rows) => rows.length === 0,
  );
  const { step, error } = await worker.logged('housekeeping failed');
  assert.deepEqual([step, /fold_totals\(\) does not exist/.test(String(error))], ['totals', true]);
  await session.query('alter function s3_connector_private.fold_totals_gone() rename to fold_totals');
  await worker.end('SIGTERM');
});
