import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// Keys that a poll listed beyond the free places, and where scans of long runs of other keys go on.

const world = await openWorld();
const { db, server } = world;
before(() => world.startWorker());

const oneRow = (n: number) => `n\n${n}\n`;
const name = (n: number) => String(n).padStart(6, '0');

/** With its table, because without one files are imported one at a time. */
const insert = async (connector: string, columns: Record<string, unknown> = {}) => {
  await db.query(`create table ${connector} (n integer)`);
  await world.insertConnector({
    name: connector,
    pattern: `${connector}/**/*.csv`,
    target_table: connector,
    schedule: NEVER_AGAIN,
    ...columns,
  });
};

const upcoming = async (connector: string) =>
  (
    await db.query<{ key: string }>(
      'select key from s3_connector_private.upcoming_keys where connector_name = $1 order by key',
      [connector],
    )
  ).map(({ key }) => key);

const requests = async (connector: string) =>
  (
    await db.one<{ requests: number }>(
      'select sum(list_requests) as requests from s3_connector.polls where connector_name = $1',
      [connector],
    )
  ).requests;

/** Holds up the import of the first of these keys, whose connector has one place. */
async function insertHeld(connector: string, keys: string[], columns: Record<string, unknown> = {}) {
  for (const [n, key] of keys.entries()) world.put(key, oneRow(n));
  const held = server.faults.order({ operation: 'GetObject', key: keys[0]!, stall: { after: 1 } });
  await insert(connector, { max_tracked_files: 1, ...columns });
  await held.hit();
  return held;
}

test('a LIST answer is used whole, however few places there are', async () => {
  server.store.putMany(
    world.bucket,
    Array.from({ length: 400 }, (_, n) => ({ key: `whole/${name(n)}.csv`, body: '' })),
  );
  const startedAt = Date.now();
  await insert('whole', { max_tracked_files: 10 });
  const files = await world.settled('whole');
  assert.equal(files.length, 400);
  assert.ok(files.every(({ status }) => status === 'success'));
  // One page, and one or two requests that find nothing more. What was listed a minute ago is listed again.
  const minutes = Math.ceil((Date.now() - startedAt) / 60_000);
  const sent = await requests('whole');
  assert.ok(sent >= 2 && sent <= 4 + 2 * minutes, `${sent} requests`);
});

test('upcoming keys count as waiting, and the connector has not caught up', async () => {
  const keys = [1, 2, 3].map((n) => `counted/${n}.csv`);
  const held = await insertHeld('counted', keys);
  assert.deepEqual(await upcoming('counted'), keys.slice(1));
  const status = await db.one(
    "select running, waiting, caught_up, eta from s3_connector.connector_status where name = 'counted'",
  );
  assert.deepEqual(status, { running: 1, waiting: 2, caught_up: false, eta: null });
  held.release();
  await world.settled('counted');
  // In one transaction, so that the worker does not see them.
  const client = await db.connect();
  await client.query('begin');
  await client.query(
    `insert into s3_connector_private.upcoming_keys
    select 'counted', 'counted/' || n || '.csv', '"e"', 4, now() from generate_series(4, 6) n`,
  );
  const { rows } = await client.query<{ waiting: number; share: number }>(
    `select waiting, extract(epoch from eta) / extract(epoch from now() - c.created_at) as share
    from s3_connector.connector_status s join s3_connector.connectors c using (name) where name = 'counted'`,
  );
  // As many bytes wait as were imported since the connector was inserted.
  assert.deepEqual(
    rows.map(({ waiting, share }) => [waiting, Math.round(share * 100)]),
    [[3, 100]],
  );
  await client.query('rollback');
});

test('upcoming keys whose objects were overwritten or deleted are imported as they are now, or fail', async () => {
  const keys = [1, 2, 3, 4].map((n) => `stale/${n}.csv`);
  const held = await insertHeld('stale', keys);
  world.put(keys[1]!, oneRow(20));
  server.store.delete(world.bucket, keys[2]!);
  held.release();
  const files = await world.settled('stale');
  assert.deepEqual(
    files.map(({ status, error_code }) => [status, error_code]),
    [
      ['success', null],
      ['success', null],
      ['failure', 'object_missing'],
      ['success', null],
    ],
  );
  assert.deepEqual(await db.query('select n from stale order by n'), [{ n: 0 }, { n: 3 }, { n: 20 }]);
});

test('a poll lists upcoming keys again, and finds those that have arrived among them', async () => {
  const keys = [1, 3, 5].map((n) => `among/${n}.csv`);
  const held = await insertHeld('among', keys);
  world.put('among/2.csv', oneRow(2));
  server.store.delete(world.bucket, 'among/5.csv');
  await db.query("select s3_connector.poll_now('among')");
  held.release();
  assert.deepEqual(
    (await world.settled('among')).map(({ key }) => key),
    [1, 2, 3].map((n) => `among/${n}.csv`),
  );
});

