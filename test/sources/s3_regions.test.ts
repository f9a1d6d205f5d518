import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
before(() => world.startWorker());
server.store.createBucket('far-away', { region: 'eu-west-1' });

test('the region of a bucket is looked up once, not for every request', async () => {
  for (const n of [1, 2, 3, 4, 5]) server.store.put('far-away', `far/${n}.csv`, `n\n${n}\n`);
  await db.query('create table far (n integer)');
  await world.insertConnector({
    schedule: NEVER_AGAIN,
    name: 'far',
    bucket: 'far-away',
    pattern: 'far/*',
    target_table: 'far',
  });
  const files = await world.settled('far');
  assert.deepEqual(
    files.map(({ status }) => status),
    Array(5).fill('success'),
    files[0]?.error_message ?? '',
  );
  assert.deepEqual(
    server.requests.recent.map(({ operation, status }) => [operation, status]),
    [['ListObjectsV2', 301], ['ListObjectsV2', 200], ...Array(5).fill(['GetObject', 200])],
  );
});

test("the connector's region is used, and a wrong one gives an error that says so", async () => {
  server.requests.reset();
  await world.insertConnector({
    name: 'wrong',
    schedule: NEVER_AGAIN,
    bucket: 'far-away',
    region: 'ap-south-1',
    pattern: 'far/*',
    target_table: 'far',
  });
  const [poll] = await db.waitFor<{ error: string }>(
    "select error from s3_connector.polls where connector_name = 'wrong'",
    (polls) => polls.length > 0,
  );
  assert.match(poll!.error, /in another region than the connector says.*to null/);
  // The second request asks whether the bucket can be read at all.
  assert.deepEqual(
    server.requests.recent.map(({ status }) => status),
    [400, 400],
  );
});
