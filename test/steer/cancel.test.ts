import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { parquetOf } from '../support/parquet.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
const CONCURRENCY = 4;
let worker: WorkerProcess;
before(async () => {
  worker = await world.startWorker({ WORKER_CONCURRENCY: String(CONCURRENCY) });
});

const csv = (rows: number) => `n,pad\n${Array.from({ length: rows }, (_, n) => `${n},x`).join('\n')}\n`;

/** A backend in the middle of an import. */
interface Backend {
  file_id: string;
  state: string;
  /** Whether it waits for a lock. */
  waits: boolean;
}

const BACKENDS = `select split_part(application_name, ' ', 3) as file_id, state, wait_event_type = 'Lock' as waits
  from pg_stat_activity
  where datname = current_database() and application_name like 's3_connector import_file %'`;

/** Waits for backends of one connector's imports: one of an earlier test may need a moment to end. */
const importing = (name: string, condition: (backends: Backend[]) => boolean) =>
  db.waitFor<Backend>(
    `select * from (${BACKENDS}) b
      where file_id in (select id::text from s3_connector.files where connector_name = $1)`,
    condition,
    { values: [name] },
  );

/** Waits until no backend imports the file, or any. */
const noBackend = (file?: number) =>
  until('no backend is left', async () => {
    const left = await db.query<Backend>(BACKENDS);
    return !left.some(({ file_id }) => file === undefined || file_id === String(file));
  });

/** Cancels a file and waits until no trace of its import is left. */
async function cancel(name: string, key: string): Promise<void> {
  const { id } = await db.one<{ id: number }>(
    'select id from s3_connector.files where connector_name = $1 and key = $2',
    [name, key],
  );
  await db.query('select s3_connector.cancel_file($1, $2)', [name, key]);
  await noBackend(id);
  await until('no spool file is left', async () =>
    (await world.spooled()).every((file) => !file.startsWith(`${id}.`)),
  );
  await until('the worker has given it up', async () =>
    worker.lines.some((line) => line.event === 'import stopped' && line.key === key),
  );
}

async function assertCancelled(name: string, key: string): Promise<void> {
  const { status, error_code } = await db.one(
    'select status, error_code from s3_connector.files where connector_name = $1 and key = $2',
    [name, key],
  );
  assert.deepEqual([status, error_code], ['cancelled', null]);
  const history = await db.query<{ to_status: string }>(
    'select to_status from s3_connector.file_history where connector_name = $1 and key = $2 order by at',
    [name, key],
  );
  assert.deepEqual(
    history.map((change) => change.to_status),
    ['in_queue', 'running', 'cancelled'],
  );
}

const count = async (table: string) => (await db.one<{ n: number }>(`select count(*) as n from ${table}`)).n;

