import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { withJobsDue } from '../faults/clock.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
const FILES = 24;
const AT_ONCE = 3;
before(() => Promise.all([world.startWorker(), world.startWorker()]));

const key = (file: number) => `limited/${String(file).padStart(2, '0')}.csv`;

/** The largest number of files of the connector that ran at once, by its history. */
async function mostAtOnce(name: string): Promise<number> {
  const { most } = await db.one<{ most: number }>(
    `select max(running) as most from (
      select sum((to_status = 'running')::int - (from_status is not distinct from 'running')::int)
        over (order by at, to_status = 'running') as running
      from s3_connector.file_history where connector_name = $1
    ) h`,
    [name],
  );
  return Number(most);
}

test('max_parallel_files holds while files succeed, fail, are retried and are cancelled', async () => {
  await db.query('create table limited (n integer)');
  for (let file = 0; file < FILES; file++) {
    world.put(key(file), file % 5 === 1 ? 'n\nbroken\n' : `n\n${file}\n`);
    if (file % 4 === 2) {
      // Passing errors: the retries come by themselves, when the slots may be taken.
      server.faults.order({
        operation: 'GetObject',
        key: key(file),
        error: { status: 500, code: 'InternalError' },
        times: 4,
      });
    }
  }
  // The first files hold their slots until all slots are taken, a stuck file until it is cancelled.
  const isStuck = (file: number) => file % 5 === 3;
  const stalls = Array.from({ length: FILES }, (_, file) =>
    server.faults.order({
      operation: 'GetObject',
      key: key(file),
      stall: file < AT_ONCE || isStuck(file) ? { after: 1 } : { after: 1, ms: 100 },
    }),
  );
  await world.insertConnector({
    name: 'limited',
    pattern: 'limited/*',
    target_table: 'limited',
    max_parallel_files: AT_ONCE,
  });
  await db.waitFor(
    "select from s3_connector.running_files where connector_name = 'limited'",
    (rows) => rows.length === AT_ONCE,
  );
  for (const stall of stalls.slice(0, AT_ONCE)) stall.release();
  const stuck = Array.from({ length: FILES }, (_, file) => file).filter(isStuck);
  for (const file of stuck) {
    await db.waitFor('select from s3_connector.running_files where key = $1', (rows) => rows.length === 1, {
      values: [key(file)],
    });
    await db.query("select s3_connector.cancel_file('limited', $1)", [key(file)]);
  }
  const files = await withJobsDue(db, () => world.settled('limited'));
  assert.deepEqual(
    files.map((file) => [file.key, file.status]),
    Array.from({ length: FILES }, (_, file) => [
      key(file),
      isStuck(file) ? 'cancelled' : file % 5 === 1 ? 'failure' : 'success',
    ]),
  );
  assert.ok(
    files.some((file) => file.attempts > 1),
    'some were tried again',
  );
  assert.equal(await mostAtOnce('limited'), AT_ONCE);
});

for (const [name, max_parallel_files] of [
  ['woken', 1],
  ['woken_unlimited', null],
] as const) {
  test(`a connector whose jobs were deleted is started again within a minute: ${name}`, async () => {
    await db.query(`create table ${name} (n integer)`);
    for (const file of [1, 2]) world.put(`${name}/${file}.csv`, `n\n${file}\n`);
    await world.insertConnector({
      name,
      pattern: `${name}/*`,
      target_table: name,
      max_parallel_files,
      state: 'paused',
    });
    await db.query('select s3_connector.resume($1)', [name]);
    await world.settled(name);
    await db.query(`begin;
      select s3_connector.pause('${name}');
      update s3_connector.files set status = 'in_queue' where connector_name = '${name}';
      update s3_connector.connectors set state = 'running' where name = '${name}';
      select s3_connector_queue.remove_job(key) from s3_connector_queue.jobs where key like 'import_file:%';
      truncate ${name};
      commit`);
    // The task that the crontab runs every minute.
    await db.query("select s3_connector_queue.add_job('poll_due')");
    await world.settled(name);
    assert.deepEqual(await db.query(`select n from ${name} order by n`), [{ n: 1 }, { n: 2 }]);
  });
}

test('a second job for a file leaves a live attempt alone', async () => {
  await db.query('create table twice (n integer)');
  world.put('twice/1.csv', 'n\n1\n');
  const fault = server.faults.order({ operation: 'GetObject', key: 'twice/1.csv', stall: { after: 1 } });
  await world.insertConnector({ name: 'twice', pattern: 'twice/*', target_table: 'twice' });
  await fault.hit();
  const { id } = await db.one<{ id: number }>(
    "select id from s3_connector.files where connector_name = 'twice'",
  );
  // More jobs than one worker has places: both workers get some.
  await db.query(
    "select s3_connector_queue.add_job('import_file', json_build_object('file_id', $1::bigint)) from generate_series(1, 20)",
    [id],
  );
  await db.waitFor('select from s3_connector_queue.jobs', (rows) => rows.length === 1);
  fault.release();
  const [file] = await world.settled('twice');
  assert.deepEqual([file!.status, file!.attempts], ['success', 1]);
  assert.deepEqual(await db.query('select n from twice'), [{ n: 1 }]);
});

test('a running attempt that its worker does not know starts again', async () => {
  await db.query('create table lost (n integer)');
  world.put('lost/1.csv', 'n\n1\n');
  await world.insertConnector({ name: 'lost', pattern: 'lost/*', target_table: 'lost', state: 'paused' });
  await db.query("select s3_connector.resume('lost')");
  await world.settled('lost');
  // As after a start of an attempt whose answer was lost.
  await db.query(`update s3_connector.files set status = 'running', attempt_id = 0, worker_id =
      (select min(id) from s3_connector.workers where alive) where connector_name = 'lost'`);
  const { id } = await db.one<{ id: number }>(
    "select id from s3_connector.files where connector_name = 'lost'",
  );
  await db.query('truncate lost');
  await db.waitFor<{ status: string }>(
    `select status, s3_connector_queue.add_job('import_file', json_build_object('file_id', ${id}))
      from s3_connector.files where id = ${id}`,
    ([file]) => file!.status === 'success',
  );
  assert.deepEqual(await db.query('select n from lost'), [{ n: 1 }]);
});
