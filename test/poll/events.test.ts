import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startSqsServer } from '../../embedded/sqs/server.ts';
import { objectEvents } from '../../src/events/s3_event.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, bucket } = world;
const queue = await startSqsServer();
let worker: WorkerProcess;
before(async () => {
  worker = await world.startWorker({ S3_ALLOWED_ENDPOINTS: `${world.server.endpoint},${queue.endpoint}` });
});
after(() => queue.close());

const event = (key: string, bucketName = bucket) =>
  JSON.stringify({
    Records: [{ eventName: 'ObjectCreated:Put', s3: { bucket: { name: bucketName }, object: { key } } }],
  });

/** A schedule that is not due again before next year. */
async function insert(name: string, columns: Record<string, unknown> = {}) {
  await db.query(`create table ${name} (n integer)`);
  await world.insertConnector({
    name,
    pattern: `${name}/**`,
    target_table: name,
    schedule: '0 0 1 1 *',
    event_queue_url: queue.url,
    ...columns,
  });
  await world.settled(name);
}

const polls = async (name: string) =>
  (
    await db.one<{ n: number }>('select count(*) as n from s3_connector.polls where connector_name = $1', [
      name,
    ])
  ).n;
const imported = (name: string, files: number) =>
  db.waitFor<{ n: number }>(
    "select count(*) as n from s3_connector.files where connector_name = $1 and status = 'success'",
    ([row]) => row?.n === files,
    { values: [name] },
  );
const handled = () => until('the worker has deleted every message', () => queue.kept === 0);

test('an event for a matching key polls the connector, and its message is deleted', async () => {
  await insert('told');
  await insert('other');
  assert.deepEqual([await polls('told'), await polls('other')], [1, 1]);
  world.put('told/1 ü.csv', 'n\n1\n');
  queue.send(event('told/1+%C3%BC.csv'));
  await imported('told', 1);
  await handled();
  assert.equal(await polls('other'), 1);
});

test('a message that matches nothing, or is not an event, is deleted and starts no poll', async () => {
  const before = await polls('told');
  queue.send(event('elsewhere/1.csv'));
  queue.send(event('told/2.csv', 'another-bucket'));
  queue.send('no JSON');
  queue.send(JSON.stringify({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: bucket }));
  await handled();
  assert.equal(await polls('told'), before);
});

test('an event for an object that does not exist does no harm', async () => {
  const before = await polls('told');
  queue.send(event('told/never written.csv'));
  await db.waitFor<{ n: number }>(
    "select count(*) as n from s3_connector.polls where connector_name = 'told'",
    ([row]) => row!.n > before,
  );
  assert.equal((await world.settled('told')).length, 1);
});

test('if the queue fails, scheduled polls continue, and events continue when it is back', async () => {
  queue.fail(1000);
  // Ends the waiting request, without a message.
  queue.send('no JSON');
  await worker.logged('event queue failed');
  world.put('told/3.csv', 'n\n3\n');
  assert.equal((await world.pollAndSettle('told')).length, 2);
  queue.fail(0);
  world.put('told/4.csv', 'n\n4\n');
  queue.send(event('told/4.csv'));
  await imported('told', 3);
});

test('a queue that is neither at AWS nor allowed gets no request', async () => {
  await insert('disallowed', { event_queue_url: 'http://127.0.0.1:9/123456789012/q' });
  await until('the worker says so', () =>
    worker.lines.some(({ error }) =>
      /neither at AWS nor at one of the worker's S3_ALLOWED_ENDPOINTS/.test(String(error)),
    ),
  );
  world.put('disallowed/1.csv', 'n\n1\n');
  assert.equal((await world.pollAndSettle('disallowed')).length, 1);
});

test('many events cause few polls, and none for paused connectors', async () => {
  await insert('many');
  for (let i = 0; i < 5; i++) world.put(`many/${i}.csv`, 'n\n1\n');
  await Promise.all(
    Array.from({ length: 20 }, () => db.query("select s3_connector_private.poll_soon('{many}')")),
  );
  const jobs =
    "select count(*) as n from s3_connector_queue.jobs where key = 'poll:' || $1 and locked_at is null";
  assert.ok((await db.one<{ n: number }>(jobs, ['many'])).n <= 1);
  await imported('many', 5);
  assert.ok((await polls('many')) <= 1 + 5, `${await polls('many')} polls`);
  await db.query("select s3_connector.pause('many'), s3_connector_private.poll_soon('{many}')");
  assert.equal((await db.one<{ n: number }>(jobs, ['many'])).n, 0);
});

describe('event messages', () => {
  const created = { bucket: 'b', key: 'a b+c/ü%.csv', etag: '"e1"', kind: 'created' };
  const s3 = {
    bucket: { name: 'b' },
    object: { key: 'a+b%2Bc/%C3%BC%25.csv', size: 3, eTag: 'e1', versionId: 'v' },
  };
  const record = { eventName: 'ObjectCreated:Put', s3 };
  const detail = {
    bucket: { name: 'b' },
    object: { key: 'a b+c/ü%.csv', size: 3, etag: 'e1', 'version-id': 'v' },
  };
  const named = (eventName: string) => ({ Records: [{ ...record, eventName }] });
  const keyed = (key: string) => ({ Records: [{ ...record, s3: { ...s3, object: { key } } }] });
  const forms: Record<string, [body: unknown, expected: unknown[]]> = {
    "S3's own": [{ Records: [record, { s3: {} }, null] }, [created]],
    "SNS's": [{ Type: 'Notification', Message: JSON.stringify({ Records: [record] }) }, [created]],
    "EventBridge's": [{ 'detail-type': 'Object Created', detail }, [created]],
    "EventBridge's through SNS": [
      { Message: JSON.stringify({ 'detail-type': 'Object Created', detail }) },
      [created],
    ],
    "with the prefix of other servers' names, and the ETag's quotes": [
      {
        Records: [
          { eventName: 's3:ObjectCreated:Copy', s3: { ...s3, object: { ...s3.object, eTag: '"e1"' } } },
        ],
      },
      [created],
    ],
    'without a name and an ETag': [
      { Records: [{ s3: { ...s3, object: { key: s3.object.key } } }] },
      [{ ...created, etag: null }],
    ],
    'a finished restore': [named('ObjectRestore:Completed'), [{ ...created, kind: 'restored' }]],
    "a finished restore of EventBridge's": [
      { 'detail-type': 'Object Restore Completed', detail },
      [{ ...created, kind: 'restored' }],
    ],
    'a restore that begins': [named('ObjectRestore:Post'), []],
    'a deleted object': [named('ObjectRemoved:Delete'), []],
    'a delete marker': [named('ObjectRemoved:DeleteMarkerCreated'), []],
    "a deleted object of EventBridge's": [{ 'detail-type': 'Object Deleted', detail }, []],
    tags: [named('ObjectTagging:Put'), []],
    'a name that is no text': [{ Records: [{ ...record, eventName: 1 }] }, []],
    'a key that is not encoded': [keyed('100%'), []],
    'a key with a NUL character': [keyed('a%00'), []],
    'a key that is half a character': [keyed('a\ud800'), []],
    'a key longer than any': [keyed('x'.repeat(1025)), []],
    'more records than S3 sends': [{ Records: Array(1001).fill(record) }, []],
    'no object': [null, []],
    'an array': [[1], []],
  };
  for (const [name, [body, expected]] of Object.entries(forms)) {
    test(name, () => assert.deepEqual(objectEvents(JSON.stringify(body)), expected));
  }
});
