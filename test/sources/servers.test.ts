import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { call } from '../requests/support.ts';
import { type ConnectorColumns, NEVER_AGAIN, openWorld } from '../support/world.ts';

// What servers and buckets want of a request: no checksums, gzip accepted, a payer, a key.

const world = await openWorld();
const { db, server, bucket } = world;
const ALWAYS = Number.POSITIVE_INFINITY;
const KEY = randomBytes(32);
const FOREIGN_KEY = randomBytes(32);
const keys = [
  `keyed-bucket=${FOREIGN_KEY.toString('base64')}`,
  `${server.endpoint}/keyed-bucket=${FOREIGN_KEY.toString('base64')}`,
  `${server.endpoint}/keyed-bucket/secret/=${KEY.toString('base64')}`,
];
before(() => world.startWorker({ S3_SSE_C_KEYS: keys.join(', ') }));
beforeEach(() => {
  server.faults.clear();
  server.requests.reset();
});

const importAll = async (columns: Partial<ConnectorColumns> & { name: string }) => {
  await world.insertConnector({
    schedule: NEVER_AGAIN,
    pattern: `${columns.name}/*`,
    target_table: columns.name,
    ...columns,
  });
  return await world.settled(columns.name);
};

test('no request has a checksum, which some servers refuse with 501', async () => {
  world.put('plain/1.csv', 'n\n1\n');
  const [file] = await importAll({ name: 'plain' });
  assert.equal(file!.status, 'success');
  await call(db, "call s3_connector.dry_run_file('plain', 'plain/1.csv')");
  const names = server.requests.recent.flatMap(({ headers }) => Object.keys(headers));
  assert.ok(server.requests.count('GetObject') > 1 && server.requests.count('HeadObject') > 0);
  assert.deepEqual(
    names.filter((name) => /checksum|accept-encoding|sdk-checksum/.test(name)),
    [],
  );
});

test('from a server that decompresses on the way, the stored bytes are asked for', async () => {
  const rows = `n\n${'1\n'.repeat(10_000)}`;
  for (const key of ['stored/1.csv.gz', 'stored/2.csv.gz'])
    server.store.put(bucket, key, gzipSync(rows), { headers: { 'content-encoding': 'gzip' } });
  server.faults.order({ times: ALWAYS, gunzip: true });
  await db.query('create table stored (n integer)');
  const files = await importAll({ name: 'stored', max_parallel_files: 1 });
  assert.deepEqual(
    files.map(({ status, attempts, rows_imported }) => [status, attempts, rows_imported]),
    Array(2).fill(['success', 1, 10_000]),
    files[0]!.error_message ?? '',
  );
  const gets = server.requests.recent.filter(({ operation }) => operation === 'GetObject');
  // It is found out once, and remembered.
  assert.deepEqual(
    gets.map(({ headers }) => headers['accept-encoding']),
    [undefined, 'gzip', 'gzip'],
  );
});

test('a server that decompresses in any case gives an error that says so', async () => {
  server.store.put(bucket, 'always/1.csv.gz', gzipSync('n\n1\n'), {
    headers: { 'content-encoding': 'gzip' },
  });
  server.faults.order({ operation: 'GetObject', times: ALWAYS, gunzip: 'always' });
  const [file] = await importAll({ name: 'always' });
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'transcoded']);
});

test('requester_pays says in every request who pays, and only then', async () => {
  server.store.createBucket('paid', { requesterPays: true });
  server.store.put('paid', 'free/1.csv', 'n\n1\n');
  await world.insertConnector({
    name: 'free',
    bucket: 'paid',
    pattern: 'free/*',
    target_table: 'free',
    schedule: NEVER_AGAIN,
  });
  const [poll] = await db.waitFor<{ error: string }>(
    "select error from s3_connector.polls where connector_name = 'free' and error is not null",
    ([found]) => found !== undefined,
  );
  assert.match(poll!.error, /requester_pays/);
  assert.ok(server.requests.recent.every(({ headers }) => headers['x-amz-request-payer'] === undefined));
  await db.query("select s3_connector.pause('free')");
  await db.query("update s3_connector.connectors set requester_pays = true where name = 'free'");
  await db.query("select s3_connector.resume('free')");
  const [file] = await world.settled('free');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  await call(db, "call s3_connector.dry_run_file('free', 'free/1.csv')");
  assert.ok(server.requests.count('HeadObject') > 0);
});

