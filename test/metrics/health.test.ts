import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { testDatabase } from '../support/database.ts';
import { type Health, healthOf, untilHealth } from '../support/health.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;

const HEALTHY: Health = { healthy: true, checks: { database: 'ok', lock: 'ok', queue: 'ok' } };

test('a worker without METRICS_PORT opens no port', async () => {
  const worker = await world.startWorker();
  assert.ok(!worker.lines.some((line) => line.event === 'serving metrics'));
  await worker.end('SIGTERM');
});

test('a worker is healthy, loses its lock, gets it back, and stops', async () => {
  const worker = await world.startWorker({ METRICS_PORT: '0' });
  const { port } = await worker.logged('serving metrics');
  assert.deepEqual(await healthOf(port), { status: 200, health: HEALTHY });

  // The lock prevents a new registration, so the lost session does not come back.
  const holder = await db.connect();
  await holder.query('begin; lock table s3_connector_private.workers in exclusive mode');
  await db.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 's3_connector worker'",
  );
  const lost = await untilHealth(port, 503);
  assert.equal(lost.healthy, false);
  assert.match(lost.checks.lock, /lost/);
  assert.equal(lost.checks.database, 'ok');
  await holder.query('rollback');
  assert.deepEqual(await untilHealth(port, 200), HEALTHY);

  // A running import keeps the worker from ending at once.
  world.put('last/1.csv', 'a\n1\n');
  await db.query('create table last (a integer)');
  const stalled = world.server.faults.order({ operation: 'GetObject', stall: { after: 1 } });
  await world.insertConnector({ name: 'last', pattern: 'last/*', target_table: 'last' });
  await stalled.hit();
  const ending = worker.end('SIGTERM');
  const stopping = await untilHealth(port, 503);
  assert.match(stopping.checks.queue, /stopping/);
  stalled.release();
  assert.equal((await ending).code, 0);
});

test('a worker that cannot reach its database reports it, and still serves its own metrics', async () => {
  const worker = await world.startWorker({ METRICS_PORT: '0' });
  const { port } = await worker.logged('serving metrics');
  // Not even a superuser can connect, so this cannot be set from within.
  const elsewhere = await testDatabase({ empty: true });
  await elsewhere.query(`alter database ${db.name} with allow_connections false`);
  await elsewhere.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
    db.name,
  ]);
  const cut = await untilHealth(port, 503, /"database":"(?!ok")/);
  assert.match(cut.checks.database, /no answer: /);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  assert.match(text, /^s3_connector_worker_database_up 0$/m);
  assert.match(text, /^s3_connector_worker_concurrency 4$/m);
  assert.doesNotMatch(text, /^s3_connector_files/m);
  await elsewhere.query(`alter database ${db.name} with allow_connections true`);
  assert.deepEqual(await untilHealth(port, 200), HEALTHY);
  await worker.end('SIGTERM');
});

test('a port that is in use ends the worker before it takes work, with what to do', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as { port: number };
  await assert.rejects(
    world.startWorker({ METRICS_PORT: String(port) }),
    /cannot serve metrics at 127\.0\.0\.1:\d+.*EADDRINUSE[\s\S]*METRICS_PORT to a free port/,
  );
  other.close();
  await assert.rejects(world.startWorker({ METRICS_PORT: 'http' }), /METRICS_PORT must be a whole number/);
});
