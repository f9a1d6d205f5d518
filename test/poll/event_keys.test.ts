import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { startSqsServer } from '../../embedded/sqs/server.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { type ConnectorColumns, NEVER_AGAIN, openWorld } from '../support/world.ts';

// Events about keys behind the marker, which no poll lists. Nothing here waits for a schedule.

const world = await openWorld();
const { db, server, bucket } = world;
const queue = await startSqsServer();
let worker: WorkerProcess;
before(async () => {
  worker = await world.startWorker({ S3_ALLOWED_ENDPOINTS: `${server.endpoint},${queue.endpoint}` });
});
beforeEach(() => server.faults.clear());
after(() => queue.close());

const csv = (n: number) => `n\n${n}\n`;

/** Inserts a connector that has imported b.csv, so that a.csv is behind its marker. */
async function insert(name: string, columns: Partial<ConnectorColumns> = {}): Promise<void> {
  await db.query(`create table ${name} (n integer, file_id bigint)`);
  world.put(`${name}/b.csv`, csv(2));
  await world.insertConnector({
    name,
    pattern: `${name}/*.csv`,
    target_table: name,
    file_id_column: 'file_id',
    schedule: NEVER_AGAIN,
    event_queue_url: queue.url,
    ...columns,
  });
  await world.settled(name);
}

/** An event as S3 sends it, with the ETag of the object as it is now, or of another one. */
const event = (
  key: string,
  etag: string | null | undefined = server.store.get(bucket, key)?.etag.replaceAll('"', ''),
) => ({
  eventName: 'ObjectCreated:Put',
  s3: { bucket: { name: bucket }, object: { key: encodeURIComponent(key), eTag: etag, size: 4 } },
});
const send = (...records: unknown[]) => queue.send(JSON.stringify({ Records: records }));
const handled = () => until('the worker has deleted every message', () => queue.kept === 0);
const untilKept = (connector: string) =>
  until(`the worker keeps the events of ${connector}`, () =>
    worker.lines.some((line) => line.event === 'events kept in the queue' && line.connector === connector),
  );
const polls = async (name: string) =>
  (await db.query('select from s3_connector.polls where connector_name = $1', [name])).length;
const noted = (name: string) =>
  db.query('select key, reason from s3_connector.late_files where connector_name = $1 order by key', [name]);
const untilRows = (table: string, rows: number[]) =>
  db.waitFor<{ n: number[] }>(
    `select array(select n from ${table} order by n) as n`,
    ([row]) => row?.n.join() === rows.join(),
  );

test('a late key of an event is imported at once, without a poll', async () => {
  await insert('late', { late_keys: 'import' });
  world.put('late/a.csv', csv(1));
  send(event('late/a.csv'));
  await untilRows('late', [1, 2]);
  await handled();
  assert.equal(await polls('late'), 1);
  assert.deepEqual(await noted('late'), []);
});

test('with late_keys = report, a late key of an event is reported as the object is', async () => {
  await insert('reported');
  const { etag } = server.store.put(bucket, 'reported/a.csv', csv(100));
  send(event('reported/a.csv', null));
  await handled();
  assert.deepEqual(
    await db.query(
      "select key, etag, size_bytes, reason from s3_connector.late_files where connector_name = 'reported'",
    ),
    [{ key: 'reported/a.csv', etag, size_bytes: 6, reason: 'late' }],
  );
  await untilRows('reported', [2]);
  await db.query("select s3_connector.import_late('reported')");
  await untilRows('reported', [2, 100]);
});

test('late keys come in each form of message', async () => {
  await insert('forms', { late_keys: 'import' });
  for (const n of [3, 4, 5]) world.put(`forms/a ${n}.csv`, csv(n));
  const direct = JSON.stringify({ Records: [event('forms/a 3.csv')] });
  queue.send(direct);
  queue.send(JSON.stringify({ Type: 'Notification', Message: direct.replace('a%203.csv', 'a+4.csv') }));
  queue.send(
    JSON.stringify({
      'detail-type': 'Object Created',
      detail: { bucket: { name: bucket }, object: { key: 'forms/a 5.csv', size: 4 } },
    }),
  );
  await untilRows('forms', [2, 3, 4, 5]);
});

test('an overwritten key of an event is reported, unless on_overwrite is ignore', async () => {
  await insert('over');
  await insert('over_ignored', { on_overwrite: 'ignore' });
  for (const name of ['over', 'over_ignored']) {
    world.put(`${name}/b.csv`, csv(20));
    send(event(`${name}/b.csv`));
  }
  await handled();
  assert.deepEqual(await noted('over'), [{ key: 'over/b.csv', reason: 'overwritten' }]);
  assert.deepEqual(await noted('over_ignored'), []);
  await untilRows('over', [2]);
});

test('an old event, a repeated one, and one of an object that is deleted report nothing', async () => {
  await insert('stale', { late_keys: 'import', on_overwrite: 'reimport', start_after: 'stale/0.csv' });
  server.requests.reset();
  send(event('stale/b.csv'));
  await handled();
  assert.equal(server.requests.count('HeadObject'), 0, 'the version that is imported needs no look');
  world.put('stale/0.csv', csv(0));
  send(event('stale/b.csv', 'of-an-earlier-version'), event('stale/a.csv', 'deleted'));
  send(event('stale/0.csv'), event('stale/folder/', 'placeholder'), event('stale/a.txt', 'not-matching'));
  await handled();
  assert.deepEqual(await noted('stale'), []);
  assert.deepEqual(
    await db.query("select key, status from s3_connector.files where connector_name = 'stale'"),
    [{ key: 'stale/b.csv', status: 'success' }],
  );
  assert.equal(server.requests.count('HeadObject'), 2);
  assert.equal(await polls('stale'), 1);
});

