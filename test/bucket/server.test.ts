import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { type BucketServerOptions, startBucketServer } from '../../embedded/bucket/server.ts';
import { elementOf, hmac, sendRaw, sha256 } from './raw_request.ts';
import { clientOf, failureOf } from './target.ts';

const Bucket = 'a-bucket';
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };

async function start(options: BucketServerOptions = { credentials: [credentials] }) {
  const server = await startBucketServer(options);
  server.store.createBucket(Bucket);
  const target = { ...server, region: options.region ?? 'us-east-1', credentials };
  const client = clientOf(target);
  return {
    server,
    target,
    client,
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server.close();
    },
  };
}

test('a request for a bucket of another region gets a redirect, and the SDK follows it', async () => {
  await using at = await start();
  at.server.store.createBucket('far-away', { region: 'eu-west-1' });
  const list = new ListObjectsV2Command({ Bucket: 'far-away' });
  assert.deepEqual(await failureOf(at.client.send(list)), { code: 'PermanentRedirect', status: 301 });
  const raw = await sendRaw(at.target, { path: '/far-away?list-type=2' });
  assert.equal(raw.headers['x-amz-bucket-region'], 'eu-west-1');
  const head = await sendRaw(at.target, { path: '/far-away', method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['x-amz-bucket-region'], head.body], [301, 'eu-west-1', '']);
  const follower = clientOf(at.target, { followRegionRedirects: true });
  assert.equal((await follower.send(list)).KeyCount, 0);
  follower.destroy();
  const local = clientOf(at.target, { region: 'eu-west-1' });
  assert.equal((await local.send(new HeadBucketCommand({ Bucket: 'far-away' }))).BucketRegion, 'eu-west-1');
  local.destroy();
});

test('the error for a request signed for a wrong region names the right one', async () => {
  await using at = await start();
  const wrong = clientOf(at.target, { region: 'ap-south-1' });
  const failure = await failureOf(wrong.send(new ListObjectsV2Command({ Bucket })));
  wrong.destroy();
  assert.deepEqual(failure, { code: 'AuthorizationHeaderMalformed', status: 400 });
  const raw = await sendRaw({ ...at.target, region: 'ap-south-1' }, { path: `/${Bucket}?list-type=2` });
  assert.equal(elementOf(raw.body, 'Region'), 'us-east-1');
  const follower = clientOf(at.target, { region: 'ap-south-1', followRegionRedirects: true });
  // The SDK follows this hint only for HeadBucket.
  assert.equal((await follower.send(new HeadBucketCommand({ Bucket }))).BucketRegion, 'us-east-1');
  follower.destroy();
});

test('a listing and a HEAD have the storage class that an object was put with; a HEAD leaves STANDARD out', async () => {
  await using at = await start();
  for (const StorageClass of ['GLACIER', 'STANDARD'] as const) {
    const object = { Bucket, Key: 'a' };
    await at.client.send(new PutObjectCommand({ ...object, Body: 'x', StorageClass }));
    const listed = await at.client.send(new ListObjectsV2Command({ Bucket }));
    assert.equal(listed.Contents?.[0]?.StorageClass, StorageClass);
    const head = await at.client.send(new HeadObjectCommand(object));
    assert.equal(head.StorageClass, StorageClass === 'STANDARD' ? undefined : StorageClass);
  }
});

test('a bucket is created in the requested region', async () => {
  await using at = await start();
  const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' } as const;
  await at.client.send(new CreateBucketCommand({ Bucket: 'far-away', CreateBucketConfiguration }));
  const { Buckets = [] } = await at.client.send(new ListBucketsCommand({}));
  assert.deepEqual(
    Buckets.map(({ Name, BucketRegion }) => [Name, BucketRegion]),
    [
      [Bucket, 'us-east-1'],
      ['far-away', 'eu-west-1'],
    ],
  );
  const again = await failureOf(at.client.send(new CreateBucketCommand({ Bucket })));
  assert.deepEqual(again, { code: 'BucketAlreadyOwnedByYou', status: 409 });
});