test('the key of an object (SSE-C) comes from the environment, for the longest prefix at that endpoint', async () => {
  server.store.createBucket('keyed-bucket');
  server.store.put('keyed-bucket', 'secret/1.csv', 'n\n1\n', { customerKey: KEY });
  server.store.put('keyed-bucket', 'other/1.csv', 'n\n1\n', { customerKey: KEY });
  const [file] = await importAll({ name: 'secret', bucket: 'keyed-bucket' });
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  await call(db, "call s3_connector.dry_run_file('secret', 'secret/1.csv')");
  for (const { operation, headers } of server.requests.recent)
    assert.equal(
      headers['x-amz-server-side-encryption-customer-algorithm'],
      operation === 'ListObjectsV2' ? undefined : 'AES256',
    );
  const [other] = await importAll({ name: 'other', bucket: 'keyed-bucket' });
  assert.deepEqual([other!.status, other!.error_code], ['failure', 'access_denied']);
});

test('a missing key, or one too many, is a lasting error that names the setting', async () => {
  server.store.put(bucket, 'keyless/1.csv', 'n\n1\n', { customerKey: KEY });
  server.store.put('keyed-bucket', 'secret/plain.csv', 'n\n1\n');
  const [missing] = await importAll({ name: 'keyless' });
  const [, surplus] = await importAll({ name: 'surplus', bucket: 'keyed-bucket', pattern: 'secret/*' });
  for (const file of [missing!, surplus!]) {
    assert.deepEqual([file.status, file.attempts, file.error_code], ['failure', 1, 'object_key_refused']);
    assert.match(file.error_message!, /InvalidRequest: .*S3_SSE_C_KEYS/);
  }
});

test('a value of S3_SSE_C_KEYS that is no key is refused at the start, and not shown', async () => {
  for (const value of ['bucket', 'bucket=c2hvcnQ=', `http://insecure.example/b=${KEY.toString('base64')}`])
    await assert.rejects(world.startWorker({ S3_SSE_C_KEYS: value }), (error: Error) => {
      assert.match(error.message, /S3_SSE_C_KEYS must be/);
      assert.ok(!error.message.includes(KEY.toString('base64')) && !error.message.includes('c2hvcnQ='));
      return true;
    });
});

test('the region of the AWS profile is used where the environment names none', async () => {
  await world.stopWorkers();
  const home = join(world.spoolDir, 'home');
  await mkdir(join(home, '.aws'), { recursive: true });
  await writeFile(join(home, '.aws', 'config'), '[profile far]\nregion = eu-west-1\n');
  await writeFile(
    join(home, '.aws', 'credentials'),
    '[far]\naws_access_key_id = reader\naws_secret_access_key = reader-secret\n',
  );
  await world.startWorker({
    HOME: home,
    AWS_PROFILE: 'far',
    AWS_REGION: '',
    AWS_ACCESS_KEY_ID: '',
    AWS_SECRET_ACCESS_KEY: '',
  });
  server.store.createBucket('far-away', { region: 'eu-west-1' });
  server.store.put('far-away', 'profile/1.csv', 'n\n1\n');
  // A missing table would be made from a sample, with requests of its own.
  await db.query('create table profile (n integer)');
  const [file] = await importAll({ name: 'profile', bucket: 'far-away' });
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(
    server.requests.recent.map(({ status }) => status),
    [200, 200],
  );
});
