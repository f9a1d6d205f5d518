import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import {
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { elementOf, sendRaw } from '../raw_request.ts';
import { failureOf, newBucket } from '../target.ts';
import { type Subject, suite } from './suite.ts';

const BODY = '0123456789';

async function bucketWith(subject: Subject, body: string | Buffer) {
  const bucket = await newBucket(subject.client);
  const { ETag = '' } = await subject.client.send(
    new PutObjectCommand({ Bucket: bucket.name, Key: 'a', Body: body }),
  );
  const get = async (input: Partial<GetObjectCommandInput> = {}) => {
    const answer = await subject.client.send(
      new GetObjectCommand({ Bucket: bucket.name, Key: 'a', ...input }),
    );
    return {
      ...answer,
      status: answer.$metadata.httpStatusCode,
      text: await answer.Body?.transformToString(),
    };
  };
  return { ...bucket, etag: ETag, get };
}

export const readingSuite = suite('reading', (subject) => {
  test('a whole object is read with its validators', async () => {
    await using bucket = await bucketWith(subject, BODY);
    const answer = await bucket.get();
    assert.deepEqual(
      [answer.status, answer.text, answer.ContentLength, answer.AcceptRanges],
      [200, BODY, 10, 'bytes'],
    );
    assert.equal(answer.ETag, '"781e5e245d69b566979b86e28d23f2c7"');
    const head = await subject.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: 'a' }));
    assert.deepEqual([head.ETag, head.ContentLength], [answer.ETag, 10]);
    assert.deepEqual(head.LastModified, answer.LastModified);
  });

  for (const [range, text, contentRange] of [
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=2-5', '2345', 'bytes 2-5/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=8-100', '89', 'bytes 8-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-100', BODY, 'bytes 0-9/10'],
  ] as const) {
    test(`range ${range} is satisfied`, async () => {
      await using bucket = await bucketWith(subject, BODY);
      const answer = await bucket.get({ Range: range });
      assert.deepEqual([answer.status, answer.text, answer.ContentRange], [206, text, contentRange]);
      assert.equal(answer.ContentLength, text.length);
    });
  }

  for (const range of ['bytes=10-', 'bytes=10-20', 'bytes=-0']) {
    test(`range ${range} cannot be satisfied`, async () => {
      await using bucket = await bucketWith(subject, BODY);
      assert.deepEqual(await failureOf(bucket.get({ Range: range })), { code: 'InvalidRange', status: 416 });
    });
  }

  test('no range of an empty object can be satisfied', async (t) => {
    // The SDK takes an empty body for a stream of unknown length.
    t.mock.method(console, 'warn', () => {});
    await using bucket = await bucketWith(subject, '');
    assert.deepEqual(await failureOf(bucket.get({ Range: 'bytes=0-' })), {
      code: 'InvalidRange',
      status: 416,
    });
    assert.equal((await bucket.get()).text, '');
  });

  for (const range of ['bytes=5-2', 'lines=1-2', 'bytes=x-']) {
    test(`range ${range} is invalid, and ignored`, async () => {
      await using bucket = await bucketWith(subject, BODY);
      const answer = await sendRaw(subject.target, { path: `/${bucket.name}/a`, headers: { range } });
      assert.deepEqual([answer.status, answer.body], [200, BODY]);
    });
  }

  test('If-Match and If-None-Match decide whether an object is returned', async () => {
    await using bucket = await bucketWith(subject, BODY);
    const { etag } = bucket;
    const other = '"00000000000000000000000000000000"';
    assert.equal((await bucket.get({ IfMatch: etag })).text, BODY);
    assert.equal((await bucket.get({ IfMatch: etag.slice(1, -1) })).text, BODY);
    assert.deepEqual(await failureOf(bucket.get({ IfMatch: other })), {
      code: 'PreconditionFailed',
      status: 412,
    });
    assert.equal((await bucket.get({ IfNoneMatch: other })).text, BODY);
    assert.equal((await failureOf(bucket.get({ IfNoneMatch: etag }))).status, 304);
    const ranged = await failureOf(bucket.get({ IfMatch: other, Range: 'bytes=50-' }));
    assert.equal(ranged.status, 412);
  });

  test('If-Modified-Since and If-Unmodified-Since decide unless an ETag condition takes precedence', async () => {
    await using bucket = await bucketWith(subject, BODY);
    const { LastModified: at = new Date(0) } = await bucket.get();
    const earlier = new Date(at.getTime() - 60_000);
    assert.equal((await failureOf(bucket.get({ IfModifiedSince: at }))).status, 304);
    assert.equal((await bucket.get({ IfModifiedSince: earlier })).status, 200);
    assert.equal((await bucket.get({ IfUnmodifiedSince: at })).status, 200);
    assert.equal((await failureOf(bucket.get({ IfUnmodifiedSince: earlier }))).status, 412);
    assert.equal((await bucket.get({ IfMatch: bucket.etag, IfUnmodifiedSince: earlier })).status, 200);
    assert.equal(
      (await failureOf(bucket.get({ IfNoneMatch: bucket.etag, IfModifiedSince: earlier }))).status,
      304,
    );
  });

  test('an object that is overwritten during a read is read in its old version', async () => {
    const old = randomBytes(16 * 1024 * 1024);
    await using bucket = await bucketWith(subject, old);
    const answer = await subject.client.send(new GetObjectCommand({ Bucket: bucket.name, Key: 'a' }));
    const chunks: Buffer[] = [];
    for await (const chunk of answer.Body as Readable) {
      if (chunks.length === 0) {
        await subject.client.send(
          new PutObjectCommand({ Bucket: bucket.name, Key: 'a', Body: randomBytes(old.length) }),
        );
      }
      chunks.push(chunk);
    }
    assert.ok(Buffer.concat(chunks).equals(old), 'bytes of the new object came in');
    assert.deepEqual(await failureOf(bucket.get({ IfMatch: bucket.etag })), {
      code: 'PreconditionFailed',
      status: 412,
    });
  });

  test('reading a key that does not exist fails', async () => {
    await using bucket = await newBucket(subject.client);
    const where = { Bucket: bucket.name, Key: 'missing' };
    assert.deepEqual(await failureOf(subject.client.send(new GetObjectCommand(where))), {
      code: 'NoSuchKey',
      status: 404,
    });
    assert.deepEqual(
      await failureOf(subject.client.send(new GetObjectCommand({ ...where, IfMatch: '"x"' }))),
      {
        code: 'NoSuchKey',
        status: 404,
      },
    );
    assert.deepEqual(await failureOf(subject.client.send(new HeadObjectCommand(where))), {
      code: 'NotFound',
      status: 404,
    });
  });

  test('errors are XML documents, except for HEAD', async () => {
    await using bucket = await newBucket(subject.client);
    const path = `/${bucket.name}/missing`;
    const get = await sendRaw(subject.target, { path });
    assert.equal(get.headers['content-type']?.split(';')[0], 'application/xml');
    assert.equal(elementOf(get.body, 'Code'), 'NoSuchKey');
    assert.ok(elementOf(get.body, 'RequestId'));
    const head = await sendRaw(subject.target, { path, method: 'HEAD' });
    assert.deepEqual([head.status, head.body], [404, '']);
  });
});