test('many events of many messages import each late key once', async () => {
  await insert('many', { late_keys: 'import', max_tracked_files: 10 });
  await insert('many_too', { late_keys: 'import', pattern: 'many/*.csv', target_table: 'many_too' });
  const keys = Array.from({ length: 40 }, (_, n) => `many/a${n}.csv`);
  for (const [n, key] of keys.entries()) world.put(key, csv(100 + n));
  for (let at = 0; at < keys.length; at += 4) send(...keys.slice(at, at + 4).map((key) => event(key)));
  send(...keys.map((key) => event(key)));
  const all = [2, ...keys.map((_, n) => 100 + n)];
  await untilRows('many_too', all);
  // More keys than places: the others wait in late_files, and polls admit them.
  await db.waitFor<{ late_files: number }>(
    "select s3_connector.poll_now(name), late_files from s3_connector.connector_status where name = 'many'",
    ([row]) => row?.late_files === 0,
  );
  await untilRows('many', all);
});

test('a late key that is younger than min_object_age waits until it is old enough', async () => {
  await insert('young', { late_keys: 'import' });
  await db.query("select s3_connector.pause('young')");
  const setAge = (age: string) =>
    db.query("update s3_connector.connectors set min_object_age = $1 where name = 'young'", [age]);
  await setAge('1 hour');
  await db.query("select s3_connector.resume('young')");
  await world.settled('young');
  world.put('young/a.csv', csv(1));
  send(event('young/a.csv'));
  await handled();
  await world.pollAndSettle('young');
  assert.deepEqual(await noted('young'), [{ key: 'young/a.csv', reason: 'late' }]);
  await db.query("select s3_connector.pause('young')");
  await setAge('0');
  await db.query("select s3_connector.resume('young')");
  await untilRows('young', [1, 2]);
});

test('an event of a finished restore polls the connector', async () => {
  await insert('restored');
  send({ ...event('restored/b.csv'), eventName: 'ObjectRestore:Completed' });
  await db.waitFor(
    "select from s3_connector.polls where connector_name = 'restored'",
    (rows) => rows.length >= 2,
  );
});

test('a message stays in the queue while the object cannot be looked at, and other connectors do not wait', async () => {
  await insert('denied', { late_keys: 'import' });
  await insert('allowed', { late_keys: 'import' });
  for (const name of ['denied', 'allowed']) world.put(`${name}/a.csv`, csv(1));
  const fault = server.faults.order({
    operation: 'HeadObject',
    key: 'denied/a.csv',
    times: Number.POSITIVE_INFINITY,
    error: { status: 403, code: 'AccessDenied' },
  });
  send(event('denied/a.csv'));
  send(event('allowed/a.csv'));
  await untilRows('allowed', [1, 2]);
  await untilKept('denied');
  fault.cancel();
  // The message of the other connector is deleted after its file is queued.
  await until('one message is left', () => queue.kept === 1);
  queue.redeliver();
  await untilRows('denied', [1, 2]);
  await handled();
});

test('a message stays in the queue while the database fails', async () => {
  await insert('broken', { late_keys: 'import' });
  world.put('broken/a.csv', csv(1));
  await db.asSuperuser('alter table s3_connector.late_files rename to late_files_away');
  send(event('broken/a.csv'));
  await untilKept('broken');
  await db.asSuperuser('alter table s3_connector.late_files_away rename to late_files');
  assert.equal(queue.kept, 1);
  queue.redeliver();
  await untilRows('broken', [1, 2]);
  await handled();
});

test('an event finds its key anywhere among many that do not match', async () => {
  const logs = Array.from({ length: 20_000 }, (_, n) => ({
    key: `tail/c${String(n).padStart(5, '0')}.log`,
    body: '',
  }));
  server.store.putMany(bucket, logs);
  await insert('tail');
  await world.pollAndSettle('tail');
  world.put('tail/c15000.csv', csv(3));
  send(event('tail/c15000.csv'));
  await untilRows('tail', [2, 3]);
  await handled();
  const [progress] = await db.query("select marker from s3_connector.connector_status where name = 'tail'");
  assert.deepEqual(progress, { marker: 'tail/b.csv' }, 'other keys in the tail are not passed');
});

test('events about the bucket behind an access point are events of its connector', async () => {
  const alias = 'point-metadata-s3alias';
  server.store.createBucket(alias, { anyName: true });
  server.store.put(alias, 'pointed/b.csv', csv(2));
  await insert('pointed', { bucket: alias, late_keys: 'import' });
  server.store.put(alias, 'pointed/a.csv', csv(1));
  send({
    eventName: 'ObjectCreated:Put',
    s3: { bucket: { name: 'behind' }, object: { key: 'pointed/a.csv' } },
  });
  await untilRows('pointed', [1, 2]);
  await handled();
});
