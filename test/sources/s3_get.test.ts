import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { startBucketServer } from '../../embedded/bucket/server.ts';
import { S3Sources } from '../../src/sources/s3.ts';
import type { S3Settings } from '../../src/sources/s3_clients.ts';
import type { SourceObject } from '../../src/sources/source.ts';

// We send the GETs of objects ourselves, so each must be what the SDK would send, and fail as if the SDK had sent it.

const BUCKET = 'objects';
const OTHER = 'other-objects';
const credentials = { accessKeyId: 'AKIAGETTER', secretAccessKey: 'secret-of-the-getter' };
process.env.AWS_ACCESS_KEY_ID = credentials.accessKeyId;
process.env.AWS_SECRET_ACCESS_KEY = credentials.secretAccessKey;

const server = await startBucketServer({ credentials: [credentials] });
const { store, faults, requests, endpoint } = server;
for (const bucket of [BUCKET, OTHER]) store.createBucket(bucket);
after(() => server.close());
beforeEach(() => {
  faults.clear();
  requests.reset();
});

const timeouts = { connectMs: 5000, idleMs: 5000, fetchMs: 60_000 };
const sources = new S3Sources({ allowedEndpoints: [endpoint], externalId: null, proxyEnv: null, timeouts });
after(() => sources.close());
const { signal } = new AbortController();

const open = (object: SourceObject, settings: Partial<S3Settings> = {}) => {
  const { bucket = BUCKET, ...rest } = settings;
  const all = {
    name: 'getter',
    bucket,
    region: null,
    endpoint,
    auth_method: 'worker' as const,
    role_arn: null,
  };
  return sources.open({ ...all, ...rest }).open(object, { offset: 0, signal });
};

async function get(key: string, settings: Partial<S3Settings> = {}): Promise<string> {
  const { etag, size } = store.get(settings.bucket ?? BUCKET, key)!;
  const body = await open({ key, etag, sizeBytes: size, lastModified: new Date(0) }, settings);
  return String(Buffer.concat(await body.toArray()));
}

test('a key of any characters is asked for as the SDK asks for it', async () => {
  const keys = ["a b+c!'()*~.csv", 'ä/€/😀', 'a//b', './..', '%2F%', 'k', '?x=1&y#z', '"<>\\^`{|}', ':;=@,$'];
  for (const key of keys) store.put(BUCKET, key, `body of ${key}`);
  for (const key of keys) assert.equal(await get(key), `body of ${key}`);
  assert.equal(requests.count('GetObject'), keys.length);
});

test('two buckets of one client are never mixed', async () => {
  store.put(BUCKET, 'same', 'one');
  store.put(OTHER, 'same', 'two');
  const bodies = await Promise.all([BUCKET, OTHER, BUCKET, OTHER].map((bucket) => get('same', { bucket })));
  assert.deepEqual(bodies, ['one', 'two', 'one', 'two']);
});

test('who pays is named in the requests of that connector alone', async () => {
  store.put(BUCKET, 'paid', 'body');
  await get('paid', { requester_pays: true });
  await get('paid');
  assert.deepEqual(
    requests.recent.map(({ headers }) => headers['x-amz-request-payer']),
    ['requester', undefined],
  );
});

test('a GET that failed was the first try of the SDK: four tries in all', async () => {
  store.put(BUCKET, 'flaky', 'body');
  const order = (times: number) =>
    faults.order({ operation: 'GetObject', times, error: { status: 503, code: 'SlowDown' } });
  order(3);
  assert.equal(await get('flaky'), 'body');
  assert.equal(requests.count('GetObject'), 4);
  requests.reset();
  order(4);
  await assert.rejects(get('flaky'), { code: 'source_unavailable' });
  assert.equal(requests.count('GetObject'), 4);
});

test('a connection that breaks is the first try, too', async () => {
  store.put(BUCKET, 'broken', 'body');
  faults.order({ operation: 'GetObject', reset: true });
  assert.equal(await get('broken'), 'body');
  assert.equal(requests.count('GetObject'), 2);
});

test('an error that lasts costs one request', async () => {
  const gone = { key: 'gone', etag: '"0"', sizeBytes: 1, lastModified: new Date(0) };
  await assert.rejects(open(gone), { code: 'object_missing' });
  assert.equal(requests.count('GetObject'), 1);
  store.put(BUCKET, 'changed', 'body');
  await assert.rejects(open({ ...gone, key: 'changed' }), { code: 'object_changed' });
  assert.equal(requests.count('GetObject'), 2);
});
