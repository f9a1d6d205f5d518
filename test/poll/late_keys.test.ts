import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { seeded, shuffle } from '../support/random.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// Keys that arrive behind the marker, and objects that are overwritten: what polls find of them.

const world = await openWorld();
const { db, server } = world;
before(() => world.startWorker());

const oneRow = (n: number) => `n\n${n}\n`;
const name = (n: number) => String(n).padStart(5, '0');

/** With its table, because without one files are imported one at a time. */
const insert = async (connector: string, columns: Record<string, unknown> = {}) => {
  await db.query(`create table if not exists ${connector} (n integer)`);
  await world.insertConnector({
    name: connector,
    pattern: `${connector}/**`,
    target_table: connector,
    schedule: NEVER_AGAIN,
    ...columns,
  });
};

const lateFiles = (connector: string) =>
  db.query('select key, reason from s3_connector.late_files where connector_name = $1 order by key', [
    connector,
  ]);

const values = async (table: string) =>
  (await db.query<{ n: number }>(`select n from ${table} order by n`)).map(({ n }) => n);

test('late_keys report: a poll reports late and overwritten keys, with its one LIST request', async () => {
  for (const n of [1, 3, 5]) world.put(`told/${n}.csv`, oneRow(n));
  await insert('told');
  await world.settled('told');
  world.put('told/2.csv', oneRow(2));
  world.put('told/3.csv', oneRow(33));
  world.put('told/6.csv', oneRow(6));
  server.requests.reset();
  const files = await world.pollAndSettle('told');
  assert.equal(server.requests.count('ListObjectsV2'), 1);
  assert.deepEqual(
    files.map(({ key }) => key),
    [1, 3, 5, 6].map((n) => `told/${n}.csv`),
  );
  assert.deepEqual(await lateFiles('told'), [
    { key: 'told/2.csv', reason: 'late' },
    { key: 'told/3.csv', reason: 'overwritten' },
  ]);
  assert.deepEqual(
    await db.one(
      "select late, waiting, eta, caught_up from s3_connector.connector_status where name = 'told'",
    ),
    { late: 2, waiting: 0, eta: null, caught_up: true },
  );
  assert.deepEqual(
    await db.query(
      `select value from s3_connector.metrics
      where name in ('s3_connector_late_files', 's3_connector_waiting_files') and labels ->> 'connector' = 'told' order by name`,
    ),
    [{ value: 2 }, { value: 0 }],
  );
  await db.query("select s3_connector.import_late('told', '**/2.csv')");
  await world.settled('told');
  assert.deepEqual(await values('told'), [1, 2, 3, 5, 6]);
  world.put('told/3.csv', oneRow(3));
  await world.pollAndSettle('told');
  assert.deepEqual(await lateFiles('told'), [], 'the object is again the version that was imported');
});

test('on_overwrite ignore: a poll does not report overwritten keys', async () => {
  world.put('ignored/1.csv', oneRow(1));
  await insert('ignored', { on_overwrite: 'ignore' });
  await world.settled('ignored');
  world.put('ignored/1.csv', oneRow(11));
  await world.pollAndSettle('ignored');
  assert.deepEqual(await lateFiles('ignored'), []);
});

test('late_keys import: keys in random order are imported once each, in one LIST request a poll', async () => {
  const keys = 240;
  const random = seeded(7);
  // Each key arrives at most 80 keys too late. The first ones are there when the connector is inserted.
  const blocks = Array.from({ length: 3 }, (_, block) =>
    shuffle(
      random,
      Array.from({ length: 80 }, (_, n) => block * 80 + n),
    ),
  );
  const order = blocks.flat();
  await insert('shuffled', { late_keys: 'import', max_tracked_files: 20 });
  await world.settled('shuffled');
  server.requests.reset();
  let polls = 0;
  for (let at = 0; at < keys; at += 40, polls += 1) {
    for (const n of order.slice(at, at + 40)) world.put(`shuffled/${name(n)}.csv`, oneRow(n));
    await db.query("select s3_connector.poll_now('shuffled')");
    if (polls % 3 === 2) await world.settled('shuffled');
  }
  const files = await world.pollAndSettle('shuffled');
  assert.equal(files.length, keys);
  assert.ok(files.every(({ status, attempts }) => status === 'success' && attempts === 1));
  assert.deepEqual(
    await values('shuffled'),
    Array.from({ length: keys }, (_, n) => n),
  );
  const { requests, counted } = await db.one<{ requests: number; counted: number }>(
    "select sum(list_requests) as requests, count(*) as counted from s3_connector.polls where connector_name = 'shuffled'",
  );
  assert.equal(requests, counted, 'every poll made one request');
});

