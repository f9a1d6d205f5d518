import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startSqsServer } from '../../embedded/sqs/server.ts';
import { QueueTurns } from '../../src/events/queue_turns.ts';
import { LISTENERS } from '../../src/worker/event_queues.ts';
import { until } from '../support/until.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
const sqs = await startSqsServer();
after(() => sqs.close());

test('owners take turns, and so do the queues of one owner', () => {
  const turns = new QueueTurns<{ owner: string; name: string }>();
  const add = (...names: string[]) => {
    for (const name of names) turns.add({ owner: name[0]!, name });
  };
  const take = () => turns.take()?.name;
  add('a1', 'a2', 'a3', 'b1');
  assert.deepEqual([take(), take()], ['a1', 'b1']);
  add('b1', 'a1');
  const rest = Array.from({ length: 5 }, take);
  assert.deepEqual(rest, ['a2', 'b1', 'a3', 'a1', undefined]);
});

test('a worker waits for at most LISTENERS queues at the same time, and every queue is served', async () => {
  const queues = LISTENERS + 30;
  await db.query(
    `insert into s3_connector.connectors
        (name, bucket, pattern, file_format, target_table, endpoint, schedule, event_queue_url)
      select 'c' || n, $1, n || '/*', 'csv', 'target', $2, $3, $4 || n from generate_series(1, $5::integer) n`,
    [world.bucket, server.endpoint, NEVER_AGAIN, sqs.urlOf(''), queues],
  );
  await db.query('create table target (n integer)');
  for (let round = 1; round <= 2; round++) {
    for (let n = 1; n <= queues; n++) {
      const key = `${n}/${round}.csv`;
      world.put(key, 'n\n1\n');
      const s3 = { bucket: { name: world.bucket }, object: { key } };
      sqs.send(JSON.stringify({ Records: [{ eventName: 'ObjectCreated:Put', s3 }] }), sqs.urlOf(String(n)));
    }
    if (round === 1) await world.startWorker({ S3_ALLOWED_ENDPOINTS: `${server.endpoint},${sqs.endpoint}` });
    // The second round's objects are only found by polls for events.
    await db.waitFor<{ success: number }>(
      "select count(*) as success from s3_connector.files where status = 'success'",
      ([row]) => row!.success === round * queues,
    );
    await until('every message is deleted', () => sqs.kept === 0);
  }
  await until('the worker waits for as many queues as it may', () => sqs.mostReceiving >= LISTENERS);
  assert.equal(sqs.mostReceiving, LISTENERS);
});
