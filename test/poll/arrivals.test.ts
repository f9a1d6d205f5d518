import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { listPage } from '../../embedded/bucket/listing.ts';
import { startSqsServer } from '../../embedded/sqs/server.ts';
import { pick, seeded, shuffle } from '../support/random.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// late_keys = import: keys that arrive in random order, and anywhere during a long scan. The model is the set of keys in the bucket.

const world = await openWorld();
const { db, server, bucket } = world;
const queue = await startSqsServer();
before(() =>
  world.startWorker({
    S3_ALLOWED_ENDPOINTS: `${server.endpoint},${queue.endpoint}`,
    AUDIT_REQUESTS_PER_MINUTE: '100000',
  }),
);
after(() => queue.close());

const SEED = Number(process.env.ARRIVALS_SEED ?? 1);
const name = (n: number) => String(n).padStart(6, '0');
const put = (folder: string, n: number) => world.put(`${folder}/${name(n)}.csv`, `n\n${n}\n`);

const insert = async (connector: string, columns: Record<string, unknown>) => {
  await db.query(`create table ${connector} (n integer)`);
  await world.insertConnector({
    name: connector,
    pattern: `${connector}/*.csv`,
    target_table: connector,
    schedule: NEVER_AGAIN,
    late_keys: 'import',
    ...columns,
  });
};

/** Each key of the model is one file, which was imported in one attempt, and its row is in the table once. */
const assertImported = async (connector: string, numbers: Iterable<number>) => {
  const expected = [...numbers].sort((a, b) => a - b);
  const rows = await db.query<{ n: number }>(`select n from ${connector} order by n`);
  assert.deepEqual(
    rows.map(({ n }) => n),
    expected,
  );
  assert.deepEqual(
    await db.query(
      `select status, attempts, count(*)::integer as files from s3_connector.files where connector_name = $1 group by 1, 2`,
      [connector],
    ),
    [{ status: 'success', attempts: 1, files: expected.length }],
  );
  assert.deepEqual(
    await db.query('select key from s3_connector.late_files where connector_name = $1', [connector]),
    [],
  );
};

for (const seed of [SEED, SEED + 1]) {
  test(`500 keys in random order are imported once each by polls and an audit, seed ${seed}`, async () => {
    const random = seeded(seed);
    const connector = `shuffled_${seed}`;
    await insert(connector, { max_tracked_files: pick(random, [50, 200, 2000]) });
    const order = shuffle(
      random,
      Array.from({ length: 500 }, (_, n) => n),
    );
    const arrived: number[] = [];
    while (order.length > 0) {
      const batch = order.splice(0, 50 + random(200));
      for (const n of batch) put(connector, n);
      arrived.push(...batch);
      if (random(3) === 0) await world.pollAndSettle(connector);
      else await db.query('select s3_connector.poll_now($1)', [connector]);
    }
    await world.pollAndSettle(connector);
    await db.query('call s3_connector.audit($1)', [connector]);
    await world.settled(connector);
    await assertImported(connector, arrived);
  });
}

const eventSeed = SEED + 2;
test(`with events, 200 keys in random order are imported once each without an audit, seed ${eventSeed}`, async () => {
  const random = seeded(eventSeed);
  await insert('events', { max_tracked_files: 1000, event_queue_url: queue.url });
  await world.settled('events');
  const order = shuffle(
    random,
    Array.from({ length: 200 }, (_, n) => n),
  );
  // Most keys arrive farther behind the marker than polls look.
  for (let n = 1000; n < 2000; n++) world.put(`events/${name(n)}.log`, '');
  put('events', 3000);
  await world.pollAndSettle('events');
  for (const n of order) {
    put('events', n);
    const key = `events/${name(n)}.csv`;
    const records = [
      { eventName: 'ObjectCreated:Put', s3: { bucket: { name: bucket }, object: { key, size: 4 } } },
    ];
    queue.send(JSON.stringify({ Records: records }));
    // Events come twice sometimes.
    if (random(10) === 0) queue.send(JSON.stringify({ Records: records }));
  }
  await db.waitFor<{ files: number }>(
    "select count(*)::integer as files from s3_connector.files where connector_name = 'events' and status = 'success'",
    ([row]) => row?.files === order.length + 1,
  );
  await assertImported('events', [...order, 3000]);
});

// With few places a scan takes several polls; with many, one poll lists ranges side by side.
for (const [seed, places] of [
  [SEED + 3, [5, 40]],
  [SEED + 4, [5000]],
] as const) {
  test(`keys that arrive anywhere during a long scan are imported before it is caught up, seed ${seed}`, async () => {
    const random = seeded(seed);
    const connector = `scanned_${seed}`;
    const names = 2400;
    const pageSize = 20;
    const matching = new Set<number>();
    const oneOf = pick(random, [10, 50]);
    for (let n = 0; n < names; n++) {
      if (random(oneOf) > 0) world.put(`${connector}/${name(n)}.log`, '');
      else {
        put(connector, n);
        matching.add(n);
      }
    }
    // The scan makes at least this many requests before it is at the end. Then nothing arrives any more.
    let arriving = Math.floor(names / pageSize) - 10;
    const fault = server.faults.order({
      operation: 'ListObjectsV2',
      times: 1e6,
      before: () => {
        if (arriving <= 0) return;
        arriving -= 1;
        if (random(3) > 0) return;
        const n = random(names);
        put(connector, n);
        matching.add(n);
      },
      listing: (keys, options) =>
        listPage(keys, { ...options, maxKeys: Math.min(options.maxKeys, pageSize) }),
    });
    await insert(connector, { max_tracked_files: pick(random, places) });
    await world.settled(connector);
    fault.cancel();
    assert.equal(arriving, 0);
    await assertImported(connector, matching);
    const { rechecks } = await db.one<{ rechecks: number }>(
      'select count(*)::integer as rechecks from s3_connector.audits where connector_name = $1 and recheck',
      [connector],
    );
    assert.ok(rechecks > 0);
  });
}

test('a key that arrives during a scan where the poll before would have found it is imported before it is caught up', async () => {
  const numbers = Array.from({ length: 40 }, (_, n) => n * 10);
  for (const n of numbers) put('behind', n);
  let requests = -1;
  const fault = server.faults.order({
    operation: 'ListObjectsV2',
    times: 1e6,
    before: () => {
      requests += Number(requests >= 0);
      if (requests === 3) put('behind', 385);
    },
    listing: (keys, options) => listPage(keys, { ...options, maxKeys: Math.min(options.maxKeys, 20) }),
  });
  await insert('behind', {});
  await world.settled('behind');
  for (let n = 400; n < 500; n++) put('behind', n);
  requests = 0;
  await world.pollAndSettle('behind');
  fault.cancel();
  assert.ok(requests > 3);
  await assertImported('behind', [...numbers, 385, ...Array.from({ length: 100 }, (_, n) => 400 + n)]);
});
