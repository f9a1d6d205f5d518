import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { sendRaw } from '../raw_request.ts';
import { failureOf, newBucket } from '../target.ts';
import { type Subject, suite } from './suite.ts';

function put(subject: Subject, Bucket: string, input: Partial<PutObjectCommandInput> = {}) {
  return subject.client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'hello', ...input }));
}

export const writingSuite = suite('writing', (subject) => {
  test('an upload returns the quoted MD5 and replaces the old object', async () => {
    await using bucket = await newBucket(subject.client, ['a']);
    const { ETag } = await put(subject, bucket.name);
    assert.equal(ETag, '"5d41402abc4b2a76b9719d911017c592"');
    const answer = await subject.client.send(new GetObjectCommand({ Bucket: bucket.name, Key: 'a' }));
    assert.deepEqual([await answer.Body?.transformToString(), answer.ETag], ['hello', ETag]);
    const { KeyCount } = await subject.client.send(new ListObjectsV2Command({ Bucket: bucket.name }));
    assert.equal(KeyCount, 1);
  });

  test('headers and metadata are returned as stored', async () => {
    await using bucket = await newBucket(subject.client);
    const input = {
      ContentType: 'text/csv',
      ContentEncoding: 'gzip',
      CacheControl: 'no-cache',
      Metadata: { from: 'test' },
    };
    await put(subject, bucket.name, input);
    const answer = await subject.client.send(new GetObjectCommand({ Bucket: bucket.name, Key: 'a' }));
    assert.equal(await answer.Body?.transformToString(), 'hello');
    const { ContentType, ContentEncoding, CacheControl, Metadata } = answer;
    assert.deepEqual({ ContentType, ContentEncoding, CacheControl, Metadata }, input);
  });

  test('If-None-Match: * only creates an object', async () => {
    await using bucket = await newBucket(subject.client);
    await put(subject, bucket.name, { IfNoneMatch: '*' });
    const failure = await failureOf(put(subject, bucket.name, { IfNoneMatch: '*', Body: 'other' }));
    assert.deepEqual(failure, { code: 'PreconditionFailed', status: 412 });
    const { ETag } = await subject.client.send(new GetObjectCommand({ Bucket: bucket.name, Key: 'a' }));
    assert.equal(ETag, '"5d41402abc4b2a76b9719d911017c592"');
  });

  test('If-Match only replaces the version that it names', async () => {
    await using bucket = await newBucket(subject.client);
    const { ETag } = await put(subject, bucket.name);
    await put(subject, bucket.name, { IfMatch: ETag, Body: 'second' });
    const failure = await failureOf(put(subject, bucket.name, { IfMatch: ETag, Body: 'third' }));
    assert.deepEqual(failure, { code: 'PreconditionFailed', status: 412 });
  });

  test('deleting a key that does not exist succeeds', async () => {
    await using bucket = await newBucket(subject.client, ['a']);
    for (let count = 0; count < 2; count += 1) {
      const { $metadata } = await subject.client.send(
        new DeleteObjectCommand({ Bucket: bucket.name, Key: 'a' }),
      );
      assert.equal($metadata.httpStatusCode, 204);
    }
    assert.equal((await subject.client.send(new ListObjectsV2Command({ Bucket: bucket.name }))).KeyCount, 0);
  });

  test('many keys are deleted in one request, with a quiet answer on demand', async () => {
    await using bucket = await newBucket(subject.client, ['a', 'b', 'c', 'd']);
    const remove = (keys: string[], Quiet: boolean) =>
      subject.client.send(
        new DeleteObjectsCommand({
          Bucket: bucket.name,
          Delete: { Objects: keys.map((Key) => ({ Key })), Quiet },
        }),
      );
    const loud = await remove(['a', 'missing'], false);
    assert.deepEqual(new Set(loud.Deleted?.map(({ Key }) => Key)), new Set(['a', 'missing']));
    const quiet = await remove(['b', 'c'], true);
    assert.deepEqual(quiet.Deleted ?? [], []);
    const { Contents = [] } = await subject.client.send(new ListObjectsV2Command({ Bucket: bucket.name }));
    assert.deepEqual(
      Contents.map(({ Key }) => Key),
      ['d'],
    );
  });

  test('a list of keys to delete that is not XML is refused', async () => {
    await using bucket = await newBucket(subject.client, ['a']);
    const body = '<Delete><Object></Delete>';
    const { createHash } = await import('node:crypto');
    const md5 = createHash('md5').update(body).digest('base64');
    const answer = await sendRaw(subject.target, {
      method: 'POST',
      path: `/${bucket.name}?delete`,
      body,
      headers: { 'content-md5': md5 },
    });
    assert.equal(answer.status, 400);
    assert.match(answer.body, /<Code>MalformedXML<\/Code>/);
  });
});
