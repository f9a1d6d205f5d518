import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { openWorld } from '../support/world.ts';
import { type ParsedFamily, parseExposition, readValue } from './exposition.ts';

const world = await openWorld();
const { db, server } = world;
let worker: WorkerProcess;
let origin: string;

/** A name with characters that a label must escape. */
const ODD = 'odd "name" \\ n';

before(async () => {
  worker = await world.startWorker({ METRICS_PORT: '0' });
  const { port } = await worker.logged('serving metrics');
  origin = `http://127.0.0.1:${port}`;
});

async function scrape(): Promise<Map<string, ParsedFamily>> {
  const answer = await fetch(`${origin}/metrics`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return parseExposition(await answer.text());
}

/** The sum of one metric over all its labels. */
const sumOf = (metrics: Map<string, ParsedFamily>, name: string) =>
  metrics.get(name)?.samples.reduce((sum, sample) => sum + sample.value, 0) ?? 0;

/** Scrapes until this holds: a worker counts what it has done after its commit. */
async function scrapeUntil(holds: (metrics: Map<string, ParsedFamily>) => boolean) {
  let metrics = new Map<string, ParsedFamily>();
  await until('the worker has counted', async () => {
    metrics = await scrape();
    return holds(metrics);
  });
  return metrics;
}

test('/metrics shows imported and refused files, rows, and S3 requests', async () => {
  const earlier = await scrape();
  world.put('good/1.csv', 'a,b\n1,2\n3,4\n');
  world.put('good/2.csv', 'a,b\n5,6\n');
  world.put('good/3.csv', 'a,b\n7,seven\n');
  await db.query('create table good (a integer, b integer)');
  // The SDK's retry succeeds.
  server.faults.order({
    operation: 'GetObject',
    key: 'good/1.csv',
    error: { status: 503, code: 'SlowDown' },
  });
  await world.insertConnector({ name: ODD, pattern: 'good/*', target_table: 'good' });
  await world.settled(ODD);
  const metrics = await scrapeUntil(
    (now) =>
      sumOf(now, 's3_connector_worker_attempts_total') === 3 &&
      sumOf(now, 's3_connector_worker_polls_total') === 1 &&
      sumOf(now, 's3_connector_worker_running_imports') === 0,
  );
  const connector = ODD;
  const expected: [string, Record<string, string>, number][] = [
    ['s3_connector_files', { connector, status: 'success' }, 2],
    ['s3_connector_files', { connector, status: 'failure' }, 1],
    ['s3_connector_files', { connector, status: 'in_queue' }, 0],
    ['s3_connector_imported_rows', { connector }, 3],
    ['s3_connector_imported_bytes', { connector }, 20],
    ['s3_connector_connector_running', { connector }, 1],
    ['s3_connector_caught_up', { connector }, 1],
    ['s3_connector_last_poll_failed', { connector }, 0],
    ['s3_connector_behind_seconds', { connector }, 0],
    ['s3_connector_longest_import_seconds', { connector }, 0],
    ['s3_connector_late_files', { connector }, 0],
    ['s3_connector_workers_alive', {}, 1],
    ['s3_connector_worker_database_up', {}, 1],
    ['s3_connector_worker_attempts_total', { connector, outcome: 'success' }, 2],
    ['s3_connector_worker_attempts_total', { connector, outcome: 'failure' }, 1],
    ['s3_connector_worker_rows_imported_total', { connector }, 3],
    ['s3_connector_worker_rows_rejected_total', { connector }, 0],
    ['s3_connector_worker_bytes_imported_total', { connector }, 20],
    ['s3_connector_worker_import_seconds_count', { format: 'csv' }, 2],
    ['s3_connector_worker_polls_total', { connector, outcome: 'success' }, 1],
    ['s3_connector_worker_s3_requests_total', { operation: 'LIST', outcome: 'success' }, 1],
    ['s3_connector_worker_s3_requests_total', { operation: 'GET', outcome: 'success' }, 3],
    ['s3_connector_worker_s3_requests_total', { operation: 'GET', outcome: 'error' }, 1],
    ['s3_connector_worker_s3_retries_total', { operation: 'GET' }, 1],
    ['s3_connector_worker_running_imports', {}, 0],
    ['s3_connector_worker_concurrency', {}, 4],
  ];
  for (const [name, labels, value] of expected) {
    assert.equal(readValue(metrics, name, labels), value, `${name} ${JSON.stringify(labels)}`);
  }
  for (const name of ['last_success_timestamp_seconds', 'last_poll_timestamp_seconds']) {
    const age = Date.now() / 1000 - readValue(metrics, `s3_connector_${name}`, { connector });
    assert.ok(age >= -1 && age < 600, `${name}: ${age}`);
  }
  assert.ok(readValue(metrics, 's3_connector_worker_spool_free_bytes') > 0);
  assert.ok(readValue(metrics, 's3_connector_worker_cpu_seconds_total') > 0);
  for (const name of earlier.keys()) assert.ok(metrics.has(name), `${name} is always there`);
});

test('names begin with s3_connector_, counters end in _total, and units are base units', async () => {
  for (const { name, type, help } of (await scrape()).values()) {
    assert.match(name, /^s3_connector_[a-z0-9_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.doesNotMatch(name, /_(ms|milliseconds|minutes|kb|mb|percent)(_|$)/);
    assert.match(help, /^[A-Z0-9].*\.$/, name);
  }
});

test('a waiting file is counted as lag, and an import that hangs shows for how long', async () => {
  await db.query('create table slow (a integer)');
  world.put('slow/1.csv', 'a\n1\n');
  world.put('slow/2.csv', 'a\n2\n');
  const stalled = server.faults.order({ operation: 'GetObject', key: 'slow/1.csv', stall: { after: 1 } });
  await world.insertConnector({
    name: 'slow',
    pattern: 'slow/*',
    target_table: 'slow',
    max_parallel_files: 1,
    state: 'paused',
  });
  await db.query("select s3_connector.resume('slow')");
  await stalled.hit();
  await db.query(
    `update s3_connector.files set last_modified = now() - interval '1 hour', started_at = now() - interval '10 minutes'
      where connector_name = 'slow' and status = 'running'`,
  );
  const during = await scrape();
  const behind = readValue(during, 's3_connector_behind_seconds', { connector: 'slow' });
  assert.ok(behind >= 3600 && behind < 3700, `${behind}`);
  const longest = readValue(during, 's3_connector_longest_import_seconds', { connector: 'slow' });
  assert.ok(longest >= 600 && longest < 700, `${longest}`);
  assert.equal(readValue(during, 's3_connector_worker_running_imports'), 1);
  assert.equal(readValue(during, 's3_connector_files', { connector: 'slow', status: 'in_queue' }), 1);
  stalled.release();
  await world.settled('slow');
  assert.equal(readValue(await scrape(), 's3_connector_behind_seconds', { connector: 'slow' }), 0);
});

test('a failed poll, and an overdue one, are in /metrics', async () => {
  const before = await scrape();
  await world.insertConnector({ name: 'gone', bucket: 'no-such-bucket', pattern: '*', target_table: 'gone' });
  await db.waitFor(
    "select error from s3_connector.polls where connector_name = 'gone'",
    (rows) => rows.length > 0,
  );
  const failed = await scrapeUntil(
    (now) => sumOf(now, 's3_connector_worker_polls_total') > sumOf(before, 's3_connector_worker_polls_total'),
  );
  assert.equal(readValue(failed, 's3_connector_last_poll_failed', { connector: 'gone' }), 1);
  assert.equal(readValue(failed, 's3_connector_caught_up', { connector: 'gone' }), 0);
  assert.ok(
    readValue(failed, 's3_connector_worker_polls_total', { connector: 'gone', outcome: 'failure' }) >= 1,
  );
  await db.query("select s3_connector.pause('gone')");
  assert.equal(readValue(await scrape(), 's3_connector_connector_running', { connector: 'gone' }), 0);
  // In one transaction, so that no poll runs in between.
  const client = await db.connect();
  await client.query(`begin; select s3_connector.resume('gone');
    update s3_connector_private.progress set next_poll_at = now() - interval '5 minutes' where connector_name = 'gone'`);
  const lag =
    "select name, value from s3_connector.metrics where labels->>'connector' = 'gone' and name like '%lag%'";
  assert.deepEqual((await client.query(lag)).rows, [{ name: 's3_connector_poll_lag_seconds', value: 300 }]);
  await client.query("update s3_connector_private.progress set next_poll_at = 'infinity'");
  assert.deepEqual((await client.query(lag)).rows, [{ name: 's3_connector_poll_lag_seconds', value: 0 }]);
  await client.query('rollback');
});

test('other requests to the metrics server are answered, and change nothing', async () => {
  const ask = async (path: string, method = 'GET') => {
    const answer = await fetch(origin + path, { method });
    return [answer.status, (await answer.text()).length > 0];
  };
  assert.deepEqual(await ask('/'), [404, true]);
  assert.deepEqual(await ask('/metrics', 'POST'), [405, true]);
  assert.deepEqual(await ask('/metrics', 'HEAD'), [200, false]);
  assert.deepEqual(await ask('/healthz?verbose'), [200, true]);
  assert.deepEqual(await ask('/__proto__'), [404, true]);
});

test('a reader gets the same figures from SQL', async () => {
  const reader = await db.createRole();
  await db.query(`grant s3_connector_reader to ${reader.name}`);
  const client = await db.connect(reader);
  const { rows } = await client.query(
    `select value from s3_connector.metrics where name = 's3_connector_files' and labels = $1`,
    [{ connector: ODD, status: 'success' }],
  );
  assert.deepEqual(rows, [{ value: 2 }]);
});
