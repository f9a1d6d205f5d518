import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { strToU8, zipSync } from 'fflate';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server, bucket } = world;
before(() => world.startWorker());

const rows = (count: number) => `n\n${Array.from({ length: count }, (_, n) => n).join('\n')}\n`;
const gets = () => server.requests.count('GetObject');

test('a download that breaks off resumes where it broke off', async () => {
  const body = rows(200_000);
  world.put('cut/1.csv', body);
  const cuts = server.faults.order({ operation: 'GetObject', key: 'cut/1.csv', cut: 400_000, times: 2 });
  await world.insertConnector({ name: 'cut', pattern: 'cut/*', target_table: 'cut' });
  const [file] = await world.settled('cut');
  assert.deepEqual(
    [file!.status, file!.attempts, file!.rows_imported],
    ['success', 1, 200_000],
    file!.error_message ?? '',
  );
  assert.equal(cuts.hits, 2);
  const requests = server.requests.recent.filter((request) => request.key === 'cut/1.csv');
  const offsets = requests.map((request) =>
    Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? 'bytes=0-')![1]),
  );
  assert.equal(offsets.length, 3);
  // The last few received chunks may not have reached the disk.
  assert.ok(offsets[0] === 0 && offsets[1]! > 200_000 && offsets[2]! > offsets[1]! + 200_000, `${offsets}`);
});

test('an object that is overwritten between listing and fetching is imported once, in its new version', async () => {
  world.put('overwritten/1.csv', rows(3));
  server.faults.order({
    operation: 'GetObject',
    key: 'overwritten/1.csv',
    before: () => server.store.put(bucket, 'overwritten/1.csv', rows(5)),
  });
  await world.insertConnector({ name: 'overwritten', pattern: 'overwritten/*', target_table: 'overwritten' });
  const [file] = await world.settled('overwritten');
  assert.deepEqual([file!.status, file!.rows_imported], ['success', 5], file!.error_message ?? '');
  const { etag } = await db.one<{ etag: string }>(
    "select etag from s3_connector.files where connector_name = 'overwritten'",
  );
  assert.equal(etag, server.store.get(bucket, 'overwritten/1.csv')!.etag);
});

test('an object that is deleted between listing and fetching fails with a message', async () => {
  world.put('vanished/1.csv', rows(3));
  server.faults.order({
    operation: 'GetObject',
    key: 'vanished/1.csv',
    before: () => server.store.delete(bucket, 'vanished/1.csv'),
  });
  await world.insertConnector({ name: 'vanished', pattern: 'vanished/*', target_table: 'vanished' });
  const [file] = await world.settled('vanished');
  assert.deepEqual([file!.status, file!.error_code, file!.attempts], ['failure', 'object_missing', 1]);
  assert.match(file!.error_message!, /^vanished\/1\.csv: .*no longer in bucket/);
});

test('a passing error is retried later, and does not delay the other files', async () => {
  const before = gets();
  world.put('slow/1.csv', rows(1));
  world.put('slow/2.csv', rows(1));
  // More refusals than the SDK's own retries.
  server.faults.order({
    operation: 'GetObject',
    key: 'slow/1.csv',
    times: 30,
    error: { status: 503, code: 'SlowDown' },
  });
  await world.insertConnector({ name: 'slow', pattern: 'slow/*', target_table: 'slow' });
  const files = await db.waitFor<{ key: string; status: string; error_code: string | null }>(
    "select key, status, error_code from s3_connector.files where connector_name = 'slow' order by key",
    ([first, second]) => first?.status === 'pending_retry' && second?.status === 'success',
  );
  assert.equal(files[0]!.error_code, 'source_unavailable');
  assert.ok(gets() - before < 16, 'a failing object does not cause a storm of requests');
  server.faults.clear();
  await db.query("select s3_connector.retry_file('slow', 'slow/1.csv')");
  assert.deepEqual(
    (await world.settled('slow')).map((file) => file.status),
    ['success', 'success'],
  );
});

test('a small file is never written to disk, a zip and a Parquet file only while they are read', async () => {
  await db.query('create table small (n bigint)');
  const locker = await db.connect();
  await locker.query('begin; lock table small in access exclusive mode');
  world.put('small/1.csv', rows(3));
  world.put('small/2.csv', Buffer.from(zipSync({ 'a.csv': strToU8(rows(4)) })));
  await world.insertConnector({ name: 'small', pattern: 'small/*.csv', target_table: 'small' });
  world.put('small/3.parquet', await parquetOf('select range as n from range(5)'));
  await world.insertConnector({
    name: 'small_parquet',
    pattern: 'small/*.parquet',
    target_table: 'small',
    file_format: 'parquet',
  });
  await db.waitFor(
    "select from pg_stat_activity where datname = current_database() and application_name ~ '^s3_connector import' and wait_event_type = 'Lock'",
    (waiting) => waiting.length === 3,
  );
  const ids = await db.query<{ id: number; key: string }>(
    "select id, key from s3_connector.files where connector_name like 'small%' order by key",
  );
  const spooled = await world.spooled();
  const onDisk = ids.filter(({ id }) => spooled.some((name) => name.startsWith(`${id}.`)));
  assert.deepEqual(
    onDisk.map(({ key }) => key),
    ['small/2.csv', 'small/3.parquet'],
  );
  await locker.query('rollback');
  const files = [...(await world.settled('small')), ...(await world.settled('small_parquet'))];
  assert.deepEqual(
    files.map((file) => file.rows_imported),
    [3, 4, 5],
  );
  await world.spoolEmptied();
});

test('an object larger than max_file_bytes fails before it is fetched', async () => {
  world.put('large/1.csv', rows(1000));
  const before = gets();
  await world.insertConnector({
    name: 'large',
    pattern: 'large/*',
    target_table: 'large',
    max_file_bytes: 1000,
  });
  const [file] = await world.settled('large');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'file_too_large']);
  assert.match(file!.error_message!, /max_file_bytes is 1000/);
  assert.equal(gets(), before);
});

test('denied access fails at once, and the error says which permissions are needed', async () => {
  world.put('denied/1.csv', rows(1));
  server.faults.order({
    operation: 'GetObject',
    key: 'denied/1.csv',
    error: { status: 403, code: 'AccessDenied' },
  });
  await world.insertConnector({ name: 'denied', pattern: 'denied/*', target_table: 'denied' });
  const [file] = await world.settled('denied');
  assert.deepEqual([file!.status, file!.error_code, file!.attempts], ['failure', 'access_denied', 1]);
  assert.match(file!.error_message!, /s3:GetObject/);
  await world.spoolEmptied();
});
