import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { after, before, beforeEach, describe, test } from 'node:test';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { countingSiblings, unsorted } from '../../embedded/bucket/listing_faults.ts';
import { type BucketServer, startBucketServer } from '../../embedded/bucket/server.ts';
import { sendRaw } from './raw_request.ts';
import { clientOf, failureOf } from './target.ts';

const Bucket = 'faulty';
const BODY = Buffer.alloc(1_000_000, 'abcdefghij');
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };

describe('faults', () => {
  let server: BucketServer;
  let client: S3Client;

  before(async () => {
    server = await startBucketServer({ credentials: [credentials] });
    server.store.createBucket(Bucket);
    client = clientOf({ ...server, region: 'us-east-1', credentials });
  });
  after(async () => {
    client.destroy();
    await server.close();
  });
  beforeEach(() => {
    server.faults.clear();
    server.requests.reset();
    server.store.put(Bucket, 'data/a', BODY);
    server.store.put(Bucket, 'data/b', 'b');
  });

  const get = (Key = 'data/a') => client.send(new GetObjectCommand({ Bucket, Key }));

  test('an ordered error is returned as often as ordered, then the real answer', async () => {
    const fault = server.faults.order({
      operation: 'GetObject',
      times: 2,
      error: { status: 503, code: 'SlowDown' },
    });
    for (let count = 0; count < 2; count += 1) {
      assert.deepEqual(await failureOf(get()), { code: 'SlowDown', status: 503 });
    }
    assert.equal(fault.hits, 2);
    assert.deepEqual(Buffer.from((await (await get()).Body?.transformToByteArray()) ?? []), BODY);
    assert.equal(fault.hits, 2);
    assert.deepEqual(
      server.requests.recent.map(({ status, errorCode }) => [status, errorCode]),
      [
        [503, 'SlowDown'],
        [503, 'SlowDown'],
        [200, undefined],
      ],
    );
  });

  test('an error has its message and Retry-After', async () => {
    server.faults.order({ error: { status: 503, code: 'SlowDown', retryAfter: 7 } });
    server.faults.order({ error: { status: 500, code: 'Odd', message: 'as <ordered>' } });
    const target = { ...server, region: 'us-east-1', credentials };
    const slow = await sendRaw(target, { path: `/${Bucket}/data/a` });
    assert.equal(slow.headers['retry-after'], '7');
    assert.match(slow.body, /<Message>Please reduce your request rate\.<\/Message>/);
    const odd = await sendRaw(target, { path: `/${Bucket}/data/a` });
    assert.match(odd.body, /<Code>Odd<\/Code><Message>as &lt;ordered&gt;<\/Message>/);
  });

  test('the SDK retries after an error', async () => {
    const fault = server.faults.order({
      operation: 'ListObjectsV2',
      error: { status: 500, code: 'InternalError' },
    });
    const patient = clientOf({ ...server, region: 'us-east-1', credentials }, { maxAttempts: 2 });
    const { KeyCount } = await patient.send(new ListObjectsV2Command({ Bucket }));
    patient.destroy();
    assert.deepEqual([KeyCount, fault.hits, server.requests.count('ListObjectsV2')], [2, 1, 2]);
  });

  test('an order affects only requests that match, and the first order left is used', async () => {
    server.store.createBucket('other-bucket');
    const error = (code: string) => ({ error: { status: 500, code } });
    const faults = [
      server.faults.order({ operation: 'PutObject', ...error('WrongOperation') }),
      server.faults.order({ bucket: 'other-bucket', ...error('WrongBucket') }),
      server.faults.order({ key: 'data', ...error('WrongKey') }),
      server.faults.order({ key: /c$/, ...error('WrongPattern') }),
      server.faults.order({ key: /^data\/[ab]$/, ...error('First') }),
      server.faults.order({ bucket: Bucket, ...error('Second') }),
    ];
    assert.equal((await failureOf(get('data/b'))).code, 'First');
    assert.equal((await failureOf(client.send(new ListObjectsV2Command({ Bucket })))).code, 'Second');
    assert.equal(await (await get('data/b')).Body?.transformToString(), 'b');
    assert.deepEqual(
      faults.map(({ hits }) => hits),
      [0, 0, 0, 0, 1, 1],
    );
  });

  test('a cancelled order has no effect', async () => {
    const fault = server.faults.order({
      times: Number.POSITIVE_INFINITY,
      error: { status: 500, code: 'Odd' },
    });
    assert.equal((await failureOf(get('data/b'))).code, 'Odd');
    fault.cancel();
    assert.equal(await (await get('data/b')).Body?.transformToString(), 'b');
    assert.equal(fault.hits, 1);
  });

  for (const cut of [0, 1, 300_000]) {
    test(`a body is cut after ${cut} bytes`, async () => {
      const fault = server.faults.order({ operation: 'GetObject', cut });
      const answer = await get();
      assert.equal(answer.ContentLength, BODY.length);
      const chunks: Buffer[] = [];
      await assert.rejects(async () => {
        for await (const chunk of answer.Body as Readable) chunks.push(chunk);
      }, /aborted|ECONNRESET|terminated/);
      assert.deepEqual(Buffer.concat(chunks), BODY.subarray(0, cut));
      assert.equal(fault.hits, 1);
    });
  }

  test('a listing can be cut', async () => {
    server.faults.order({ operation: 'ListObjectsV2', cut: 50 });
    await assert.rejects(client.send(new ListObjectsV2Command({ Bucket })));
    assert.equal((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 2);
  });

  test('a body can stall until it is released', async () => {
    const fault = server.faults.order({ key: 'data/a', stall: { after: 100_000 } });
    const answer = await get();
    const body = answer.Body as Readable;
    const chunks: Buffer[] = [];
    let received = 0;
    body.on('data', (chunk) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received === 100_000) body.emit('stalled');
    });
    await once(body, 'stalled');
    await fault.hit();
    server.store.put(Bucket, 'data/a', 'overwritten meanwhile');
    assert.equal(await (await get('data/b')).Body?.transformToString(), 'b');
    assert.equal(received, 100_000);
    fault.release();
    await once(body, 'end');
    assert.deepEqual(Buffer.concat(chunks), BODY);
  });

  test('a body can stall for a given time', async () => {
    const fault = server.faults.order({ stall: { after: 0, ms: 1 } });
    assert.deepEqual(Buffer.from((await (await get()).Body?.transformToByteArray()) ?? []), BODY);
    assert.equal(fault.hits, 1);
  });

  test('a body can stall and then be cut', async () => {
    const fault = server.faults.order({ stall: { after: 10 }, cut: 20 });
    const answer = await get();
    await fault.hit();
    fault.release();
    await assert.rejects(async () => answer.Body?.transformToByteArray());
    await fault.hit(2);
  });

  test('a stall ends when the client gives up', async () => {
    const fault = server.faults.order({ stall: { after: 10 }, cut: 20 });
    const { Body } = await get();
    await fault.hit();
    (Body as Readable).destroy();
    await fault.hit(2);
  });

  test('a Range header can be ignored', async () => {
    server.faults.order({ operation: 'GetObject', ignoreRange: true });
    const ranged = () => client.send(new GetObjectCommand({ Bucket, Key: 'data/a', Range: 'bytes=10-19' }));
    const ignored = await ranged();
    assert.deepEqual([ignored.ContentRange, ignored.ContentLength], [undefined, BODY.length]);
    assert.deepEqual(Buffer.from((await ignored.Body?.transformToByteArray()) ?? []), BODY);
    assert.equal((await ranged()).ContentLength, 10);
  });

  test('conditions can be ignored, and the ETag can be wrong or missing', async () => {
    const wrong = () => client.send(new GetObjectCommand({ Bucket, Key: 'data/b', IfMatch: '"other"' }));
    assert.equal((await failureOf(wrong())).status, 412);
    server.faults.order({ operation: 'GetObject', ignoreConditions: true });
    assert.equal(await (await wrong()).Body?.transformToString(), 'b');
    for (const etag of ['"other"', null]) {
      server.faults.order({ operation: 'GetObject', etag });
      const answer = await get('data/b');
      assert.equal(answer.ETag, etag ?? undefined);
      assert.equal(await answer.Body?.transformToString(), 'b');
    }
  });

  test("a listing can be replaced by a function's result", async () => {
    server.faults.order({ operation: 'ListObjectsV2', listing: unsorted });
    const list = async () =>
      (await client.send(new ListObjectsV2Command({ Bucket }))).Contents?.map(({ Key }) => Key);
    assert.deepEqual(await list(), ['data/b', 'data/a']);
    assert.deepEqual(await list(), ['data/a', 'data/b']);
  });

  test('siblings can be counted before start-after, as MinIO counts them', async () => {
    const name = 'siblings';
    server.store.createBucket(name);
    const keys = ['pump/1', 'pump/2', 'pump0', 'pump1', 'pump2'];
    for (let n = 0; n < 1100; n += 1) server.store.put(name, `pump-old/${n}`, '');
    for (const key of keys) server.store.put(name, key, '');
    server.faults.order({ operation: 'ListObjectsV2', listing: countingSiblings, times: 3 });
    const list = async (options: { StartAfter?: string; Prefix?: string }) => {
      const page = await client.send(new ListObjectsV2Command({ Bucket: name, ...options }));
      return [page.Contents?.map(({ Key }) => Key), page.IsTruncated];
    };
    assert.deepEqual(await list({ StartAfter: 'pump/1' }), [['pump0'], false]);
    assert.deepEqual(await list({ StartAfter: 'pump/1', Prefix: 'pump/' }), [['pump/2'], false]);
    assert.deepEqual(await list({ StartAfter: 'pump0' }), [['pump1', 'pump2'], false]);
    assert.deepEqual(await list({ StartAfter: 'pump/1' }), [keys.slice(1), false]);
  });

  test('a body can be sent slowly until the client gives up', async () => {
    const fault = server.faults.order({ key: 'data/b', trickle: { ms: 1 } });
    assert.equal(await (await get('data/b')).Body?.transformToString(), 'b');
    assert.equal(fault.hits, 1);
    server.faults.order({ key: 'data/a', trickle: { ms: 1 } });
    const body = (await get()).Body as Readable;
    const [first] = await once(body, 'data');
    assert.ok(first.length < 100, `${first.length} bytes at once`);
    body.destroy();
  });

  test('a connection can be reset before the answer', async () => {
    const fault = server.faults.order({ operation: 'HeadObject', reset: true });
    const failure = await failureOf(client.send(new HeadObjectCommand({ Bucket, Key: 'data/a' })));
    assert.equal(failure.status, undefined);
    assert.equal(fault.hits, 1);
    assert.equal(server.requests.recent[0]?.status, undefined);
    await client.send(new HeadObjectCommand({ Bucket, Key: 'data/a' }));
  });

  test('an upload that gets an error is not stored', async () => {
    server.faults.order({ operation: 'PutObject', error: { status: 503, code: 'SlowDown' } });
    const upload = () => client.send(new PutObjectCommand({ Bucket, Key: 'data/new', Body: BODY }));
    assert.equal((await failureOf(upload())).code, 'SlowDown');
    assert.equal(server.store.get(Bucket, 'data/new'), undefined);
    await upload();
    assert.equal(server.store.get(Bucket, 'data/new')?.size, BODY.length);
  });

  test('an answer can be delayed and is then correct', async () => {
    const fault = server.faults.order({ key: 'data/b', delay: 1 });
    assert.equal(await (await get('data/b')).Body?.transformToString(), 'b');
    assert.equal(fault.hits, 1);
  });

  test('an answer with a long delay is sent when it is released', async () => {
    const fault = server.faults.order({ key: 'data/b', delay: 3_600_000 });
    const answer = get('data/b');
    fault.release();
    assert.equal(await (await answer).Body?.transformToString(), 'b');
  });

  test('an object can change or be deleted just before it is read', async () => {
    const { ETag } = (await client.send(new ListObjectsV2Command({ Bucket }))).Contents?.[1] ?? {};
    server.faults.order({ key: 'data/b', before: () => server.store.put(Bucket, 'data/b', 'new') });
    const read = client.send(new GetObjectCommand({ Bucket, Key: 'data/b', IfMatch: ETag }));
    assert.deepEqual(await failureOf(read), { code: 'PreconditionFailed', status: 412 });
    server.faults.order({ key: 'data/b', before: ({ key = '' }) => server.store.delete(Bucket, key) });
    assert.deepEqual(await failureOf(get('data/b')), { code: 'NoSuchKey', status: 404 });
  });

  test('closing the server ends stalled and delayed answers', async () => {
    const own = await startBucketServer();
    own.store.createBucket(Bucket);
    own.store.put(Bucket, 'a', BODY);
    const stalled = own.faults.order({ operation: 'GetObject', stall: { after: 10 } });
    own.faults.order({ operation: 'HeadObject', delay: 3_600_000 });
    const reader = clientOf({ ...own, region: 'us-east-1', credentials });
    const answer = await reader.send(new GetObjectCommand({ Bucket, Key: 'a' }));
    const head = failureOf(reader.send(new HeadObjectCommand({ Bucket, Key: 'a' })));
    await stalled.hit();
    while (own.requests.count('HeadObject') === 0) await new Promise(setImmediate);
    const rejected = assert.rejects(async () => answer.Body?.transformToByteArray());
    await own.close();
    await rejected;
    assert.equal((await head).status, undefined);
    reader.destroy();
    await own.close();
  });
});