const CHANGES: [what: string, change: string][] = [
  ['the marker is set', "select s3_connector.set_marker('NAME', 'NAME/1.csv')"],
  [
    'start_after changes',
    "update s3_connector.connectors set start_after = 'NAME/2.csv' where name = 'NAME'",
  ],
  ['the pattern changes', "update s3_connector.connectors set pattern = 'NAME/*.csv' where name = 'NAME'"],
  ['the bucket changes', "update s3_connector.connectors set bucket = 'another-bucket' where name = 'NAME'"],
];
for (const [n, [what, change]] of CHANGES.entries()) {
  test(`upcoming keys and positions are forgotten if ${what}`, async () => {
    const connector = `changed_${n}`;
    const keys = [1, 2, 3].map((key) => `${connector}/${key}.csv`);
    const held = await insertHeld(connector, keys);
    await db.query(
      "update s3_connector_private.progress set scan_position = 'x', look_behind = 'x', end_position = 'x', tail_position = 'x' where connector_name = $1",
      [connector],
    );
    await db.query('select s3_connector.pause($1)', [connector]);
    assert.deepEqual(await upcoming(connector), keys.slice(1), 'a pause keeps them');
    await db.query(change.replaceAll('NAME', connector));
    assert.deepEqual(await upcoming(connector), []);
    assert.deepEqual(
      await db.one(
        'select scan_position, look_behind, end_position, tail_position, backlog from s3_connector_private.progress where connector_name = $1',
        [connector],
      ),
      { scan_position: null, look_behind: null, end_position: null, tail_position: null, backlog: true },
    );
    held.release();
  });
}

test('a listing of an earlier pattern, bucket or marker is not committed', async () => {
  for (const n of [1, 2, 3]) world.put(`raced/${n}.csv`, oneRow(n));
  for (const [key, change, expected] of [
    ['pattern', 'set_pattern', ['raced/2.csv']],
    ['marker', 'set_marker', ['raced/3.csv']],
  ] as const) {
    const connector = `raced_${key}`;
    server.faults.order({
      operation: 'ListObjectsV2',
      before: async () => {
        if (change === 'set_marker') {
          await db.query("select s3_connector.set_marker($1, 'raced/2.csv')", [connector]);
          return;
        }
        await db.query('select s3_connector.pause($1)', [connector]);
        await db.query("update s3_connector.connectors set pattern = 'raced/2.csv' where name = $1", [
          connector,
        ]);
        await db.query('select s3_connector.resume($1)', [connector]);
      },
    });
    await insert(connector, { pattern: 'raced/*.csv' });
    assert.deepEqual(
      (await world.settled(connector)).map((file) => file.key),
      expected,
    );
  }
});

test('two polls at once, a pause and a resume between them, import every key once', async () => {
  const keys = Array.from({ length: 40 }, (_, n) => `twice/${name(n)}.csv`);
  for (const [n, key] of keys.entries()) world.put(key, oneRow(n));
  await world.startWorker();
  await insert('twice', { max_tracked_files: 5 });
  for (let n = 0; n < 5; n++) {
    await db.query("select s3_connector.poll_now('twice')");
    await db.query("select s3_connector.pause('twice')");
    await db.query("select s3_connector.resume('twice')");
  }
  const files = await world.settled('twice');
  assert.deepEqual(
    files.map(({ key, status, attempts }) => [key, status, attempts]),
    keys.map((key) => [key, 'success', 1]),
  );
  assert.deepEqual(await db.one('select count(*), count(distinct n) as different from twice'), {
    count: 40,
    different: 40,
  });
});

test('120,000 keys that do not match are listed once, and a key that arrives among them is found', async () => {
  server.store.putMany(
    world.bucket,
    (function* () {
      for (let n = 0; n < 120_000; n++) yield { key: `none/${name(n)}.log`, body: '' };
    })(),
  );
  await insert('none');
  await world.settled('none');
  const first = await requests('none');
  // Pages of ranges that are listed side by side end at borders, and not only after 1,000 keys.
  assert.ok(first >= 120 && first <= 160, `${first} requests`);
  for (let n = 0; n < 3; n++) await world.pollAndSettle('none');
  const later = await db.query<{ list_requests: number }>(
    "select list_requests from s3_connector.polls where connector_name = 'none' and list_requests < 20 order by id",
  );
  assert.ok(later.length >= 3);
  assert.deepEqual(
    later.filter(({ list_requests }) => list_requests > 1),
    [{ list_requests: 4 }],
    'one of them walked three pages',
  );
  world.put('none/120000.csv', oneRow(1));
  world.put('none/020000.csv', oneRow(2));
  assert.equal(
    (await world.pollAndSettle('none')).length,
    2,
    'what arrives at the end is found at once, and all before it',
  );
});

test('a key in the middle of many others is found once the walk has come to it', async () => {
  server.store.putMany(
    world.bucket,
    Array.from({ length: 20_000 }, (_, n) => ({ key: `walk/${name(n)}.log`, body: '' })),
  );
  await insert('walk');
  await world.settled('walk');
  world.put('walk/012000.csv', oneRow(1));
  let polls = 0;
  while ((await world.pollAndSettle('walk')).length === 0) {
    polls += 1;
    assert.ok(polls <= 7, `${polls} polls`);
    // As if five minutes had gone by.
    await db.query(
      "update s3_connector_private.progress set tail_walked_at = null where connector_name = 'walk'",
    );
  }
  assert.deepEqual(await db.query('select n from walk'), [{ n: 1 }]);
});
