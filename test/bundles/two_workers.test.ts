import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAtRest, assertExactlyOnce } from '../faults/exactly_once.ts';
import { openWorld } from '../support/world.ts';
import { insertFiles, ROWS, transactions } from './files.ts';

const world = await openWorld();
const { db } = world;
const FILES = 200;

test('two workers share the backlog of one connector in bundles, and every file is imported once', async () => {
  const workers = await Promise.all([1, 2].map(() => world.startWorker({ WORKER_CONCURRENCY: '2' })));
  await insertFiles(world, 'shared', { files: FILES, max_tracked_files: FILES });
  const files = await world.settled('shared');
  assert.equal(files.length, FILES);
  assert.deepEqual(
    files.filter(({ attempts }) => attempts !== 1),
    [],
  );
  await assertExactlyOnce(db, { connector: 'shared', table: 'shared', rowsOf: () => ROWS });
  assert.ok((await transactions(world, 'shared')) < FILES / 2);
  await assertAtRest(db);
  for (const worker of workers) assert.equal((await worker.end('SIGTERM')).code, 0);
});

test('two workers hold bundles of one connector at the same time, and one of them may stop then', async () => {
  const [staying, leaving] = await Promise.all(
    [1, 2].map(() => world.startWorker({ WORKER_CONCURRENCY: '1' })),
  );
  const blocker = await db.connect();
  await insertFiles(world, 'handed_over', { state: 'paused' });
  await blocker.query('begin; lock table handed_over in access exclusive mode');
  await db.query("select s3_connector.resume('handed_over')");
  await db.waitFor(
    "select distinct worker_id from s3_connector.files where connector_name = 'handed_over' and status = 'running'",
    (workers) => workers.length === 2,
  );
  const ended = leaving!.end('SIGTERM');
  await leaving!.logged('stopping');
  await blocker.query('rollback');
  await blocker.end();
  assert.equal((await ended).code, 0);
  await world.settled('handed_over');
  await assertExactlyOnce(db, { connector: 'handed_over', table: 'handed_over', rowsOf: () => ROWS });
  await assertAtRest(db);
  assert.equal((await staying!.end('SIGTERM')).code, 0);
});
