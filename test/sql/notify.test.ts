import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

// The notifications of a session that listens to the channel s3_connector.
const db = await testDatabase();

async function listen() {
  const client = await db.connect();
  const heard: string[] = [];
  client.on('notification', ({ channel, payload }) => {
    if (channel === 's3_connector') heard.push(payload!);
  });
  await client.query('listen s3_connector');
  /** Returns all notifications that were committed before. They come in the order of their commits, so the last one is ours. */
  return async () => {
    await db.query("select pg_notify('s3_connector', 'end')");
    await until('the listener has heard all', () => heard.at(-1) === 'end');
    return heard
      .splice(0)
      .slice(0, -1)
      .map((payload) => JSON.parse(payload) as Record<string, unknown>);
  };
}

const insertConnector = (name: string, columns = '', values = '') =>
  db.query(
    `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, state${columns})
    values ($1, 'some-bucket', '**', 'csv', 't', 'paused'${values})`,
    [name],
  );
const insertFile = (name: string, key: string) =>
  db.query(
    "insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified) values ($1, $2, 'e', 1, now())",
    [name, key],
  );

test('every change of a status is notified after its commit, and nothing else', async () => {
  await insertConnector('plain');
  const heard = await listen();
  const client = await db.connect();
  await db.query(`insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified)
    select 'plain', 'a/' || i, 'e', 1, now() from generate_series(1, 3) i`);
  assert.deepEqual(
    await heard(),
    [1, 2, 3].map((i) => ({ connector: 'plain', key: `a/${i}`, status: 'in_queue' })),
  );
  await db.query(
    "update s3_connector.files set size_bytes = 2; update s3_connector.files set status = 'in_queue'",
  );
  assert.deepEqual(await heard(), []);
  await client.query('begin');
  await client.query("update s3_connector.files set status = 'paused' where key = 'a/2'");
  assert.deepEqual(await heard(), []);
  await client.query('commit');
  assert.deepEqual(await heard(), [{ connector: 'plain', key: 'a/2', status: 'paused' }]);
  await db.query("select s3_connector.cancel_file('plain', 'a/1')");
  assert.deepEqual(await heard(), [{ connector: 'plain', key: 'a/1', status: 'cancelled' }]);
  await client.query('begin');
  await client.query("update s3_connector.files set status = 'cancelled' where key = 'a/2'");
  await client.query('rollback');
  assert.deepEqual(await heard(), []);
});

test('the longest names and keys fit into a notification, with any characters', async () => {
  const name = `n${'\x01'.repeat(198)}n`;
  await insertConnector(name);
  const heard = await listen();
  for (const key of ['\x01'.repeat(1024), '€'.repeat(341), '"\\/ \t\n'.repeat(170), 'k'.repeat(1025)]) {
    await insertFile(name, key);
    await db.query("update s3_connector.files set status = 'pending_retry' where key = $1", [key]);
    const said = (status: string) => ({ connector: name, key: key.slice(0, 1024), status });
    assert.deepEqual(await heard(), [said('in_queue'), said('pending_retry')]);
  }
});

test('a connector without notifications sends none', async () => {
  await insertConnector('silent', ', notify', ', false');
  const heard = await listen();
  await insertFile('silent', 'a');
  await db.query("update s3_connector.files set status = 'failure' where connector_name = 'silent'");
  assert.deepEqual(await heard(), []);
});

test('if a listener is stuck and the notification queue is full, files are still imported', async () => {
  await insertConnector('full');
  const heard = await listen();
  await db.asSuperuser(`create or replace function s3_connector_private.has_room_to_notify()
    returns boolean language sql volatile as 'select false'`);
  await insertFile('full', 'a');
  await db.query("update s3_connector.files set status = 'failure' where connector_name = 'full'");
  assert.deepEqual(await heard(), []);
});
