import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { listPage } from '../../embedded/bucket/listing.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
before(() => world.startWorker());

const oneRow = (n: number) => `n\n${n}\n`;

test('files that arrive later are imported, and none twice', async () => {
  world.put('arrive/2026-01.csv', oneRow(1));
  await world.insertConnector({ name: 'arrive', pattern: 'arrive/**/*.csv', target_table: 'arrived' });
  await world.settled('arrive');
  world.put('arrive/2026-02.csv', oneRow(2));
  world.put('arrive/2026/03.csv', oneRow(3));
  world.put('arrive/notes.txt', 'not for us');
  await world.pollAndSettle('arrive');
  await world.pollAndSettle('arrive');
  assert.deepEqual(
    (await db.query<{ n: number }>('select n from arrived order by n')).map((row) => row.n),
    [1, 2, 3],
  );
  const status = await db.one<{ marker: string; caught_up: boolean; success: number; rows_total: number }>(
    "select marker, caught_up, success, rows_total from s3_connector.connector_status where name = 'arrive'",
  );
  assert.deepEqual(status, { marker: 'arrive/2026/03.csv', caught_up: true, success: 3, rows_total: 3 });
});

test('a backlog is imported in key order, a few files at a time', async () => {
  const keys = Array.from({ length: 57 }, (_, i) => `backlog/${String(i).padStart(3, '0')}.csv`);
  for (const [i, key] of keys.entries()) world.put(key, oneRow(i));
  await world.insertConnector({
    name: 'backlog',
    pattern: 'backlog/*',
    target_table: 'backlog',
    max_tracked_files: 10,
    max_parallel_files: 1,
    schedule: '0 0 1 1 *',
  });
  const files = await world.settled('backlog');
  assert.equal(files.length, keys.length);
  assert.deepEqual(new Set(files.map((file) => file.status)), new Set(['success']));
  const order = await db.query<{ key: string }>(
    "select key from s3_connector.file_history where connector_name = 'backlog' and to_status = 'success' order by at",
  );
  assert.deepEqual(
    order.map((row) => row.key),
    keys,
    'with max_parallel_files = 1 files are imported strictly in key order',
  );
  const polls = await db.one<{ enqueued: number; requests: number }>(
    "select sum(files_enqueued)::integer as enqueued, sum(list_requests)::integer as requests from s3_connector.polls where connector_name = 'backlog'",
  );
  assert.equal(polls.enqueued, keys.length);
  // The first LIST answer is used whole, and a second finds nothing more. Once a minute, what is kept is listed again.
  assert.ok(polls.requests >= 2 && polls.requests <= 5, `${polls.requests} requests`);
  const { most } = await db.one<{ most: number }>(
    `select max(tracked) as most from (
      select sum(case when h.to_status = 'in_queue' and h.from_status is null then 1 when h.to_status = 'success' then -1 else 0 end)
        over (order by h.id) as tracked
      from s3_connector_private.file_history h join s3_connector.files f on f.id = h.file_id
      where f.connector_name = 'backlog'
    ) t`,
  );
  assert.equal(most, 10, 'only the free places are filled');
});

