import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import type { LoggedRequest } from '../../embedded/bucket/request_log.ts';
import { type ConnectorColumns, NEVER_AGAIN, openWorld } from '../support/world.ts';
import { withJobsDue } from './clock.ts';

// An S3 that answers errors: how many requests they cost, and that no key is lost or skipped.

const world = await openWorld();
const { db, server, bucket } = world;
before(() => world.startWorker());
beforeEach(startOver);

/** Pauses what earlier tests left, such as a file that waits for a retry, and waits for the imports that a pause lets end. */
async function startOver(): Promise<void> {
  await db.query("select s3_connector.pause(name) from s3_connector.connectors where state = 'running'");
  server.faults.clear();
  await db.waitFor("select from s3_connector.files where status = 'running'", (rows) => rows.length === 0);
  server.requests.reset();
}

const insert = (columns: ConnectorColumns) => world.insertConnector({ schedule: NEVER_AGAIN, ...columns });

/** The number of requests that the SDK makes for one request that fails every time. */
const TRIES = 4;
const ALWAYS = Number.POSITIVE_INFINITY;
const SLOW_DOWN = { status: 503, code: 'SlowDown' };

const csv = (rows: number) => `n\n${Array.from({ length: rows }, (_, n) => n).join('\n')}\n`;
const requests = (operation: LoggedRequest['operation']) =>
  server.requests.recent.filter((request) => request.operation === operation);

async function pollFails(name: string): Promise<{ error_code: string; list_requests: number }> {
  const [poll] = await db.waitFor<{ error_code: string; list_requests: number }>(
    'select error_code, list_requests from s3_connector.polls where connector_name = $1 and error_code is not null order by id desc',
    ([found]) => found !== undefined,
    { values: [name] },
  );
  return poll!;
}

const marker = async (name: string) =>
  (
    await db.one<{ marker: string | null }>(
      'select marker from s3_connector.connector_status where name = $1',
      [name],
    )
  ).marker;

for (const [what, table, fault] of [
  ['500', 'internal_error', { error: { status: 500, code: 'InternalError' } }],
  ['503', 'slow_down', { error: SLOW_DOWN }],
  ['by closing the connection', 'reset', { reset: true }],
] as const) {
  test(`an object that always answers ${what} costs as many requests as there are tries`, async () => {
    world.put(`${table}/1.csv`, csv(1));
    world.put(`${table}/2.csv`, csv(2));
    server.faults.order({ operation: 'GetObject', key: `${table}/1.csv`, times: ALWAYS, ...fault });
    await db.query(`create table ${table} (n integer)`);
    await insert({ name: table, pattern: `${table}/*`, target_table: table, max_attempts: 2 });
    const files = await withJobsDue(db, () => world.settled(table));
    assert.deepEqual(
      files.map(({ status, attempts, error_code }) => [status, attempts, error_code]),
      [
        ['failure', 2, 'source_unavailable'],
        ['success', 1, null],
      ],
    );
    assert.deepEqual([requests('GetObject').length, requests('HeadObject').length], [2 * TRIES + 1, 0]);
  });
}

test('files that fail together are retried at different times', async () => {
  // As many as the worker imports in parallel.
  const FILES = 4;
  for (let n = 0; n < FILES; n++) world.put(`together/${n}.csv`, csv(1));
  server.faults.order({ operation: 'GetObject', key: /^together/, times: ALWAYS, error: SLOW_DOWN });
  await db.query('create table together (n integer)');
  await insert({ name: 'together', pattern: 'together/*', target_table: 'together' });
  // Each file waits for seconds, but not all of them at the same time.
  const seen = new Map<string, number>();
  await db.waitFor<{ key: string; seconds: number }>(
    `select f.key, extract(epoch from f.next_attempt_at - h.at)::float as seconds from s3_connector.files f
      join s3_connector.file_history h on h.connector_name = f.connector_name and h.key = f.key
        and h.to_status = 'pending_retry'
      where f.connector_name = 'together' and f.attempts = 1 and f.status = 'pending_retry'`,
    (found) => {
      for (const { key, seconds } of found) seen.set(key, seconds);
      return seen.size === FILES;
    },
  );
  assert.ok(requests('GetObject').length >= FILES * TRIES);
  // 5 seconds, plus or minus a quarter, from the start of a transaction that may have waited for the others.
  const delays = [...seen.values()];
  assert.ok(Math.min(...delays) > 1 && Math.max(...delays) < 6.3, `${delays}`);
  assert.ok(new Set(delays).size > 1, `${delays}`);
});

