import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { failureOf, newBucket } from '../target.ts';
import { suite } from './suite.ts';

export const bucketSuite = suite('buckets', (subject) => {
  test('a bucket can be listed, headed and located until it is deleted', async () => {
    const { client } = subject;
    let name: string;
    {
      await using bucket = await newBucket(client);
      name = bucket.name;
      const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
      const listed = Buckets.find(({ Name }) => Name === name);
      assert.ok(listed?.CreationDate instanceof Date);
      const head = await client.send(new HeadBucketCommand({ Bucket: name }));
      assert.equal(head.BucketRegion, subject.target.region);
      const { LocationConstraint } = await client.send(new GetBucketLocationCommand({ Bucket: name }));
      assert.equal(LocationConstraint || 'us-east-1', subject.target.region);
    }
    const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
    assert.ok(!Buckets.some(({ Name }) => Name === name));
    assert.deepEqual(await failureOf(client.send(new HeadBucketCommand({ Bucket: name }))), {
      code: 'NotFound',
      status: 404,
    });
  });

  test('every operation on a bucket that does not exist fails', async () => {
    const Bucket = 'conformance-there-is-no-such-bucket';
    const missing = { code: 'NoSuchBucket', status: 404 };
    const { client } = subject;
    assert.deepEqual(await failureOf(client.send(new ListObjectsV2Command({ Bucket }))), missing);
    assert.deepEqual(await failureOf(client.send(new GetObjectCommand({ Bucket, Key: 'a' }))), missing);
    assert.deepEqual(
      await failureOf(client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }))),
      missing,
    );
    assert.deepEqual(await failureOf(client.send(new DeleteBucketCommand({ Bucket }))), missing);
  });

  test('a bucket with objects cannot be deleted', async () => {
    await using bucket = await newBucket(subject.client, ['a']);
    const failure = await failureOf(subject.client.send(new DeleteBucketCommand({ Bucket: bucket.name })));
    assert.deepEqual(failure, { code: 'BucketNotEmpty', status: 409 });
  });

  for (const Bucket of ['Upper-Case', 'ab', 'two..dots', '192.168.5.4', '-leading', 'under_score']) {
    test(`${Bucket} cannot be a bucket's name`, async () => {
      const failure = await failureOf(subject.client.send(new CreateBucketCommand({ Bucket })));
      assert.deepEqual(failure, { code: 'InvalidBucketName', status: 400 });
    });
  }
});