test('keys are matched and ordered by their UTF-8 bytes', async () => {
  const keys = ['order/Z', 'order/a', 'order/é', 'order/\uff5e', 'order/😀', 'order/ plus+space %41'].sort(
    (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  for (const key of keys) world.put(key, oneRow(1));
  await world.insertConnector({
    name: 'order',
    pattern: 'order/*',
    target_table: 'ordered',
    max_tracked_files: 1,
  });
  const files = await world.settled('order');
  assert.deepEqual(
    files.map((file) => [file.key, file.status]),
    keys.map((key) => [key, 'success']),
  );
});

for (const [name, pattern] of [
  ['steady', 'steady/*.csv'],
  ['steady_deep', 'steady/**/*.csv'],
] as const) {
  test(`a steady poll of ${pattern} makes one LIST request, however many keys are before the marker`, async () => {
    for (let i = 0; i < 2500; i++) world.put(`steady/${String(i).padStart(4, '0')}.log`, 'x');
    world.put('steady/zzz.csv', oneRow(1));
    await world.insertConnector({ name, pattern, target_table: name, schedule: '0 0 1 1 *' });
    await world.settled(name);
    server.requests.reset();
    await world.pollAndSettle(name);
    const lists = server.requests.recent.filter((request) => request.query.prefix === 'steady/');
    assert.equal(lists.length, 1);
    const [last, first] = await db.query<{ list_requests: number; keys_listed: number }>(
      'select list_requests, keys_listed from s3_connector.polls where connector_name = $1 order by id desc',
      [name],
    );
    assert.deepEqual(first, { ...first, list_requests: 3, keys_listed: 2501 });
    assert.deepEqual(last, { ...last, list_requests: 1, keys_listed: 900 });
  });
}

test('a first scan lists ranges side by side, with each key once and few more requests, and a steady poll does not', async () => {
  const pageSize = 20;
  const keys = Array.from({ length: 5000 }, (_, i) => {
    const name = String(i).padStart(5, '0');
    return `ranges/${name.slice(0, 2)}/${name}.${i % 500 === 499 ? 'csv' : 'log'}`;
  });
  for (const key of keys) world.put(key, oneRow(1));
  // A new table would be made from a sample of files, which is listed too.
  await db.query('create table ranged (n integer)');
  server.requests.reset();
  const startAfters: string[] = [];
  const fault = server.faults.order({
    operation: 'ListObjectsV2',
    times: 1e6,
    listing: (sorted, options) => {
      if (!options.byToken && options.after !== '') startAfters.push(options.after);
      return listPage(sorted, { ...options, maxKeys: Math.min(options.maxKeys, pageSize) });
    },
  });
  await world.insertConnector({
    name: 'ranges',
    pattern: 'ranges/**/*.csv',
    target_table: 'ranged',
    schedule: NEVER_AGAIN,
  });
  const files = await world.settled('ranges');
  fault.cancel();
  assert.deepEqual(
    files.map(({ key, status }) => [key, status]),
    keys.filter((key) => key.endsWith('.csv')).map((key) => [key, 'success']),
  );
  const polls = await db.query<{ list_requests: number; keys_listed: number }>(
    "select list_requests, keys_listed from s3_connector.polls where connector_name = 'ranges'",
  );
  assert.deepEqual(
    polls.map((poll) => poll.keys_listed),
    [keys.length],
    'one poll lists each key once',
  );
  assert.ok(startAfters.length > 8, `${startAfters.length} ranges`);
  assert.equal(polls[0]!.list_requests, server.requests.count('ListObjectsV2'));
  assert.ok(
    polls[0]!.list_requests <= keys.length / pageSize + 3 * startAfters.length,
    `${polls[0]!.list_requests} requests, ${startAfters.length} ranges`,
  );

  const requestsOfPoll = async () => {
    server.requests.reset();
    await world.pollAndSettle('ranges');
    return server.requests.count('ListObjectsV2');
  };
  assert.equal(await requestsOfPoll(), 1, 'the scan has seen that the folder is not crowded');
  await db.query(
    "update s3_connector_private.progress set ended_at = ended_at - interval '6 minutes' where connector_name = 'ranges'",
  );
  assert.equal(await requestsOfPoll(), 2, 'after five minutes, a poll looks again');
  assert.equal(await requestsOfPoll(), 1);
  world.put('ranges/zz/new.csv', 'n\n1\n');
  assert.equal(await requestsOfPoll(), 2, 'a poll that lists a new key looks before it passes it');
});

test('a poll records every LIST request, also if it fails', async () => {
  // Two pages, neither of which has a matching key.
  for (let i = 0; i < 1500; i++) world.put(`counted/${i}.log`, 'x');
  server.requests.reset();
  // The first page comes at the SDK's second try. The second page is refused, and then the bucket answers.
  server.faults.order({ operation: 'ListObjectsV2', error: { status: 503, code: 'SlowDown' } });
  server.faults.order({ operation: 'ListObjectsV2' });
  server.faults.order({ operation: 'ListObjectsV2', error: { status: 403, code: 'AccessDenied' } });
  await world.insertConnector({
    name: 'counted',
    pattern: 'counted/*.csv',
    target_table: 'counted',
    schedule: NEVER_AGAIN,
  });
  const [poll] = await db.waitFor<{ error_code: string | null; list_requests: number }>(
    "select error_code, list_requests from s3_connector.polls where connector_name = 'counted'",
    (rows) => rows.length === 1,
  );
  const sent = server.requests.recent.filter(({ query }) => query.prefix === 'counted/');
  assert.deepEqual([poll!.error_code, poll!.list_requests], ['access_denied', sent.length]);
  assert.equal(sent.length, 4);
});

test('a pattern without ** does not list subfolders', async () => {
  for (let i = 0; i < 1500; i++) world.put(`flat/sub/${i}.csv`, oneRow(i));
  world.put('flat/a.csv', oneRow(1));
  await world.insertConnector({ name: 'flat', pattern: 'flat/', target_table: 'flat' });
  const files = await world.settled('flat');
  assert.deepEqual(
    files.map((file) => file.key),
    ['flat/a.csv'],
  );
  const poll = await db.one<{ list_requests: number }>(
    "select list_requests from s3_connector.polls where connector_name = 'flat' order by id limit 1",
  );
  assert.equal(poll.list_requests, 1);
});

test('the marker never passes an object younger than min_object_age', async () => {
  server.store.put(world.bucket, 'age/1.csv', oneRow(1), { lastModified: new Date(Date.now() - 3_600_000) });
  world.put('age/2.csv', oneRow(2));
  server.store.put(world.bucket, 'age/3.csv', oneRow(3), { lastModified: new Date(Date.now() - 3_600_000) });
  await world.insertConnector({
    name: 'age',
    pattern: 'age/*',
    target_table: 'aged',
    min_object_age: '10 minutes',
  });
  assert.deepEqual(
    (await world.settled('age')).map((file) => file.key),
    ['age/1.csv'],
  );
  server.store.put(world.bucket, 'age/2.csv', oneRow(2), { lastModified: new Date(Date.now() - 700_000) });
  assert.deepEqual(
    (await world.pollAndSettle('age')).map((file) => file.key),
    ['age/1.csv', 'age/2.csv', 'age/3.csv'],
  );
});

test('start_after excludes keys up to it, and moving the marker back imports nothing twice', async () => {
  for (let i = 1; i <= 4; i++) world.put(`from/${i}.csv`, oneRow(i));
  await world.insertConnector({
    name: 'from',
    pattern: 'from/*',
    target_table: 'from_there',
    start_after: 'from/2.csv',
  });
  assert.deepEqual(
    (await world.settled('from')).map((file) => file.key),
    ['from/3.csv', 'from/4.csv'],
  );
  await db.query("select s3_connector.set_marker('from', null)");
  const files = await world.settled('from');
  assert.deepEqual(
    files.map((file) => [file.key, file.attempts]),
    [1, 2, 3, 4].map((n) => [`from/${n}.csv`, 1]),
  );
  assert.deepEqual(await db.query('select count(*), count(distinct n) as different from from_there'), [
    { count: 4, different: 4 },
  ]);
});

test('polls and connector_status show a missing bucket, and an endpoint that is not allowed', async () => {
  await world.insertConnector({
    name: 'nowhere',
    bucket: 'no-such-bucket',
    pattern: '**',
    target_table: 'nothing',
  });
  await world.insertConnector({
    name: 'inside',
    endpoint: 'http://169.254.169.254',
    pattern: '**',
    target_table: 'nothing',
  });
  for (const [name, code, says] of [
    ['nowhere', 'bucket_missing', /no-such-bucket/],
    ['inside', 'endpoint_not_allowed', /S3_ALLOWED_ENDPOINTS/],
  ] as const) {
    const [poll] = await db.waitFor<{ error_code: string; error: string }>(
      'select error_code, error from s3_connector.polls where connector_name = $1',
      (rows) => rows.length > 0,
      { values: [name] },
    );
    assert.equal(poll!.error_code, code);
    assert.match(poll!.error, says);
    const status = await db.one<{ last_error: string; caught_up: boolean }>(
      `select last_error, caught_up from s3_connector.connector_status where name = '${name}'`,
    );
    assert.match(status.last_error, says);
    assert.equal(status.caught_up, false);
  }
});

test('a poll is committed whole or not at all', async () => {
  // The marker moved between listing and commit: no key of the listing may stay.
  world.put('atomic/1.csv', oneRow(1));
  await world.insertConnector({
    name: 'atomic',
    pattern: 'atomic/*',
    target_table: 'atomic',
    state: 'paused',
  });
  const commit = (marker: string | null) =>
    db.one<{ enqueued: number | null }>(
      `select s3_connector_private.commit_poll('atomic', $1, null,
        '[{"key": "atomic/1.csv", "etag": "x", "size_bytes": 1, "last_modified": "2026-01-01"}]', null, false, now(), now(), 1, 1, 1) as enqueued`,
      [marker],
    );
  assert.equal((await commit(null)).enqueued, null, 'a paused connector takes no files');
  await db.query(
    "update s3_connector_private.progress set marker = 'atomic/0.csv' where connector_name = 'atomic'",
  );
  await db.query("update s3_connector.connectors set state = 'running' where name = 'atomic'");
  assert.equal((await commit('atomic/00.csv')).enqueued, null, 'a marker that moved takes no files');
  await world.settled('atomic');
  assert.deepEqual(
    await db.query("select status, attempts from s3_connector.files where connector_name = 'atomic'"),
    [{ status: 'success', attempts: 1 }],
  );
});
