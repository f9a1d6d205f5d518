import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionPool } from '../../src/db/connections.ts';
import { runCli } from '../package/run_cli.ts';
import { untilHealth } from '../support/health.ts';
import { until } from '../support/until.ts';
import { EACH_MINUTE, openWorld } from '../support/world.ts';
import { withJobsDue } from './clock.ts';

const world = await openWorld();
const { db } = world;
const OURS =
  "from pg_stat_activity where datname = current_database() and application_name like 's3_connector%'";

/** Makes the database read-only for new sessions of the worker, as a managed service does if its disk is full. */
async function begin(options: { endSessions: boolean }): Promise<void> {
  for (const { name } of [db.worker, db.importer])
    await db.asSuperuser(`alter role ${name} in database ${db.name} set default_transaction_read_only = on`);
  if (options.endSessions) await db.query(`select pg_terminate_backend(pid) ${OURS}`);
}

/** Imports can write again before the worker can start one. */
async function end(): Promise<void> {
  for (const { name } of [db.importer, db.worker])
    await db.asSuperuser(`alter role ${name} in database ${db.name} reset default_transaction_read_only`);
}

test('a worker waits while the database is read-only, reports it, and continues by itself', async (t) => {
  t.after(end);
  const worker = await world.startWorker({ METRICS_PORT: '0' });
  const { port } = await worker.logged('serving metrics');
  await untilHealth(port, 200);
  await begin({ endSessions: true });
  await untilHealth(port, 503, /is read-only: default_transaction_read_only is on/);

  await db.query('create table spell (n integer)');
  world.put('spell/1.csv', 'n\n1\n');
  await world.insertConnector({
    name: 'spell',
    pattern: 'spell/*',
    target_table: 'spell',
    schedule: EACH_MINUTE,
  });
  const refusals = () => worker.lines.filter(({ event }) => event === 'worker session not back yet').length;
  await until('three tries are refused', () => refusals() >= 3);
  // Refused sessions are ended, so that only those of the next tries exist.
  await db.waitFor(`select application_name ${OURS}`, (sessions) => sessions.length === 0, { intervalMs: 5 });

  await end();
  await untilHealth(port, 200);
  // A poll that began in an earlier session may have failed; then the next one runs with the schedule's minute.
  const [file] = await withJobsDue(db, () => world.settled('spell'));
  assert.deepEqual([file!.status, file!.attempts], ['success', 1], file!.error_message ?? '');
  assert.deepEqual(await db.query('select from s3_connector.workers where alive'), [{}]);
  assert.equal((await worker.end('SIGTERM')).code, 0);
});

test('a worker whose old sessions can still write is unhealthy, too', async (t) => {
  t.after(end);
  const worker = await world.startWorker({ METRICS_PORT: '0' });
  const { port } = await worker.logged('serving metrics');
  await begin({ endSessions: false });
  await untilHealth(port, 503, /is read-only/);
  await end();
  await untilHealth(port, 200);
  assert.equal((await worker.end('SIGTERM')).code, 0);
});

test('a worker that is started while the database is read-only says so, keeps no session, and starts afterwards', async (t) => {
  t.after(end);
  await begin({ endSessions: false });
  const checked = await runCli(['doctor'], { DATABASE_URL: db.workerUrl, SPOOL_DIR: world.spoolDir });
  assert.equal(checked.code, 1);
  assert.match(checked.stdout, /^failed +database .*is read-only.*\n +Turn it off/m);
  const worker = world.spawnWorker();
  const { code, error } = await worker.logged('not started yet, trying again');
  assert.equal(code, 'database_read_only');
  assert.match(String(error), /is read-only: default_transaction_read_only is on\. Turn it off/);
  await db.waitFor(`select ${OURS}`, (sessions) => sessions.length === 0, { intervalMs: 5 });
  await end();
  await worker.logged('ready');
  assert.equal((await worker.end('SIGTERM')).code, 0);
});

test('a session whose write was refused is not returned to its pool', async () => {
  const pool = new SessionPool(db.workerUrl, 'control', { max: 1 });
  const backend = async () => (await pool.query('select pg_backend_pid() as pid')).rows[0].pid;
  const first = await backend();
  assert.equal(await backend(), first);
  const client = await pool.connect();
  await client.query('set default_transaction_read_only = on');
  await assert.rejects(client.query('delete from s3_connector_private.workers'), { code: '25006' });
  client.release();
  assert.notEqual(await backend(), first);
  assert.equal(pool.totalCount, 1);
  await pool.end();
});
