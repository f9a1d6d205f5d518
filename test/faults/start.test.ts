import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { SessionPool } from '../../src/db/connections.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { type FileRow, openWorld } from '../support/world.ts';
import { openProxy } from './proxy.ts';

const world = await openWorld();
const { db } = world;

/** What is imported before any start fails. */
let kept: FileRow[];
before(async () => {
  await db.query('create table kept (a integer)');
  world.put('kept/1.csv', 'a\n1\n');
  const worker = await world.startWorker();
  await world.insertConnector({ name: 'kept', pattern: 'kept/*', target_table: 'kept' });
  kept = await world.settled('kept');
  // The next start finds what a killed worker leaves.
  await worker.end('SIGKILL');
});

/** Asserts that a worker is ready, however often it had to start again. */
async function assertStarts(worker: WorkerProcess): Promise<void> {
  await worker.logged('ready');
  const { code } = await worker.end('SIGTERM');
  assert.equal(code, 0, worker.output);
  // graphile-worker prints the trace of a lost connection, and pg warns of its UNLISTEN beside LISTEN. Both do no harm.
  assert.doesNotMatch(worker.stderr(), /MaxListeners|unhandled|uncaught/i);
}

/** Waits for the losses, some of which come after the worker is ready; fails if the worker has ended. */
async function happened(losses: Promise<void>[], worker: WorkerProcess): Promise<void> {
  await Promise.race([Promise.all(losses), worker.ended()]);
}

/** The statements of a start, in groups that are lost one after the other. */
const STAGES = [
  ['pg_backend_pid', 'listen "s3_connector_cancel"'],
  ['select digest', 's3_connector_queue'],
  ['register_worker', 'listen "s3_connector_version"'],
  ['pause_if_copied', 'LISTEN "jobs:insert"'],
];
/** The same, for a worker that has migrations to apply. */
const MIGRATING = [
  'share row exclusive mode',
  'in access exclusive mode',
  'create or replace function',
  'record_version',
];

test('a worker that loses its connection at a stage of its start starts again', async () => {
  await Promise.all(
    STAGES.map(async (stages) => {
      const proxy = await openProxy(db.workerUrl);
      const lost = stages.map((text) => proxy.lose(text));
      const worker = world.spawnWorker({
        DATABASE_URL: proxy.url,
        IMPORT_DATABASE_URL: proxy.through(db.importUrl),
      });
      await happened(lost, worker);
      await assertStarts(worker);
    }),
  );
});

/** Sessions that are ended as soon as they exist. */
const KILLS = 30;

test('a worker that loses its connection while it migrates starts again', async () => {
  for (const text of MIGRATING) {
    await db.asSuperuser("update s3_connector_private.versions set digest = 'another'");
    const proxy = await openProxy(db.workerUrl);
    const lost = proxy.lose(text);
    const worker = world.spawnWorker({
      DATABASE_URL: proxy.url,
      IMPORT_DATABASE_URL: proxy.through(db.importUrl),
    });
    await happened([lost], worker);
    await assertStarts(worker);
  }
});

test('workers whose sessions are ended at random during their start start again', async () => {
  const workers = Array.from({ length: 4 }, () => world.spawnWorker());
  let over = false;
  const ends = workers.map(async (worker) => {
    await worker.ended();
    over = true;
  });
  for (let kills = 0; kills < KILLS && !over; await delay(5)) {
    const { killed } = await db.one<{ killed: number }>(
      `select count(pg_terminate_backend(pid)) as killed from pg_stat_activity
        where datname = current_database() and application_name like 's3_connector%' and random() < 0.3`,
    );
    kills += killed;
  }
  await Promise.all([...workers.map(assertStarts), ...ends]);
});

test('a start that fails at any stage forgets no file and imports none again', async () => {
  // After all the failed starts above.
  await world.startWorker();
  assert.deepEqual(await world.pollAndSettle('kept'), kept);
  assert.deepEqual(await db.query('select a from kept'), [{ a: 1 }]);
});

test('a session that graphile-worker releases twice is returned to its pool once', async () => {
  const pool = new SessionPool(db.workerUrl, 'queue', { max: 1 });
  await new Promise<void>((resolve, reject) => {
    pool.connect((error, _client, release) => {
      if (error) return reject(error);
      release();
      release();
      resolve();
    });
  });
  assert.deepEqual([pool.totalCount, pool.idleCount], [1, 1]);
  await pool.end();
});

test('a lasting error ends the start at once, with what to do', async () => {
  const url = new URL(db.workerUrl);
  url.password = 'wrong';
  await assert.rejects(
    world.startWorker({ DATABASE_URL: url.href }),
    /password authentication failed.*no_connection\)\nCheck user and password in DATABASE_URL/,
  );
});
