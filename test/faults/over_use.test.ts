import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { call } from '../requests/support.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';
import { ownServer } from './own_server.ts';

// The login for imports may open fewer sessions than WORKER_CONCURRENCY needs. A server of its own, because other tests share roles.
const world = await openWorld(await ownServer());
const { db } = world;
const CONCURRENCY = 8;
const FILES = 24;
let worker: WorkerProcess;
before(async () => {
  worker = await world.startWorker({ WORKER_CONCURRENCY: String(CONCURRENCY) });
});

const sessions = async (purpose = '') =>
  db.query<{ pid: number }>(
    "select pid from pg_stat_activity where datname = current_database() and usename = $1 and application_name like 's3_connector ' || $2 || '%'",
    [db.importer.name, purpose],
  );
const limit = (connections: number) =>
  db.asSuperuser(`alter role ${db.importer.name} connection limit ${connections}`);

/** Inserts a connector whose imports wait for a lock on their table until the release. */
async function insertLocked(name: string): Promise<{ release(): Promise<unknown> }> {
  await db.query(`create table ${name} (n integer)`);
  const session = await db.connect();
  await session.query(`begin; lock table ${name} in access exclusive mode`);
  for (let n = 1; n <= FILES; n++) world.put(`${name}/${n}.csv`, 'n\n1\n');
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    schedule: NEVER_AGAIN,
    max_attempts: 1,
  });
  return { release: () => session.query('rollback') };
}

test('a worker whose login for imports may open too few sessions imports every file at its first attempt', async () => {
  const warmed = await insertLocked('warmed');
  const waitForLock =
    "select from pg_stat_activity where datname = current_database() and application_name like 's3_connector import_file%' and wait_event_type = 'Lock'";
  await db.waitFor(waitForLock, (rows) => rows.length === CONCURRENCY);
  const most = (await sessions()).length;
  await warmed.release();
  await world.settled('warmed');

  // No new session at all: the files wait, and a dry run says why.
  await limit(0);
  for (const { pid } of await sessions('import_file'))
    await db.asSuperuser(`select pg_terminate_backend(${pid}, 10000)`);
  const crowded = await insertLocked('crowded');
  const postponed = await worker.logged('import postponed');
  assert.deepEqual([postponed.status, postponed.code], ['in_queue', 'too_many_connections']);
  const { row } = await call<{ error_code: string; error_message: string }>(
    db,
    "call s3_connector.dry_run_file('crowded', 'crowded/1.csv')",
  );
  assert.equal(row!.error_code, 'too_many_connections');
  assert.match(
    row!.error_message,
    /refused a session: too many connections for role .*lower WORKER_CONCURRENCY/,
  );

  // Room for two imports, where the worker wants eight.
  await limit(most - CONCURRENCY + 2);
  await db.waitFor(waitForLock, (rows) => rows.length > 0);
  await crowded.release();
  const files = await world.settled('crowded');
  assert.equal(files.length, FILES);
  assert.deepEqual(
    files.filter(({ status, attempts }) => status !== 'success' || attempts !== 1),
    [],
  );
});

test('a worker that waits for a session stops at once', async () => {
  await limit(0);
  for (const { pid } of await sessions('import_file'))
    await db.asSuperuser(`select pg_terminate_backend(${pid}, 10000)`);
  const refused = await insertLocked('refused');
  await db.waitFor(
    "select from s3_connector.file_history where connector_name = 'refused' and message like 'too_many_connections: %'",
    (rows) => rows.length > 0,
  );
  assert.equal((await worker.end('SIGTERM')).code, 0);
  assert.deepEqual(
    await db.query(
      "select distinct status, attempts from s3_connector.files where connector_name = 'refused'",
    ),
    [{ status: 'in_queue', attempts: 0 }],
  );
  await refused.release();
  await limit(-1);
});
