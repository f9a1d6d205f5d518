import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { WorkerProcess } from '../support/worker.ts';
import { EACH_MINUTE, openWorld } from '../support/world.ts';
import { assertAtRest, assertExactlyOnce } from './exactly_once.ts';
import { openProxy } from './proxy.ts';

const world = await openWorld();
const { db } = world;
const proxy = await openProxy(db.workerUrl);
const FILES = 4;
let worker: WorkerProcess;

before(async () => {
  worker = await world.startWorker({
    DATABASE_URL: proxy.url,
    IMPORT_DATABASE_URL: proxy.through(db.importUrl),
  });
});

/** The lost message, and the attempts that one of the files needs then. */
const CASES = [
  { name: 'commit_answer', text: 'record_success', arrives: true, attempts: 1 },
  { name: 'commit', text: 'record_success', arrives: false, attempts: 2 },
];

for (const { name, text, arrives, attempts } of CASES) {
  test(`if ${name} is lost, the worker looks up the result, and everything is imported once`, async () => {
    await db.query(`create table ${name} (file integer, n integer, file_id bigint)`);
    for (let file = 0; file < FILES; file++)
      world.put(`${name}/${file}.csv`, `file,n\n${file},1\n${file},2\n`);
    const lost = arrives ? proxy.loseAnswerTo(text) : proxy.lose(text);
    await world.insertConnector({
      name,
      pattern: `${name}/*`,
      target_table: name,
      file_id_column: 'file_id',
      schedule: EACH_MINUTE,
    });
    await lost;
    if (!arrives) {
      const [file] = await db.waitFor<{ error_code: string }>(
        "select error_code from s3_connector.files where connector_name = $1 and status = 'pending_retry'",
        (files) => files.length > 0,
        { values: [name] },
      );
      assert.equal(file!.error_code, 'connection_lost');
      await db.query(
        'select s3_connector_queue.reschedule_jobs(array(select id from s3_connector_queue.jobs where run_at > now()), now())',
      );
    }
    const files = await world.settled(name);
    assert.deepEqual(files.map((file) => file.attempts).sort(), [...Array(FILES - 1).fill(1), attempts]);
    await assertExactlyOnce(db, { connector: name, table: name, rowsOf: () => 2 });
    await assertAtRest(db);
  });
}

for (const [name, text] of [
  ['begin', 'begin_import'],
  ['poll', 'commit_poll'],
] as const) {
  for (const arrives of [true, false]) {
    test(`if ${name} is lost, ${arrives ? 'its answer only' : 'with its request'}, the worker repeats it, and everything is imported once`, async () => {
      const table = `${name}_${arrives ? 'answer' : 'whole'}`;
      await db.query(`create table ${table} (file integer, n integer, file_id bigint)`);
      for (let file = 0; file < FILES; file++)
        world.put(`${table}/${file}.csv`, `file,n\n${file},1\n${file},2\n`);
      const lost = arrives ? proxy.loseAnswerTo(text) : proxy.lose(text);
      await world.insertConnector({
        name: table,
        pattern: `${table}/*`,
        target_table: table,
        file_id_column: 'file_id',
        schedule: EACH_MINUTE,
      });
      await lost;
      if (name === 'poll' && !arrives) await nextPollIsDue(table);
      await world.settled(table);
      await assertExactlyOnce(db, { connector: table, table, rowsOf: () => 2 });
      await assertAtRest(db);
    });
  }
}

/** A poll that could not be committed has failed; the next one follows the schedule, or runs now. */
async function nextPollIsDue(connector: string): Promise<void> {
  await db.waitFor(
    `select from s3_connector.connector_status
      where name = $1 and not caught_up and last_error is not null and next_poll_at is not null`,
    (found) => found.length === 1,
    { values: [connector] },
  );
  await db.query('select s3_connector.poll_now($1)', [connector]);
}

test('the worker has survived all lost messages', async () => {
  assert.deepEqual(await db.query('select alive from s3_connector.workers'), [{ alive: true }]);
  assert.equal((await worker.end('SIGTERM')).code, 0);
  await world.spoolEmptied();
});