test('anonymous buckets allow unsigned listing and reading, and nothing else', async () => {
  await using at = await start({ credentials: [credentials], anonymousBuckets: [Bucket] });
  at.server.store.put(Bucket, 'a', 'public');
  at.server.store.createBucket('private-bucket');
  const ask = async (path: string, method = 'GET') => {
    const { status, body } = await sendRaw(at.target, { path, method, unsigned: true });
    return [status, elementOf(body, 'Code') ?? elementOf(body, 'KeyCount') ?? body];
  };
  assert.deepEqual(await ask(`/${Bucket}?list-type=2`), [200, '1']);
  assert.deepEqual(await ask(`/${Bucket}/a`), [200, 'public']);
  assert.deepEqual(await ask(`/${Bucket}/missing`), [404, 'NoSuchKey']);
  assert.deepEqual(await ask(`/${Bucket}/a`, 'PUT'), [403, 'AccessDenied']);
  assert.deepEqual(await ask(`/${Bucket}/a`, 'DELETE'), [403, 'AccessDenied']);
  assert.deepEqual(await ask('/private-bucket?list-type=2'), [403, 'AccessDenied']);
  assert.deepEqual(await ask('/missing-bucket?list-type=2'), [404, 'NoSuchBucket']);
  assert.deepEqual(await ask('/'), [403, 'AccessDenied']);
  assert.equal(at.server.store.get(Bucket, 'a')?.size, 6);
});