test('late_keys import: a key beyond the reach of polls is imported once an audit has found it', async () => {
  world.put('far/00000.csv', oneRow(0));
  for (let n = 10; n < 1000; n++) world.put(`far/${name(n)}.log`, '');
  world.put('far/00999.csv', oneRow(999));
  await insert('far', { late_keys: 'import', pattern: 'far/*.csv' });
  await world.settled('far');
  world.put('far/00001.csv', oneRow(1));
  await world.pollAndSettle('far');
  assert.deepEqual(await lateFiles('far'), []);
  await db.query("call s3_connector.audit('far')");
  await world.pollAndSettle('far');
  assert.deepEqual(await values('far'), [0, 1, 999]);
});

test('late keys beyond the places are imported as places become free, without another poll', async () => {
  for (const n of [100, 101]) world.put(`many/${name(n)}.csv`, oneRow(n));
  await insert('many', { late_keys: 'import', max_tracked_files: 4 });
  await world.settled('many');
  for (let n = 0; n < 30; n++) world.put(`many/${name(n)}.csv`, oneRow(n));
  await world.pollAndSettle('many');
  assert.equal((await values('many')).length, 32);
  assert.equal((await db.query("select from s3_connector.polls where connector_name = 'many'")).length, 2);
});

test('a young key behind the marker is left for a later poll', async () => {
  const old = { lastModified: new Date(Date.now() - 3_600_000) };
  for (const n of [1, 3]) server.store.put(world.bucket, `ripe/${n}.csv`, oneRow(n), old);
  await insert('ripe', { late_keys: 'import', min_object_age: '10 minutes' });
  await world.settled('ripe');
  world.put('ripe/2.csv', oneRow(2));
  assert.equal((await world.pollAndSettle('ripe')).length, 2);
  server.store.put(world.bucket, 'ripe/2.csv', oneRow(2), old);
  assert.equal((await world.pollAndSettle('ripe')).length, 3);
});

test('a connector that is inserted again with start_after imports nothing again', async () => {
  for (const n of [1, 2, 3]) world.put(`again/${n}.csv`, oneRow(n));
  const columns = { late_keys: 'import', start_after: 'again/3.csv' };
  await insert('again', columns);
  await world.settled('again');
  world.put('again/4.csv', oneRow(4));
  await world.pollAndSettle('again');
  await world.pollAndSettle('again');
  assert.deepEqual(await values('again'), [4]);
  assert.deepEqual(await lateFiles('again'), []);
});

test('polls look behind the marker also after an upgrade, which has not noted where', async () => {
  for (const n of [1, 3, 5]) world.put(`upgraded/${n}.csv`, oneRow(n));
  await insert('upgraded', { late_keys: 'import' });
  await world.settled('upgraded');
  await db.query(
    "update s3_connector_private.progress set look_behind = null where connector_name = 'upgraded'",
  );
  world.put('upgraded/4.csv', oneRow(4));
  await world.pollAndSettle('upgraded');
  assert.deepEqual(await values('upgraded'), [1, 3, 4, 5]);
});

test('set_marker forward says that the keys in between count as late, and polls do not list them', async () => {
  for (let n = 0; n < 1500; n++) world.put(`skipped/${name(n)}.csv`, '');
  await insert('skipped', { late_keys: 'import', state: 'paused', start_after: 'skipped/00000.csv' });
  const notices: string[] = [];
  const client = await db.connect();
  client.on('notice', ({ message, hint }) => notices.push(`${message} ${hint}`));
  await client.query("select s3_connector.set_marker('skipped', 'skipped/01400.csv')");
  assert.match(
    notices.join(),
    /between the earlier marker 'skipped\/00000.csv' and 'skipped\/01400.csv' count as late.*start_after = 'skipped\/01400.csv'/,
  );
  await client.query("select s3_connector.set_marker('skipped', 'skipped/01390.csv')");
  assert.equal(notices.length, 1, 'back');
  await db.query("select s3_connector.resume('skipped')");
  assert.equal((await world.settled('skipped')).length, 109);
  await world.pollAndSettle('skipped');
  assert.deepEqual(await lateFiles('skipped'), []);
  assert.equal((await world.settled('skipped')).length, 109);
});
