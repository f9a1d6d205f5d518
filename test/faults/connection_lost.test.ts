import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { WorkerProcess } from '../support/worker.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';
import { openProxy } from './proxy.ts';

const world = await openWorld();
const { db } = world;
const proxy = await openProxy(db.workerUrl);
let worker: WorkerProcess;

before(async () => {
  worker = await world.startWorker({
    DATABASE_URL: proxy.url,
    IMPORT_DATABASE_URL: proxy.through(db.importUrl),
  });
});

async function insert(name: string, columns = {}): Promise<void> {
  await db.query(`create table ${name} (n integer)`);
  world.put(`${name}/1.csv`, 'n\n1\n');
  await world.insertConnector({ name, pattern: `${name}/*`, target_table: name, ...columns });
}

/** Waits for a failed poll of the connector. */
async function failedPoll(name: string): Promise<{ error_code: string; error: string; last_error: string }> {
  const [poll] = await db.waitFor<{ error_code: string; error: string; last_error: string }>(
    `select p.error_code, p.error, c.last_error from s3_connector.polls p
      join s3_connector.connector_status c on c.name = p.connector_name
      where p.connector_name = $1 and p.error is not null`,
    (polls) => polls.length > 0,
    { values: [name] },
  );
  return poll!;
}

async function assertImported(name: string): Promise<void> {
  assert.deepEqual(
    (await world.pollAndSettle(name)).map(({ status }) => status),
    ['success'],
  );
  assert.deepEqual(await db.query(`select n from ${name}`), [{ n: 1 }]);
}

for (const [name, text] of [
  ['at_start', 'max_tracked_files - s3_connector_private.tracked_files'],
  ['at_commit', 'commit_poll'],
] as const) {
  test(`a poll that loses its connection ${name} fails with connection_lost`, async () => {
    const lost = proxy.lose(text);
    await insert(name, { schedule: NEVER_AGAIN });
    await lost;
    const { error_code, error, last_error } = await failedPoll(name);
    assert.equal(error_code, 'connection_lost');
    assert.match(error, /^the connection to PostgreSQL was lost: /);
    assert.match(last_error, /the connection to PostgreSQL was lost/);
    await assertImported(name);
  });
}

test('a poll that fails before it has begun is recorded, too', async () => {
  const tracked = 's3_connector_private.tracked_files';
  await db.asSuperuser(`alter function ${tracked} rename to tracked_files_away`);
  await insert('broken');
  const { error_code, last_error } = await failedPoll('broken').finally(() =>
    db.asSuperuser(`alter function ${tracked}_away rename to tracked_files`),
  );
  assert.equal(error_code, 'sql_42883');
  assert.match(last_error, /tracked_files.* does not exist/);
  await assertImported('broken');
});

test('a connection lost during on_import is not recorded as on_import_failed', async () => {
  const holder = await db.connect();
  await holder.query('select pg_advisory_lock(11)');
  await insert('followed', { on_import: 'select pg_advisory_xact_lock(11)' });
  const waiting = `from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
    and application_name like 's3_connector import_file%'`;
  await db.waitFor(`select ${waiting}`, (sessions) => sessions.length === 1);
  await db.query(`select pg_terminate_backend(pid) ${waiting}`);
  const [file] = await db.waitFor<{ error_code: string }>(
    "select error_code from s3_connector.files where connector_name = 'followed' and status = 'pending_retry'",
    (files) => files.length > 0,
  );
  assert.equal(file!.error_code, 'connection_lost');
  await holder.query('select pg_advisory_unlock(11)');
  await db.query(
    'select s3_connector_queue.reschedule_jobs(array(select id from s3_connector_queue.jobs where run_at > now()), now())',
  );
  assert.equal((await world.settled('followed'))[0]!.status, 'success');
  assert.equal((await worker.end('SIGTERM')).code, 0);
});
