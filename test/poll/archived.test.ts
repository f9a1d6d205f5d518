import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// Objects in an archive: their files wait without places and attempts, and are imported once the objects are restored.

const world = await openWorld();
const { db, server, bucket } = world;
before(() => world.startWorker());
beforeEach(() => {
  server.faults.clear();
  server.requests.reset();
});

const put = (key: string, headers: Record<string, string> = {}) =>
  server.store.put(bucket, key, 'n\n1\n', { headers });
const GLACIER = { 'x-amz-storage-class': 'GLACIER' };
const restored = (ongoing: boolean) => ({
  ...GLACIER,
  'x-amz-restore': `ongoing-request="${ongoing}"`,
});

/** Inserts a connector whose first poll looks for no restored objects. */
async function insert(name: string, columns: Record<string, unknown> = {}): Promise<void> {
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    schedule: NEVER_AGAIN,
    state: 'paused',
    ...columns,
  });
  await db.query(
    'update s3_connector_private.progress set archive_checked_at = now() where connector_name = $1',
    [name],
  );
  await db.query('select s3_connector.resume($1)', [name]);
}

/** Polls, as if the last search for restored objects were long ago. */
async function pollLater(name: string) {
  await db.query(
    `update s3_connector_private.progress set archive_checked_at = null where connector_name = '${name}'`,
  );
  return await world.pollAndSettle(name);
}

const outcomes = (files: { key: string; status: string; error_code: string | null }[]) =>
  files.map(({ key, status, error_code }) => [key.replace(/.*\//, ''), status, error_code]);

/** Waits until a poll has looked at archived objects with as many HEAD requests. */
async function heads(count: number): Promise<void> {
  await db.waitFor('select 1', () => server.requests.count('HeadObject') >= count);
  assert.equal(server.requests.count('HeadObject'), count);
}

test('archived objects take no place from others, and those that are restored already are imported', async () => {
  for (const n of [1, 2, 3, 4]) put(`mixed/${n}.csv`, GLACIER);
  put('mixed/5.csv', { 'x-amz-storage-class': 'DEEP_ARCHIVE' });
  put('mixed/6.csv', {
    'x-amz-storage-class': 'INTELLIGENT_TIERING',
    'x-amz-archive-status': 'ARCHIVE_ACCESS',
  });
  put('mixed/7.csv', restored(false));
  put('mixed/8.csv', { 'x-amz-storage-class': 'GLACIER_IR' });
  put('mixed/9.csv');
  await insert('mixed', { max_tracked_files: 2 });
  const files = await world.settled('mixed');
  assert.deepEqual(outcomes(files), [
    ...[1, 2, 3, 4, 5, 6].map((n) => [`${n}.csv`, 'failure', 'object_archived']),
    ...[7, 8, 9].map((n) => [`${n}.csv`, 'success', null]),
  ]);
});

test('a restored object is imported by a later poll, and one that is being restored waits without attempts', async () => {
  for (const n of [1, 2, 3]) put(`wait/${n}.csv`, GLACIER);
  await insert('wait');
  await world.settled('wait');
  const history = () => db.query("select from s3_connector.file_history where connector_name = 'wait'");
  const { length } = await history();
  put('wait/1.csv', restored(true));
  server.requests.reset();
  await pollLater('wait');
  await heads(3);
  assert.equal((await history()).length, length);
  put('wait/1.csv', restored(false));
  server.store.delete(bucket, 'wait/2.csv');
  await pollLater('wait');
  const files = await db.waitFor<{ key: string; status: string; error_code: string | null }>(
    "select key, status, error_code from s3_connector.files where connector_name = 'wait' order by key",
    (rows) => rows[0]!.status === 'success' && rows[1]!.error_code === 'object_missing',
  );
  assert.deepEqual(outcomes(files), [
    ['1.csv', 'success', null],
    ['2.csv', 'failure', 'object_missing'],
    ['3.csv', 'failure', 'object_archived'],
  ]);
});

test('a poll looks at 100 archived objects at most, in turn, and not at every poll', async () => {
  for (let n = 100; n < 250; n++) put(`many/${n}.csv`, GLACIER);
  await insert('many');
  await world.settled('many');
  server.requests.reset();
  await pollLater('many');
  await heads(100);
  await world.pollAndSettle('many');
  await heads(100);
  put('many/249.csv', restored(false));
  await pollLater('many');
  await db.waitFor(
    "select from s3_connector.files where key = 'many/249.csv' and status = 'success'",
    (rows) => rows.length === 1,
  );
  assert.equal(server.requests.count('HeadObject'), 150);
});

test('an event about a restore, or a retry, queues the file at once', async () => {
  for (const n of [1, 2, 3]) put(`told/${n}.csv`, GLACIER);
  await insert('told');
  await world.settled('told');
  for (const n of [1, 2]) put(`told/${n}.csv`, restored(false));
  await db.query("select s3_connector_private.queue_restored('told', '{told/1.csv,told/unknown.csv}')");
  await db.query("select s3_connector.retry_file('told', 'told/2.csv')");
  assert.deepEqual(outcomes(await world.settled('told')), [
    ['1.csv', 'success', null],
    ['2.csv', 'success', null],
    ['3.csv', 'failure', 'object_archived'],
  ]);
});

test('a bucket that refuses to say what is archived fails no poll', async () => {
  put('refused/1.csv', GLACIER);
  await insert('refused');
  await world.settled('refused');
  const refusal = server.faults.order({
    operation: 'HeadObject',
    error: { status: 403, code: 'AccessDenied' },
  });
  await pollLater('refused');
  await refusal.hit();
  const polls = await db.query<{ error: string | null }>(
    "select error from s3_connector.polls where connector_name = 'refused'",
  );
  assert.ok(polls.length >= 2 && polls.every(({ error }) => error === null));
});
