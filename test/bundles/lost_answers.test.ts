import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { assertAtRest, assertExactlyOnce } from '../faults/exactly_once.ts';
import { openProxy } from '../faults/proxy.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { EACH_MINUTE, openWorld } from '../support/world.ts';
import { insertFiles, ROWS } from './files.ts';

const world = await openWorld();
const { db } = world;
const proxy = await openProxy(db.workerUrl);
let worker: WorkerProcess;

before(async () => {
  worker = await world.startWorker({
    WORKER_CONCURRENCY: '1',
    DATABASE_URL: proxy.url,
    IMPORT_DATABASE_URL: proxy.through(db.importUrl),
  });
});

for (const [name, text, arrives] of [
  ['begin', 'begin_import', true],
  ['record', 'record_successes', true],
  ['unrecorded', 'record_successes', false],
] as const) {
  test(`if ${arrives ? 'the answer to ' : ''}${text} is lost, every file of the bundle is imported once`, async () => {
    const lost = arrives ? proxy.loseAnswerTo(text) : proxy.lose(text);
    await insertFiles(world, name, { schedule: EACH_MINUTE });
    await lost;
    await world.settled(name);
    await assertExactlyOnce(db, { connector: name, table: name, rowsOf: () => ROWS });
    await assertAtRest(db);
  });
}

test('the worker has survived all lost messages', async () => {
  assert.deepEqual(await db.query('select alive from s3_connector.workers'), [{ alive: true }]);
  assert.equal((await worker.end('SIGTERM')).code, 0);
  assert.deepEqual(await world.spooled(), []);
});
