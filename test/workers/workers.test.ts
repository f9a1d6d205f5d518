import assert from 'node:assert/strict';
import { constants, getPriority } from 'node:os';
import { before, test } from 'node:test';
import { canMeasure, children } from '../../bench/measure/processes.ts';
import { withJobsDue } from '../faults/clock.ts';
import { parquetOf } from '../support/parquet.ts';
import { until } from '../support/until.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
const FILES = 300;
const ROWS = 20;

const csv = (file: number) =>
  `file,n\n${Array.from({ length: ROWS }, (_, n) => `${file},${n}`).join('\n')}\n`;

before(() => {
  for (let file = 0; file < FILES; file++) {
    world.put(`many/${String(file).padStart(4, '0')}.csv`, csv(file));
  }
});

/** Every row of every file once, by the rows and by their lineage. */
async function assertExactlyOnce(table: string, connector: string): Promise<void> {
  assert.deepEqual(await db.one(`select count(*), count(distinct (file, n)) as different from ${table}`), {
    count: FILES * ROWS,
    different: FILES * ROWS,
  });
  assert.deepEqual(
    await db.query(
      `select f.key, f.status, f.rows_imported, count(t.*) as rows from s3_connector.files f
        left join ${table} t on t.file_id = f.id where f.connector_name = $1
        group by f.id having f.status <> 'success' or f.rows_imported <> ${ROWS} or count(t.*) <> ${ROWS}`,
      [connector],
    ),
    [],
  );
}

test('two workers on one database import no file twice and miss none', async () => {
  await db.query('create table shared (file integer, n integer, file_id bigint)');
  const workers = await Promise.all([world.startWorker(), world.startWorker()]);
  // No download ends until each worker has one.
  const stalled = server.faults.order({ operation: 'GetObject', stall: { after: 5 }, times: FILES });
  await world.insertConnector({
    name: 'shared',
    pattern: 'many/*',
    target_table: 'shared',
    file_id_column: 'file_id',
  });
  await db.waitFor(
    "select distinct worker_id from s3_connector.files where status = 'running'",
    (rows) => rows.length === 2,
  );
  stalled.cancel();
  const files = await world.settled('shared');
  assert.equal(files.length, FILES);
  await assertExactlyOnce('shared', 'shared');
  const imports = () =>
    workers.map((worker) => worker.lines.filter((line) => line.event === 'imported').length);
  // A worker logs an import after its commit.
  await until('every import is logged', () => imports()[0]! + imports()[1]! === FILES);
  assert.ok(Math.min(...imports()) > 0, `both worked: ${imports()}`);
  assert.deepEqual(await db.query('select alive from s3_connector.workers'), [
    { alive: true },
    { alive: true },
  ]);

  const ends = await Promise.all(workers.map((worker) => worker.end('SIGTERM')));
  assert.deepEqual(
    ends.map((end) => end.code),
    [0, 0],
  );
  assert.deepEqual(
    await db.query('select alive, stopped_at is not null as stopped from s3_connector.workers'),
    [
      { alive: false, stopped: true },
      { alive: false, stopped: true },
    ],
  );
  await world.spoolEmptied();
});

test('a worker killed in the middle leaves no partial import, and another continues at once', async () => {
  await db.query('create table killed (file integer, n integer, file_id bigint)');
  const killed = await world.startWorker();
  await world.insertConnector({
    name: 'killed',
    pattern: 'many/*',
    target_table: 'killed',
    file_id_column: 'file_id',
  });
  await db.waitFor(
    "select success from s3_connector.connector_status where name = 'killed'",
    ([row]) => Number(row?.success) > 20,
  );
  // A download that does not end makes sure that the kill hits a running import.
  const stalled = server.faults.order({ operation: 'GetObject', stall: { after: 5 } });
  await stalled.hit();
  await killed.end('SIGKILL');
  stalled.cancel();
  const successor = await world.startWorker();
  // The task that the crontab runs every minute.
  await db.query("select s3_connector_queue.add_job('poll_due')");
  await world.settled('killed');
  await assertExactlyOnce('killed', 'killed');
  assert.ok(
    (
      await db.one<{ n: number }>(
        "select count(*) as n from s3_connector.file_history where message like 'worker_died%'",
      )
    ).n > 0,
  );
  // A job may be about to end, after its file was recorded.
  await db.waitFor(
    'select from s3_connector_queue.jobs where locked_at is not null',
    (jobs) => jobs.length === 0,
  );
  await successor.end('SIGTERM');
  await world.spoolEmptied();
});

test('SIGTERM lets a running import finish', async () => {
  await db.query('create table finishing (file integer, n integer)');
  const worker = await world.startWorker();
  const slow = server.faults.order({ operation: 'GetObject', key: 'slow/1.csv', stall: { after: 5 } });
  world.put('slow/1.csv', csv(1));
  await world.insertConnector({ name: 'finishing', pattern: 'slow/*', target_table: 'finishing' });
  await slow.hit();
  const ending = worker.end('SIGTERM');
  await worker.logged('stopping');
  slow.release();
  assert.equal((await ending).code, 0);
  assert.deepEqual(
    await db.query("select status from s3_connector.files where connector_name = 'finishing'"),
    [{ status: 'success' }],
  );
});

test('an import that does not finish within the grace time rolls back and waits for the next worker', async () => {
  await db.query('create table too_slow (file integer, n integer)');
  const worker = await world.startWorker({ SHUTDOWN_GRACE_SECONDS: '1' });
  const stalled = server.faults.order({ operation: 'GetObject', key: 'stalled/1.csv', stall: { after: 10 } });
  world.put('stalled/1.csv', csv(1));
  await world.insertConnector({ name: 'too-slow', pattern: 'stalled/*', target_table: 'too_slow' });
  await stalled.hit();
  assert.equal((await worker.end('SIGTERM')).code, 0);
  assert.deepEqual(
    await db.query("select status, error_code from s3_connector.files where connector_name = 'too-slow'"),
    [{ status: 'pending_retry', error_code: 'worker_stopped' }],
  );
  await world.spoolEmptied();
  stalled.cancel();
  const next = await world.startWorker();
  const [file] = await withJobsDue(db, () => world.settled('too-slow'));
  assert.deepEqual([file!.status, file!.rows_imported], ['success', ROWS]);
  await next.end('SIGTERM');
});

test('a worker that has had nothing to do ends on a signal', async () => {
  const worker = await world.startWorker();
  assert.equal((await worker.end('SIGTERM')).code, 0);
});

test('a worker and its processes have a lower priority than PostgreSQL', async () => {
  const worker = await world.startWorker();
  world.put('first/1.parquet', await parquetOf('select 1 as n'));
  await world.insertConnector({
    name: 'first',
    pattern: 'first/*',
    file_format: 'parquet',
    target_table: 'first',
  });
  await world.settled('first');
  const readers = children(worker.pid);
  const expected = constants.priority.PRIORITY_BELOW_NORMAL;
  for (const pid of [worker.pid, ...readers]) assert.equal(getPriority(pid), expected, `process ${pid}`);
  if (canMeasure) assert.ok(readers.length > 0, 'a process that reads Parquet was looked at');
  assert.equal((await worker.end('SIGTERM')).code, 0);
});

test('without DATABASE_URL, a worker names the missing setting and the demo', async () => {
  await assert.rejects(world.startWorker({ DATABASE_URL: '' }), /DATABASE_URL must be set.*npm run demo/s);
});
