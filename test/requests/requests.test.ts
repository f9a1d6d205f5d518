import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld } from '../support/world.ts';
import { call } from './support.ts';

const world = await openWorld();
const { db, server } = world;
world.put('asked/1.csv', 'n\n1\n');
await world.insertConnector({ name: 'asked', pattern: 'asked/*', target_table: 'asked' });

test('with no worker alive, asking fails at once and says how to start one', async () => {
  await assert.rejects(call(db, "call s3_connector.check('asked')"), {
    code: '55000',
    message: /no worker is alive/,
    hint: /pg-s3-connector start/,
  });
  assert.deepEqual(await db.query('select from s3_connector_private.requests'), []);
});

test('a request that waits for a dead worker ends, and another worker answers the next', async () => {
  const doomed = await world.startWorker();
  await world.settled('asked');
  const stalled = server.faults.order({ operation: 'ListObjectsV2', delay: 600_000 });
  const asked = call(db, "call s3_connector.preview('asked')");
  const outcome = assert.rejects(asked, {
    code: '55000',
    message: /stopped before it answered/,
    hint: /Call it again/,
  });
  await db.waitFor(
    'select from s3_connector_private.requests where worker_id is not null',
    (rows) => rows.length > 0,
  );
  const heir = await world.startWorker();
  await doomed.end('SIGKILL');
  stalled.cancel();
  await outcome;

  await call(db, "call s3_connector.preview('asked')");
  assert.deepEqual(
    await db.query("select key from s3_connector.preview_files where connector_name = 'asked'"),
    [{ key: 'asked/1.csv' }],
  );
  // The crontab task that runs every minute frees the dead worker's job, which must not be answered a second time.
  await db.query("select s3_connector_queue.add_job('poll_due')");
  await db.waitFor(
    "select from s3_connector_queue.jobs where task_identifier = 'preview'",
    (rows) => rows.length === 0,
  );
  await heir.end('SIGTERM');
});

test('a worker that is stopped answers every waiting request with an error that says so', async () => {
  const worker = await world.startWorker({ SHUTDOWN_GRACE_SECONDS: '1' });
  const stalled = server.faults.order({ operation: 'GetObject', stall: { after: 1 } });
  const outcome = assert.rejects(call(db, "call s3_connector.dry_run_file('asked', 'asked/1.csv')"), {
    code: '55000',
  });
  await stalled.hit();
  await worker.end('SIGTERM');
  stalled.cancel();
  await outcome;
});

test('requests are answered while every import slot is taken', async () => {
  const worker = await world.startWorker({ WORKER_CONCURRENCY: '1' });
  world.put('busy/1.csv', 'n\n1\n');
  const stalled = server.faults.order({ operation: 'GetObject', key: 'busy/1.csv', stall: { after: 1 } });
  await world.insertConnector({ name: 'busy', pattern: 'busy/*', target_table: 'busy' });
  await stalled.hit();
  await call(db, "call s3_connector.check('asked')");
  assert.deepEqual(await db.query("select status from s3_connector.files where connector_name = 'busy'"), [
    { status: 'running' },
  ]);
  stalled.release();
  await world.settled('busy');
  await worker.end('SIGTERM');
});

test('a call inside a transaction block fails and says to call it on its own', async () => {
  const worker = await world.startWorker();
  const client = await db.connect();
  await client.query('begin');
  await assert.rejects(client.query("call s3_connector.check('asked')"), {
    code: '25001',
    message: /inside a transaction/,
    hint: /outside begin and commit/,
  });
  await client.query('rollback');
  await client.query("call s3_connector.check('asked')");
  await client.query("do $$ begin call s3_connector.check('asked'); end $$");
  await worker.end('SIGTERM');
});

test('an error about an unknown connector suggests similar names; a paused connector can be asked', async () => {
  const worker = await world.startWorker();
  await assert.rejects(call(db, "call s3_connector.check('askd')"), { code: '42704', hint: /'asked'/ });
  await db.query("select s3_connector.pause('asked')");
  await call(db, "call s3_connector.check('asked')");
  assert.ok((await db.query("select from s3_connector.checks where connector_name = 'asked'")).length > 0);
  await worker.end('SIGTERM');
});

test("the worker's error has its SQLSTATE and hint, and a waiting call holds no snapshot", async () => {
  const worker = await world.startWorker();
  await world.insertConnector({
    name: 'no-bucket',
    bucket: 'nowhere',
    pattern: '*',
    target_table: 'x',
    schedule: '0 0 1 1 *',
  });
  const slow = server.faults.order({
    operation: 'ListObjectsV2',
    bucket: 'nowhere',
    delay: 600_000,
    times: 2,
  });
  const outcome = assert.rejects(call(db, "call s3_connector.preview('no-bucket')"), {
    code: '38000',
    message: /there is no bucket nowhere/,
    detail: 'error_code bucket_missing',
    hint: /region and endpoint/,
  });
  // The waiting session begins one transaction after the other.
  const begun = new Set<string>();
  await db.waitFor<{ begun: string }>(
    `select xact_start::text as begun from pg_stat_activity
      where datname = current_database() and query like 'call s3_connector.preview%' and xact_start is not null`,
    (rows) => {
      for (const row of rows) begun.add(row.begun);
      return begun.size > 2;
    },
  );
  slow.cancel();
  await outcome;
  await worker.end('SIGTERM');
});

test('requests older than a day are pruned', async () => {
  const worker = await world.startWorker();
  await db.query("update s3_connector_private.requests set asked_at = now() - interval '2 days'");
  await call(db, "call s3_connector.check('asked')");
  assert.equal((await db.query('select from s3_connector_private.requests')).length, 1);
  await worker.end('SIGTERM');
});
