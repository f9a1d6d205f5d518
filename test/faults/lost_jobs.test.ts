import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// Jobs that are deleted, or held by nobody, although their work is not done. After a failover to a standby that lacks the last commits,
// ids of jobs are given again: a worker that ran a job before it deletes it by its id, which may be another job's by then.

const world = await openWorld();
const { db } = world;

/** Runs the housekeeping of a minute. */
async function housekeeping(): Promise<void> {
  await db.asSuperuser("select s3_connector_queue.add_job('poll_due', job_key => 'poll_due')");
}

test('a file whose job was deleted with the end of another job is imported within the minute', async () => {
  await db.query('create table reused (n integer)');
  for (const n of [1, 2, 3]) world.put(`reused/${n}.csv`, `n\n${n}\n`);
  const stalled = world.server.faults.order({
    operation: 'GetObject',
    key: 'reused/1.csv',
    stall: { after: 1 },
  });
  // One place and no bundles: the jobs of the other files wait.
  const worker = await world.startWorker({ WORKER_CONCURRENCY: '1', IMPORT_BUNDLE_FILES: '1' });
  await world.insertConnector({
    name: 'reused',
    pattern: 'reused/*',
    target_table: 'reused',
    schedule: NEVER_AGAIN,
  });
  await stalled.hit();
  await db.asSuperuser(`do $$
    declare
      running bigint;
    begin
      delete from s3_connector_queue._private_jobs where locked_at is not null and key like 'import%' returning id into strict running;
      delete from s3_connector_queue._private_jobs j using s3_connector.files f
      where f.key = 'reused/2.csv' and j.key = s3_connector_private.import_job_key(f.id);
      perform setval(pg_get_serial_sequence('s3_connector_queue._private_jobs', 'id'), running, false);
      perform s3_connector_private.queue_imports(array[f.id], array[now()]) from s3_connector.files f where f.key = 'reused/2.csv';
    end $$`);
  stalled.release();
  await db.waitFor(
    "select from s3_connector.files where connector_name = 'reused' and status = 'success'",
    (rows) => rows.length === 2,
  );
  const [left] = await db.query(
    `select f.key, exists (
        select from s3_connector_private.jobs() j where j.key = s3_connector_private.import_job_key(f.id)) as has_job
      from s3_connector.files f where f.status = 'in_queue'`,
  );
  assert.deepEqual(left, { key: 'reused/2.csv', has_job: false });
  await housekeeping();
  for (const { status } of await world.settled('reused')) assert.equal(status, 'success');
  assert.deepEqual(await db.query('select n from reused order by n'), [{ n: 1 }, { n: 2 }, { n: 3 }]);
  await worker.end('SIGTERM');
});

test('an undo whose job was deleted with the end of another job is done within the minute', async () => {
  const worker = await world.startWorker();
  await db.query('create table undone (n integer, file_id bigint)');
  world.put('undone/1.csv', 'n\n1\n');
  await world.insertConnector({
    name: 'undone',
    pattern: 'undone/*',
    target_table: 'undone',
    file_id_column: 'file_id',
    schedule: NEVER_AGAIN,
  });
  await world.settled('undone');
  // A superuser is not the owner, so a worker deletes the rows.
  await db.asSuperuser(`do $$
    begin
      perform s3_connector.undo_file('undone', 'undone/1.csv');
      delete from s3_connector_queue._private_jobs where key like 'request:%';
    end $$`);
  await housekeeping();
  await db.waitFor<{ status: string }>(
    "select status from s3_connector.files where connector_name = 'undone'",
    ([file]) => file!.status === 'undone',
  );
  assert.deepEqual(await db.query('select from undone'), []);
  await worker.end('SIGTERM');
});

/** Inserts a connector of this name with a file, and waits for its import. */
async function importFirst(name: string): Promise<void> {
  await db.query(`create table ${name} (n integer)`);
  world.put(`${name}/1.csv`, 'n\n1\n');
  await world.insertConnector({ name, pattern: `${name}/*`, target_table: name, schedule: NEVER_AGAIN });
  await world.settled(name);
}

async function assertBothImported(name: string): Promise<void> {
  for (const { key, status } of await world.settled(name)) assert.equal(status, 'success', key);
  assert.deepEqual(await db.query(`select n from ${name} order by n`), [{ n: 1 }, { n: 2 }]);
}

/** Puts a second file, with a job that a pool holds and nobody runs. */
async function insertHeldJob(name: string, pool: string): Promise<void> {
  world.put(`${name}/2.csv`, 'n\n2\n');
  await db.asSuperuser(`do $$
    declare
      file bigint;
    begin
      insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified)
      select connector_name, '${name}/2.csv', etag, size_bytes, last_modified from s3_connector.files where key = '${name}/1.csv'
      returning id into file;
      perform s3_connector_private.queue_imports(array[file], array[now()]);
      update s3_connector_queue._private_jobs set locked_by = '${pool}', locked_at = now() - interval '1 minute', attempts = 1
      where key = s3_connector_private.import_job_key(file);
    end $$`);
}

test('a job that a worker took after it was marked as stopped runs within the minute', async () => {
  const first = await world.startWorker();
  await importFirst('orphaned');
  await first.end('SIGTERM');
  // What the last statement of a killed worker leaves, if it ends after the rescue.
  await insertHeldJob('orphaned', 'pool-of-the-dead');
  const worker = await world.startWorker();
  await housekeeping();
  await assertBothImported('orphaned');
  await worker.end('SIGTERM');
});

test('a job that ended, and that a crash brought back, runs again when the worker has its session again', async () => {
  const worker = await world.startWorker();
  await importFirst('revived');
  const { pool } = await db.one<{ pool: string }>(
    'select pool_ids[1] as pool from s3_connector_private.workers where stopped_at is null order by id desc limit 1',
  );
  await insertHeldJob('revived', pool);
  await db.asSuperuser(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 's3_connector worker'",
  );
  await assertBothImported('revived');
  await worker.end('SIGTERM');
});

test('a request is begun again while the worker lives that has begun it, and not after its death', async () => {
  await db.query('create table asked (n integer)');
  await world.insertConnector({ name: 'asked', pattern: 'asked/*', target_table: 'asked', state: 'paused' });
  const worker = await world.startWorker();
  const [alive, dead] = await db.query<{ id: number }>(
    'select id from s3_connector_private.workers order by stopped_at desc nulls first, id limit 2',
  );
  const begin = async (request: number, by: { id: number }) =>
    (await db.query('select from s3_connector_private.start_request($1, $2)', [request, by.id])).length;
  for (const [first, again] of [
    [alive!, 1],
    [dead!, 0],
  ] as const) {
    const { id } = await db.one<{ id: number }>(
      "insert into s3_connector_private.requests (kind, connector_name) values ('check', 'asked') returning id",
    );
    assert.deepEqual([await begin(id, first), await begin(id, alive!)], [1, again]);
    assert.equal(await begin(id, dead!), again);
  }
  await worker.end('SIGTERM');
});