test('a body that breaks off after every byte fails, and is not requested byte by byte', async () => {
  world.put('byte/1.csv', csv(100_000));
  server.faults.order({ operation: 'GetObject', key: 'byte/1.csv', times: ALWAYS, cut: 1 });
  await insert({
    name: 'byte',
    pattern: 'byte/*',
    target_table: 'byte',
    max_attempts: 1,
  });
  const [file] = await world.settled('byte');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'source_unavailable']);
  assert.match(file!.error_message!, /broke off at byte/);
  assert.equal(requests('GetObject').length, 5);
});

test('an object that is overwritten at every read is retried later, after two reads', async () => {
  world.put('restless/1.csv', csv(1));
  let version = 1;
  server.faults.order({
    operation: 'GetObject',
    key: 'restless/1.csv',
    times: ALWAYS,
    before: () => server.store.put(bucket, 'restless/1.csv', csv(++version)),
  });
  await insert({ name: 'restless', pattern: 'restless/*', target_table: 'restless' });
  await db.waitFor(
    "select from s3_connector.files where connector_name = 'restless' and status = 'pending_retry' and error_code = 'object_changed'",
    (rows) => rows.length === 1,
  );
  assert.deepEqual(
    server.requests.recent.map(({ operation, status }) => [operation, status]),
    [
      ['ListObjectsV2', 200],
      ['GetObject', 412],
      ['HeadObject', 200],
      ['GetObject', 412],
    ],
  );
  server.faults.clear();
  await db.query("select s3_connector.retry_file('restless', 'restless/1.csv')");
  const [file] = await world.settled('restless');
  assert.deepEqual([file!.status, file!.rows_imported], ['success', version], file!.error_message ?? '');
});

test('an intermittent 403 costs two requests, and no key', async () => {
  world.put('moody/1.csv', csv(1));
  const denied = { error: { status: 403, code: 'AccessDenied' } };
  server.faults.order({ operation: 'ListObjectsV2', ...denied });
  await insert({ name: 'moody', pattern: 'moody/*', target_table: 'moody' });
  assert.equal((await pollFails('moody')).error_code, 'access_denied');
  // The second request asks whether the whole bucket is refused.
  assert.deepEqual([server.requests.count(), await marker('moody')], [2, null]);
  server.faults.order({ operation: 'GetObject', ...denied });
  const [file] = await world.pollAndSettle('moody');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'access_denied']);
  assert.equal(requests('GetObject').length, 1);
  await db.query("select s3_connector.retry('moody')");
  assert.equal((await world.settled('moody'))[0]!.status, 'success');
  // One LIST is for the sample of the new table.
  assert.deepEqual([requests('ListObjectsV2').length, requests('GetObject').length], [5, 2]);
});

test('a listing whose second page fails enqueues nothing, and skips nothing', async () => {
  const KEYS = 2500;
  const hits = [0, 500, 999, 1000, 1001, 1999, 2000, 2499];
  const keys = Array.from(
    { length: KEYS },
    (_, n) => `pages/${String(n).padStart(4, '0')}${hits.includes(n) ? '.csv' : '.txt'}`,
  );
  for (const key of keys) world.put(key, csv(1));
  await db.query('create table pages (n integer)');
  // With the request for a single key, which is answered, so this is not an outage.
  for (const [trouble, cost] of [
    [{ error: { status: 500, code: 'InternalError' }, times: TRIES }, 1 + TRIES + 1],
    [{ reset: true, times: TRIES }, 1 + TRIES + 1],
    [{ cut: 10_000, times: ALWAYS }, null],
  ] as const) {
    const name = `pages ${JSON.stringify(trouble)}`;
    await startOver();
    // The first page arrives unchanged.
    server.faults.order({ operation: 'ListObjectsV2' });
    server.faults.order({ operation: 'ListObjectsV2', ...trouble });
    await insert({ name, pattern: 'pages/*.csv', target_table: 'pages' });
    assert.equal((await pollFails(name)).error_code, 'source_unavailable');
    const asked = requests('ListObjectsV2').length;
    if (cost === null) assert.ok(asked > 2 && asked <= 1 + TRIES + 1, `${asked} requests`);
    else assert.equal(asked, cost);
    assert.equal(await marker(name), null);
    assert.equal(requests('GetObject').length, 0);
    server.faults.clear();
    server.requests.reset();
    const files = await world.pollAndSettle(name);
    assert.deepEqual(
      files.map(({ key, status }) => [key, status]),
      hits.map((n) => [keys[n], 'success']),
    );
    assert.equal(requests('ListObjectsV2').length, 3);
    assert.equal(await marker(name), keys.at(-1));
  }
});
