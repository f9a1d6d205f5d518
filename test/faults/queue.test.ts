import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { WorkerProcess } from '../support/worker.ts';
import { EACH_MINUTE, openWorld } from '../support/world.ts';
import { withJobsDue } from './clock.ts';
import { assertAtRest, assertExactlyOnce } from './exactly_once.ts';
import { openProxy } from './proxy.ts';

const world = await openWorld();
const { db } = world;
const proxy = await openProxy(db.workerUrl);
const FILES = 10;
const LOST = 5;
let worker: WorkerProcess;

before(async () => {
  worker = await world.startWorker({
    DATABASE_URL: proxy.url,
    IMPORT_DATABASE_URL: proxy.through(db.importUrl),
  });
  // Makes functions of the queue fail, as often as `left` says: the numbers of a sequence are not rolled back.
  await db.query(`
    create sequence troubles;
    create table trouble (sqlstate text, upto bigint);
    create function make_trouble() returns trigger language plpgsql security definer set search_path = public as $$
    declare wanted record;
    begin
      select * into wanted from trouble;
      if found and nextval('troubles') <= wanted.upto then
        if wanted.sqlstate = 'cut' then
          perform pg_terminate_backend(pg_backend_pid());
        else
          raise exception 'trouble' using errcode = wanted.sqlstate;
        end if;
      end if;
      return old;
    end;
    $$;
    create trigger make_trouble before delete on s3_connector_queue._private_jobs
      for each row execute function make_trouble()`);
});

for (const [name, sqlstate] of [
  ['its connection is cut', 'cut'],
  ['it deadlocks', '40P01'],
  ['it is cancelled', '57014'],
  ['the disk is full', '53100'],
] as const) {
  test(`the end of a job is written although ${name} at first`, async () => {
    const connector = `ends-${sqlstate.toLowerCase()}`;
    const table = `ends_${sqlstate.toLowerCase()}`;
    for (let file = 0; file < FILES; file++) world.put(`${connector}/${file}.csv`, `file,n\n${file},1\n`);
    await db.query(`create table ${table} (file integer, n integer, file_id bigint)`);
    await db.query("select setval('troubles', 1, false)");
    await db.query('delete from trouble');
    await db.query('insert into trouble values ($1, 4)', [sqlstate]);
    await world.insertConnector({
      name: connector,
      pattern: `${connector}/*`,
      target_table: table,
      file_id_column: 'file_id',
      schedule: EACH_MINUTE,
    });
    await world.settled(connector);
    await assertExactlyOnce(db, { connector, table, rowsOf: () => 1 });
    await assertAtRest(db);
    assert.ok((await db.one<{ n: number }>('select last_value as n from troubles')).n >= 4);
    await db.query('delete from trouble');
    assert.deepEqual(await db.query('select alive from s3_connector.workers'), [{ alive: true }]);
  });
}

test('a job whose answer was lost runs within a minute, although its worker is alive', async () => {
  await db.query('create table lost (file integer, n integer, file_id bigint)');
  for (let file = 0; file < FILES; file++) world.put(`lost/${file}.csv`, `file,n\n${file},1\n`);
  await world.insertConnector({
    name: 'lost',
    pattern: 'lost/*',
    target_table: 'lost',
    file_id_column: 'file_id',
    schedule: EACH_MINUTE,
    state: 'paused',
  });
  // The first request gets the connector's poll, a file, or nothing yet; the last ones get a file.
  const answers = Array.from({ length: LOST }, () => proxy.loseAnswerTo('get_job/'));
  await db.query("select s3_connector.resume('lost')");
  await Promise.all(answers);
  await withJobsDue(db, () => world.settled('lost'));
  await assertExactlyOnce(db, { connector: 'lost', table: 'lost', rowsOf: () => 1 });
  await assertAtRest(db);
  assert.ok(
    worker.lines.some(({ event }) => event === 'lost jobs freed'),
    'the worker says so',
  );
  assert.equal((await worker.end('SIGTERM')).code, 0);
});

test('a worker that lost its session and is declared dead while it runs leaves no file without a job', async () => {
  await db.query('create table taken (file integer, n integer, file_id bigint)');
  for (let file = 0; file < FILES; file++) world.put(`taken/${file}.csv`, `file,n\n${file},1\n`);
  const stalled = world.server.faults.order({
    operation: 'GetObject',
    key: 'taken/0.csv',
    stall: { after: 1 },
  });
  // With one place, whose job has ended before the next one is taken.
  const living = await world.startWorker({ WORKER_CONCURRENCY: '1' });
  await world.insertConnector({
    name: 'taken',
    pattern: 'taken/*',
    target_table: 'taken',
    file_id_column: 'file_id',
    schedule: EACH_MINUTE,
  });
  await stalled.hit();
  // While this lock is held the worker cannot register again, so others consider it dead.
  const session = await db.connect(db.worker);
  await session.query('begin; lock table s3_connector_private.workers in share row exclusive mode');
  await session.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 's3_connector worker' and datname = current_database()",
  );
  await db.waitFor('select alive from s3_connector.workers', (rows) => rows.every((row) => !row.alive));
  await session.query('select s3_connector_private.rescue_files(); commit');
  stalled.release();
  await world.settled('taken');
  await assertExactlyOnce(db, { connector: 'taken', table: 'taken', rowsOf: () => 1 });
  await assertAtRest(db);
  assert.equal((await living.end('SIGTERM')).code, 0);
});
