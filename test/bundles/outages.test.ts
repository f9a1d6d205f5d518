import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { assertAtRest, assertExactlyOnce } from '../faults/exactly_once.ts';
import { ownServer } from '../faults/own_server.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { openWorld } from '../support/world.ts';
import { FILES, insertFiles, ROWS, whileBundled } from './files.ts';

// The bucket or the database refuses everything for a while. A server of its own, because other tests share its roles.
const world = await openWorld(await ownServer());
const { db, server } = world;
let worker: WorkerProcess;
before(async () => {
  worker = await world.startWorker({ WORKER_CONCURRENCY: '1', SHUTDOWN_GRACE_SECONDS: '1' });
});

const limit = (connections: number) =>
  db.asSuperuser(`alter role ${db.importer.name} connection limit ${connections}`);
const importSessions = () =>
  db.query<{ pid: number }>(
    "select pid from pg_stat_activity where datname = current_database() and usename = $1 and application_name like 's3_connector import_file%'",
    [db.importer.name],
  );

/** All files were imported once, and no attempt counted but those that imported. */
async function assertImported(name: string): Promise<void> {
  const files = await world.settled(name);
  assert.deepEqual(
    files.map(({ attempts }) => attempts),
    Array.from({ length: FILES }, () => 1),
  );
  await assertExactlyOnce(db, { connector: name, table: name, rowsOf: () => ROWS });
  await assertAtRest(db);
}

test('if the database refuses a session to a bundle, no attempt counts, and one file says why', async () => {
  await insertFiles(world, 'warm');
  await assertImported('warm');
  await limit(0);
  for (const { pid } of await importSessions())
    await db.asSuperuser(`select pg_terminate_backend(${pid}, 10000)`);
  await insertFiles(world, 'refused_session');
  await db.waitFor(
    "select from s3_connector.files where connector_name = 'refused_session' and error_code = 'too_many_connections'",
    (files) => files.length === 1,
  );
  await db.waitFor(
    "select from s3_connector.files where connector_name = 'refused_session' and status = 'in_queue' and attempts = 0",
    (files) => files.length === FILES,
  );
  await limit(-1);
  await assertImported('refused_session');
});

test('if the session of a bundle is ended, its files are imported one by one, at the same attempts', async () => {
  await whileBundled(world, 'ended_session', async () => {
    const [waiting] = await db.waitFor<{ pid: number }>(
      "select pid from pg_stat_activity where datname = current_database() and application_name like 's3_connector import_file%' and wait_event_type = 'Lock'",
      (sessions) => sessions.length === 1,
    );
    await db.asSuperuser(`select pg_terminate_backend(${waiting!.pid}, 10000)`);
  });
  await assertImported('ended_session');
});

test('if the bucket goes away under a bundle, its files wait without an attempt', async () => {
  await db.asSuperuser(`create or replace function s3_connector_private.outage_delay(failed_tries integer)
    returns interval language sql as $$ select interval '1 hour' $$`);
  const stalled = server.faults.order({
    operation: 'GetObject',
    times: Number.POSITIVE_INFINITY,
    stall: { after: 1 },
  });
  await insertFiles(world, 'gone');
  await stalled.hit(1);
  await server.close();
  await db.waitFor<{ files: number }>(
    `select f.status, f.attempts, count(*)::integer as files from s3_connector.files f
      join s3_connector.connector_status c on c.name = f.connector_name and c.unavailable_since is not null
      where f.connector_name = 'gone' group by 1, 2`,
    (rows) => rows.length === 1 && rows[0]!.files === FILES,
  );
  assert.deepEqual(
    await db.query("select distinct status, attempts from s3_connector.files where connector_name = 'gone'"),
    [{ status: 'in_queue', attempts: 0 }],
  );
  server.faults.clear();
  await server.open();
  await db.query("select s3_connector.poll_now('gone')");
  await assertImported('gone');
});

test('a worker that is stopped during a bundle gives back what it has not imported', async () => {
  await whileBundled(world, 'stopping', async () => assert.equal((await worker.end('SIGTERM')).code, 0));
  assert.deepEqual(
    await db.query(
      "select status, attempts, count(*)::integer as files from s3_connector.files where connector_name = 'stopping' group by 1, 2 order by 3",
    ),
    [
      { status: 'pending_retry', attempts: 1, files: 1 },
      { status: 'in_queue', attempts: 0, files: FILES - 1 },
    ],
  );
  assert.deepEqual(await world.spooled(), []);
});
