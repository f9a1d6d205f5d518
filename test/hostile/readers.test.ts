import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import { withJobsDue } from '../faults/clock.ts';
import { parquetOf } from '../support/parquet.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { openWorld } from '../support/world.ts';
import { childrenOf } from './process.ts';

// A process that reads Parquet may hang or die at any moment: it is replaced, and no other file is affected.

const world = await openWorld();
const { db } = world;
let worker: WorkerProcess;
before(async () => {
  worker = await world.startWorker({ READER_STALL_SECONDS: '6' });
});

const onLinux = { skip: process.platform === 'linux' ? false : 'only Linux tells the children of a process' };

async function stopReaders(): Promise<void> {
  const readers = await childrenOf(worker.pid);
  assert.ok(readers.length > 0);
  for (const pid of readers) process.kill(pid, 'SIGSTOP');
}

test('a reader that hangs before it has read anything is replaced', onLinux, async () => {
  await db.query('create table hangs (i bigint)');
  world.put('hangs/1.parquet', await parquetOf('select i from range(10) r(i)'));
  await world.insertConnector({
    name: 'hangs',
    pattern: 'hangs/*',
    file_format: 'parquet',
    target_table: 'hangs',
  });
  await world.settled('hangs');
  await stopReaders();
  world.put('hangs/2.parquet', await parquetOf('select i from range(20) r(i)'));
  await assertReplaced('hangs', 20);
});

test('a reader that hangs in the middle of a file is replaced', onLinux, async () => {
  await db.query('create table halts (i bigint)');
  // A waiting trigger keeps the import in the middle of the file until its reader is stopped.
  const blocker = await db.connect();
  await blocker.query('select pg_advisory_lock(1)');
  await db.query(`create function wait_once() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock_shared(1);
      return new;
    end $$;
    create trigger wait_once before insert on halts for each row when (new.i = 100000) execute function wait_once()`);
  world.put('halts/2.parquet', await parquetOf('select i from range(1000000) r(i)'));
  await world.insertConnector({
    name: 'halts',
    pattern: 'halts/*',
    file_format: 'parquet',
    target_table: 'halts',
  });
  await db.waitFor(
    "select from pg_locks where locktype = 'advisory' and objid = 1 and not granted",
    (rows) => rows.length === 1,
  );
  await stopReaders();
  await blocker.query('select pg_advisory_unlock(1)');
  await assertReplaced('halts', 1_000_000);
});

test('readers have the highest OOM score, so Linux ends them before the worker', onLinux, async () => {
  for (const pid of await childrenOf(worker.pid))
    assert.equal((await readFile(`/proc/${pid}/oom_score_adj`, 'utf8')).trim(), '1000');
});

async function assertReplaced(name: string, rows: number): Promise<void> {
  const file = (await withJobsDue(db, () => world.pollAndSettle(name))).at(-1)!;
  assert.deepEqual(
    [file.status, file.attempts, file.rows_imported],
    ['success', 2, rows],
    file.error_message ?? '',
  );
  const { message } = await db.one<{ message: string }>(
    "select message from s3_connector.file_history where connector_name = $1 and to_status = 'pending_retry'",
    [name],
  );
  assert.match(message, /^reader_stalled.*made no progress/s);
  await world.spoolEmptied();
}