test('without credentials, everyone may do everything', async () => {
  await using at = await start({});
  const put = await sendRaw(at.target, { path: `/${Bucket}/a`, method: 'PUT', body: 'x', unsigned: true });
  assert.equal(put.status, 200);
  assert.equal((await at.client.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 1);
});

test('a presigned URL works until it expires or is changed', async () => {
  await using at = await start();
  at.server.store.put(Bucket, 'a b', 'hello');
  const ask = async (path: string) => {
    const { status, body } = await sendRaw(at.target, { path, unsigned: true });
    return [status, elementOf(body, 'Code') ?? body];
  };
  const signed = presign(at.target, `/${Bucket}/a%20b`, new Date(), 60);
  assert.deepEqual(await ask(signed), [200, 'hello']);
  assert.deepEqual(await ask(signed.replace('a%20b', 'a%20c')), [403, 'SignatureDoesNotMatch']);
  assert.deepEqual(await ask(signed.replace('Expires=60', 'Expires=61')), [403, 'SignatureDoesNotMatch']);
  const expired = presign(at.target, `/${Bucket}/a%20b`, new Date(Date.now() - 3_600_000), 60);
  assert.deepEqual(await ask(expired), [403, 'AccessDenied']);
});

function presign(at: { endpoint: string }, path: string, date: Date, expires: number): string {
  const timestamp = date.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const scope = `${timestamp.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const query = [
    'X-Amz-Algorithm=AWS4-HMAC-SHA256',
    `X-Amz-Credential=${encodeURIComponent(`${credentials.accessKeyId}/${scope}`)}`,
    `X-Amz-Date=${timestamp}`,
    `X-Amz-Expires=${expires}`,
    'X-Amz-SignedHeaders=host',
  ].join('&');
  const host = new URL(at.endpoint).host;
  const canonical = ['GET', path, query, `host:${host}`, '', 'host', 'UNSIGNED-PAYLOAD'].join('\n');
  const key = scope
    .split('/')
    .reduce<Buffer>((secret, part) => hmac(secret, part), Buffer.from('AWS4secret'));
  const signature = hmac(key, ['AWS4-HMAC-SHA256', timestamp, scope, sha256(canonical)].join('\n')).toString(
    'hex',
  );
  return `${path}?${query}&X-Amz-Signature=${signature}`;
}

test('temporary credentials require their session token', async () => {
  await using at = await start({ credentials: [{ ...credentials, sessionToken: 'token' }] });
  const list = new ListObjectsV2Command({ Bucket });
  assert.deepEqual(await failureOf(at.client.send(list)), { code: 'InvalidToken', status: 400 });
  const bearer = clientOf(at.target, { credentials: { ...credentials, sessionToken: 'token' } });
  assert.equal((await bearer.send(list)).KeyCount, 0);
  bearer.destroy();
});

test('a missing key or bucket and an unsupported operation each give their error code', async () => {
  await using at = await start();
  const code = async (method: string, path: string) => {
    const { status, body } = await sendRaw(at.target, { method, path });
    return [status, elementOf(body, 'Code')];
  };
  assert.deepEqual(await code('PATCH', `/${Bucket}/a`), [405, 'MethodNotAllowed']);
  assert.deepEqual(await code('PUT', '/'), [405, 'MethodNotAllowed']);
  assert.deepEqual(await code('GET', `/${Bucket}/a?acl`), [501, 'NotImplemented']);
  assert.deepEqual(await code('POST', `/${Bucket}/a?uploads`), [501, 'NotImplemented']);
  assert.deepEqual(await code('GET', `/${Bucket}?versioning`), [501, 'NotImplemented']);
  assert.deepEqual(await code('GET', `/${Bucket}`), [501, 'NotImplemented']);
  assert.deepEqual(await code('GET', '/Not_A_Bucket?list-type=2'), [400, 'InvalidBucketName']);
});

test('a bare + in a path is a space, as in S3', async () => {
  await using at = await start();
  at.server.store.put(Bucket, 'a b', 'with a space');
  assert.equal((await sendRaw(at.target, { path: `/${Bucket}/a+b`, unsigned: false })).status, 403);
  const open = await start({});
  open.server.store.put(Bucket, 'a b', 'with a space');
  assert.equal((await sendRaw(open.target, { path: `/${Bucket}/a+b`, unsigned: true })).body, 'with a space');
  await open[Symbol.asyncDispose]();
});

test('files on disk are served whole and in ranges', async () => {
  await using at = await start();
  const path = join(tmpdir(), `bucket-${randomBytes(8).toString('hex')}`);
  const bytes = randomBytes(1_000_000);
  await writeFile(path, bytes);
  try {
    const { etag } = await at.server.store.putFile(Bucket, 'file', path);
    assert.equal(etag, at.server.store.put(Bucket, 'memory', bytes).etag);
    const read = async (Range?: string) => {
      const { Body } = await at.client.send(new GetObjectCommand({ Bucket, Key: 'file', Range }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    };
    assert.deepEqual(await read(), bytes);
    assert.deepEqual(await read('bytes=500000-500009'), bytes.subarray(500_000, 500_010));
    assert.deepEqual(await read('bytes=-10'), bytes.subarray(-10));
    await writeFile(path, '');
    await at.server.store.putFile(Bucket, 'file', path);
    assert.deepEqual(await read(), Buffer.alloc(0));
  } finally {
    await rm(path);
  }
});

test('the store keeps keys in byte order, independent of their order of arrival', async () => {
  await using at = await start();
  const { store } = at.server;
  const keys = ['b', '\uffee', '\u{10000}', 'a', 'é', '\ue000', 'b/', '\ud7ff'];
  const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const key of keys) store.put(Bucket, key, '');
  assert.deepEqual(store.keys(Bucket), sorted);
  store.createBucket('second-bucket');
  store.put('second-bucket', 'é', '');
  store.putMany(
    'second-bucket',
    [...keys, 'a'].map((key) => ({ key, body: '' })),
  );
  assert.deepEqual(store.keys('second-bucket'), sorted);
  store.delete('second-bucket', 'é');
  assert.equal(store.delete('second-bucket', 'never there'), false);
  assert.deepEqual(
    store.keys('second-bucket'),
    sorted.filter((key) => key !== 'é'),
  );
  assert.throws(() => store.put(Bucket, 'lone \ud800', ''));
});

test('times are in whole seconds', async () => {
  await using at = await start();
  at.server.store.put(Bucket, 'a', 'x', { lastModified: new Date('2020-02-03T04:05:06.789Z') });
  const { LastModified } = await at.client.send(new GetObjectCommand({ Bucket, Key: 'a' }));
  const { Contents } = await at.client.send(new ListObjectsV2Command({ Bucket }));
  assert.deepEqual(
    [LastModified, Contents?.[0]?.LastModified],
    Array(2).fill(new Date('2020-02-03T04:05:06Z')),
  );
});

test('requests are counted by operation, and the last ones are kept', async () => {
  await using at = await start();
  const { requests } = at.server;
  await at.client.send(new PutObjectCommand({ Bucket, Key: 'a/ü', Body: 'x' }));
  await at.client.send(new GetObjectCommand({ Bucket, Key: 'a/ü', Range: 'bytes=0-0' }));
  await at.client.send(new ListObjectsV2Command({ Bucket, Prefix: 'a/' }));
  await failureOf(at.client.send(new GetObjectCommand({ Bucket, Key: 'missing' })));
  await at.client.send(new DeleteObjectCommand({ Bucket, Key: 'a/ü' }));
  const operations = ['PutObject', 'GetObject', 'ListObjectsV2', 'GetObject', 'DeleteObject'];
  assert.deepEqual(
    requests.recent.map(({ operation }) => operation),
    operations,
  );
  assert.deepEqual([requests.count('GetObject'), requests.count('HeadObject'), requests.count()], [2, 0, 5]);
  const [, get, list, missing] = requests.recent;
  assert.deepEqual(
    [get?.bucket, get?.key, get?.headers.range, get?.status],
    [Bucket, 'a/ü', 'bytes=0-0', 206],
  );
  assert.equal(get?.headers.authorization, undefined);
  assert.equal(list?.query.prefix, 'a/');
  assert.deepEqual([missing?.status, missing?.errorCode], [404, 'NoSuchKey']);
  requests.reset();
  assert.deepEqual([requests.count(), requests.recent], [0, []]);
});
