import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// The session in which a worker is alive, and whose id everything has that the worker begins.

const world = await openWorld();
const { db } = world;

test('a worker that has lost its session begins no file and no request until it is alive again', async () => {
  const worker = await world.startWorker();
  await db.query('create table lost (n integer)');
  await world.insertConnector({
    name: 'lost',
    pattern: 'lost/*',
    target_table: 'lost',
    schedule: NEVER_AGAIN,
  });
  await world.settled('lost');
  // The lock prevents a new registration, so the session does not come back.
  const holder = await db.connectSuperuser();
  await holder.query('begin; lock table s3_connector_private.workers in exclusive mode');
  await db.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 's3_connector worker'",
  );
  const { worker: lostId } = await worker.logged('worker session lost');

  world.put('lost/1.csv', 'n\n1\n');
  const stalled = world.server.faults.order({
    operation: 'GetObject',
    key: 'lost/1.csv',
    stall: { after: 1 },
  });
  await db.query("select s3_connector.poll_now('lost')");
  // `call s3_connector.audit` does not begin without a worker that is alive; this one loses its session just then.
  await db.asSuperuser(`with added as (
      insert into s3_connector_private.requests (kind, connector_name) values ('audit', 'lost') returning id
    )
    select s3_connector_private.queue_request(id) from added`);
  await db.waitFor<{ key: string }>(
    `select j.key from s3_connector_private.jobs() j where j.begun and j.key like 'import%'
    union all
    select r.kind from s3_connector_private.requests r
    where r.answered_at is not null
      or exists (select from s3_connector_private.jobs() j where j.begun and j.key = s3_connector_private.request_job_key(r.id))`,
    (rows) => rows.length === 2,
  );
  // The next session is lost as well, before the worker is alive.
  await holder.query(`
    create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'not now'; end $$;
    create trigger refuse before update on s3_connector_private.workers for each row execute function public.refuse();
    commit`);
  await worker.logged('worker session not back yet');
  await holder.query('drop function public.refuse cascade');
  await holder.end();

  const [file] = await db.waitFor<{ worker_id: number }>(
    "select worker_id from s3_connector.files where status = 'running'",
    (rows) => rows.length === 1,
  );
  const [alive] = await db.waitFor<{ id: number }>(
    'select id from s3_connector.workers where alive',
    (rows) => rows.length === 1,
  );
  assert.notEqual(alive!.id, lostId);
  assert.equal(file!.worker_id, alive!.id, 'the file is running under the id of a worker that is not alive');
  stalled.release();
  const [imported] = await world.settled('lost');
  assert.deepEqual(
    { status: imported!.status, attempts: imported!.attempts },
    { status: 'success', attempts: 1 },
  );
  const [request] = await db.waitFor<{ worker_id: number; answered: boolean }>(
    'select worker_id, answered_at is not null as answered from s3_connector_private.requests',
    ([row]) => row!.answered,
  );
  assert.equal(
    request!.worker_id,
    alive!.id,
    'the request was begun under the id of a worker that is not alive',
  );
  await worker.end('SIGTERM');
});