/** Lets a stopped process continue, unless it has ended meanwhile. */
function proceed(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** A table in which the insert of each row takes a moment. */
const slowTable = (table: string, seconds: number) =>
  db.query(`create table ${table} (n integer, pad text);
    create function slow_${table}() returns trigger language plpgsql as
      $$ begin perform pg_sleep(${seconds}); return new; end $$;
    create trigger slow before insert on ${table} for each row execute function slow_${table}()`);

test('a cancel stops a stalled download', async () => {
  await db.query('create table stalled (n integer, pad text)');
  const fault = server.faults.order({ operation: 'GetObject', key: 'stalled/1.csv', stall: { after: 5 } });
  world.put('stalled/1.csv', csv(10));
  world.put('stalled/2.csv', csv(10));
  await world.insertConnector({
    name: 'stalled',
    pattern: 'stalled/*',
    target_table: 'stalled',
    max_parallel_files: 1,
  });
  await fault.hit();
  await cancel('stalled', 'stalled/1.csv');
  await assertCancelled('stalled', 'stalled/1.csv');
  // Its only slot continues with the next file.
  await db.waitFor(
    "select status from s3_connector.files where key = 'stalled/2.csv'",
    ([file]) => file!.status === 'success',
  );
  assert.equal(await count('stalled'), 10);
  fault.cancel();
  await db.query("select s3_connector.retry_file('stalled', 'stalled/1.csv')");
  assert.deepEqual(
    (await world.settled('stalled')).map((file) => file.status),
    ['success', 'success'],
  );
  assert.equal(await count('stalled'), 20);
});

test('a cancel stops a file of bad rows', async () => {
  await db.query(`create table spoiled (n integer, pad text); create sequence spoiled_copies;
    create function count_spoiled() returns trigger language plpgsql security definer as
      $$ begin perform nextval('spoiled_copies'); return null; end $$;
    create trigger counted before insert on spoiled for each statement execute function count_spoiled()`);
  world.put('spoiled/1.csv', `n,pad\n${'bad,x\n'.repeat(200_000)}`);
  await world.insertConnector({
    name: 'spoiled',
    pattern: 'spoiled/*',
    target_table: 'spoiled',
    on_bad_row: 'skip',
    max_bad_rows: null,
  });
  await db.waitFor<{ copies: number }>(
    'select last_value as copies from spoiled_copies',
    ([row]) => row!.copies > 100,
  );
  await cancel('spoiled', 'spoiled/1.csv');
  await assertCancelled('spoiled', 'spoiled/1.csv');
  assert.deepEqual(
    await db.query("select from s3_connector.rejected_rows where connector_name = 'spoiled'"),
    [],
  );
});

test('a cancel stops a request without an answer', async () => {
  await db.query('create table unanswered (n integer, pad text)');
  world.put('unanswered/1.csv', csv(10));
  const overwritten = server.faults.order({
    operation: 'GetObject',
    key: 'unanswered/1.csv',
    before: () => world.put('unanswered/1.csv', csv(11)),
  });
  const asked = Promise.withResolvers<void>();
  const fault = server.faults.order({
    operation: 'HeadObject',
    key: 'unanswered/1.csv',
    before: () => asked.resolve(),
    delay: 600_000,
  });
  await world.insertConnector({ name: 'unanswered', pattern: 'unanswered/*', target_table: 'unanswered' });
  await overwritten.hit();
  await asked.promise;
  await cancel('unanswered', 'unanswered/1.csv');
  await assertCancelled('unanswered', 'unanswered/1.csv');
  fault.cancel();
});

test('a cancel stops an import that waits for a lock on its table', async () => {
  await db.query('create table locked (n integer, pad text)');
  const locker = await db.connect();
  await locker.query('begin; lock table locked in access exclusive mode');
  // More than the buffers of a connection hold, and less: all of COPY's data has been sent, or not.
  world.put('locked/long.csv', csv(500_000));
  world.put('locked/short.csv', csv(10));
  await world.insertConnector({ name: 'locked', pattern: 'locked/*', target_table: 'locked' });
  await importing('locked', (backends) => backends.filter((backend) => backend.waits).length === 2);
  await cancel('locked', 'locked/long.csv');
  await cancel('locked', 'locked/short.csv');
  await assertCancelled('locked', 'locked/long.csv');
  await assertCancelled('locked', 'locked/short.csv');
  await locker.query('rollback');
  assert.equal(await count('locked'), 0);
});

test('a cancel stops an import that waits for another one to create its table', async () => {
  const locker = await db.connect();
  await locker.query('begin; create table unmade (n integer, pad text)');
  world.put('unmade/1.csv', csv(10));
  await world.insertConnector({ name: 'unmade', pattern: 'unmade/*', target_table: 'unmade' });
  await importing('unmade', ([backend]) => backend?.waits === true);
  await cancel('unmade', 'unmade/1.csv');
  await assertCancelled('unmade', 'unmade/1.csv');
  await locker.query('rollback');
  assert.deepEqual(await db.query("select from pg_class where relname = 'unmade'"), []);
});

for (const [what, columns] of [
  ['a COPY', {}],
  ['a COPY in a savepoint', { on_bad_row: 'skip' }],
] as const) {
  for (const [size, rows] of [
    ['whose data was all sent', 1000],
    ['whose data is still being sent', 1_000_000],
  ] as const) {
    test(`a cancel stops the middle of ${what}, ${size}`, async () => {
      const name = `copying_${rows}_${Object.keys(columns).length}`;
      await slowTable(name, 0.05);
      world.put(`${name}/1.csv`, csv(rows));
      await world.insertConnector({ name, pattern: `${name}/*`, target_table: name, ...columns });
      await db.waitFor<{ rows_copied: number }>(
        'select rows_copied from s3_connector.running_files where connector_name = $1',
        ([row]) => Number(row?.rows_copied) > 5,
        { values: [name] },
      );
      await cancel(name, `${name}/1.csv`);
      await assertCancelled(name, `${name}/1.csv`);
      assert.equal(await count(name), 0);
    });
  }
}

test('a cancel stops reads of Parquet, running and waiting for a reader, more often than there are readers', async () => {
  await db.query('create table parquet (n bigint, pad text)');
  const file = await parquetOf("select range as n, 'x' as pad from range(3000000)");
  const keys = Array.from({ length: CONCURRENCY }, (_, n) => `parquet/${n}.parquet`);
  for (const key of keys) world.put(key, file);
  const locker = await db.connect();
  await locker.query('begin; lock table parquet in access exclusive mode');
  await world.insertConnector({
    name: 'parquet',
    pattern: 'parquet/*',
    target_table: 'parquet',
    file_format: 'parquet',
  });
  // These readers cannot send, because COPY takes no data; if there are fewer readers, the other imports wait for one.
  await importing(
    'parquet',
    (backends) => backends.length === CONCURRENCY && backends.every((backend) => backend.waits),
  );
  for (const key of keys) await cancel('parquet', key);
  for (const key of keys) await assertCancelled('parquet', key);
  await locker.query('rollback');
  assert.equal(await count('parquet'), 0);
  // All readers work, or were replaced.
  for (const key of keys) world.put(key, await parquetOf("select 1::bigint as n, 'y' as pad"));
  for (const key of keys) await db.query("select s3_connector.retry_file('parquet', $1)", [key]);
  assert.deepEqual(
    (await world.settled('parquet')).map((row) => row.status),
    keys.map(() => 'success'),
  );
  assert.equal(await count('parquet'), CONCURRENCY);
});

test('a cancel stops the type inference on a first file', async () => {
  // Seconds of reading in a few KB, because a gzip may have many members.
  const member = gzipSync(Buffer.from('0,x\n'.repeat(1_000_000)));
  const members = Array.from({ length: 200 }, () => member);
  world.put('inferred/1.csv', Buffer.concat([gzipSync(Buffer.from('n,pad\n')), ...members]));
  await world.insertConnector({ name: 'inferred', pattern: 'inferred/*', target_table: 'inferred' });
  await importing('inferred', ([backend]) => backend?.state === 'idle in transaction');
  await cancel('inferred', 'inferred/1.csv');
  await assertCancelled('inferred', 'inferred/1.csv');
  assert.deepEqual(await db.query("select from pg_class where relname = 'inferred'"), []);
});

test('dropping a paused connector rolls back the import that is still running', async () => {
  await slowTable('dropped', 0.01);
  const fault = server.faults.order({ operation: 'GetObject', key: 'dropped/2.csv', stall: { after: 5 } });
  world.put('dropped/1.csv', csv(100_000));
  world.put('dropped/2.csv', csv(10));
  await world.insertConnector({ name: 'dropped', pattern: 'dropped/*', target_table: 'dropped' });
  await fault.hit();
  await db.waitFor(
    "select from s3_connector.running_files where connector_name = 'dropped' and rows_copied > 5",
    (rows) => rows.length === 1,
  );
  await db.query("select s3_connector.pause('dropped'); select s3_connector.drop_connector('dropped')");
  await noBackend();
  await world.spoolEmptied();
  assert.equal(await count('dropped'), 0);
  await db.waitFor('select * from s3_connector_queue.jobs', (rows) => rows.length === 0);
  fault.cancel();
});

test('a file that is cancelled and retried at once is imported by its new attempt alone', async () => {
  await db.query('create table again (n integer, pad text)');
  const fault = server.faults.order({ operation: 'GetObject', key: 'again/1.csv', stall: { after: 5 } });
  world.put('again/1.csv', csv(10));
  await world.insertConnector({ name: 'again', pattern: 'again/*', target_table: 'again' });
  await fault.hit();
  await db.query(`begin;
    select s3_connector.cancel_file('again', 'again/1.csv');
    select s3_connector.retry_file('again', 'again/1.csv');
    commit`);
  const [file] = await world.settled('again');
  assert.deepEqual([file!.status, file!.attempts, file!.rows_imported], ['success', 1, 10]);
  assert.equal(await count('again'), 10);
  await until('the first attempt has stopped', async () => (await world.spooled()).length === 0);
  fault.cancel();
});

test('a worker that missed a cancel sees it when its listening connection is back', async () => {
  await db.query('create table unheard (n integer, pad text)');
  const fault = server.faults.order({ operation: 'GetObject', key: 'unheard/1.csv', stall: { after: 5 } });
  world.put('unheard/1.csv', csv(10));
  await world.insertConnector({ name: 'unheard', pattern: 'unheard/*', target_table: 'unheard' });
  await fault.hit();
  // The effect of cancel_file, without its notification.
  await db.query(
    "update s3_connector.files set status = 'cancelled', attempt_id = null where connector_name = 'unheard'",
  );
  const ended = await db.query(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 's3_connector listen'`);
  assert.equal(ended.length, 1);
  await world.spoolEmptied();
  await assertCancelled('unheard', 'unheard/1.csv');
  fault.cancel();
});

test('a cancel stops a reader that does not answer', async () => {
  await db.query('create table mute (n bigint)');
  world.put('mute/1.parquet', await parquetOf('select 1::bigint as n'));
  // Earlier tests have left readers that wait for work; now they cannot start it.
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=']);
  const processes = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const readers = processes.filter(([, parent]) => parent === worker.pid).map(([pid]) => pid!);
  assert.ok(readers.length > 0);
  for (const pid of readers) process.kill(pid, 'SIGSTOP');
  await world.insertConnector({
    name: 'mute',
    pattern: 'mute/*',
    target_table: 'mute',
    file_format: 'parquet',
  });
  await importing('mute', (backends) => backends.length === 1);
  await cancel('mute', 'mute/1.parquet');
  await assertCancelled('mute', 'mute/1.parquet');
  for (const pid of readers) proceed(pid);
  await db.query("select s3_connector.retry_file('mute', 'mute/1.parquet')");
  const [file] = await world.settled('mute');
  assert.deepEqual([file!.status, file!.attempts], ['success', 1]);
});

test('pausing lets a running import finish', async () => {
  await db.query('create table paused (n integer, pad text)');
  const fault = server.faults.order({ operation: 'GetObject', key: 'paused/1.csv', stall: { after: 5 } });
  world.put('paused/1.csv', csv(10));
  world.put('paused/2.csv', csv(10));
  await world.insertConnector({
    name: 'paused',
    pattern: 'paused/*',
    target_table: 'paused',
    max_parallel_files: 1,
  });
  await fault.hit();
  await db.query("select s3_connector.pause('paused')");
  fault.release();
  await db.waitFor(
    "select status from s3_connector.files where connector_name = 'paused' order by key",
    ([first, second]) => first!.status === 'success' && second!.status === 'paused',
  );
  assert.equal(await count('paused'), 10);
});

test('cancelling twice, or cancelling a finished file, does no harm', async () => {
  const history = () => db.query("select from s3_connector.file_history where connector_name = 'locked'");
  const before = (await history()).length;
  await db.query("select s3_connector.cancel_file('locked', 'locked/short.csv')");
  assert.equal((await history()).length, before);
  await assert.rejects(db.query("select s3_connector.cancel_file('paused', 'paused/1.csv')"), {
    code: '55000',
    hint: /undo_file\('paused', 'paused\/1.csv'\)/,
  });
});

test('the grace time of a stopping worker also ends imports that wait for a lock', async () => {
  await worker.end('SIGTERM');
  await db.query('create table graceless (n integer, pad text)');
  const locker = await db.connect();
  await locker.query('begin; lock table graceless in access exclusive mode');
  world.put('graceless/1.csv', csv(10));
  const ending = await world.startWorker({ SHUTDOWN_GRACE_SECONDS: '1' });
  await world.insertConnector({ name: 'graceless', pattern: 'graceless/*', target_table: 'graceless' });
  await importing('graceless', ([backend]) => backend?.waits === true);
  assert.equal((await ending.end('SIGTERM')).code, 0);
  await noBackend();
  assert.deepEqual(
    await db.query("select status, error_code from s3_connector.files where connector_name = 'graceless'"),
    [{ status: 'pending_retry', error_code: 'worker_stopped' }],
  );
  await locker.query('rollback');
});
