import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListObjectsV2Command, type S3ClientConfig } from '@aws-sdk/client-s3';
import { elementOf, sendRaw } from '../raw_request.ts';
import { clientOf, failureOf, newBucket } from '../target.ts';
import { type Subject, suite } from './suite.ts';

async function failureWith(subject: Subject, Bucket: string, config: S3ClientConfig) {
  const client = clientOf(subject.target, config);
  try {
    return await failureOf(client.send(new ListObjectsV2Command({ Bucket })));
  } finally {
    client.destroy();
  }
}

export const authenticationSuite = suite('authentication', (subject) => {
  test('an unknown access key is refused', async () => {
    await using bucket = await newBucket(subject.client);
    const credentials = { accessKeyId: 'AKIDNOBODY0000000000', secretAccessKey: 'secret' };
    const failure = await failureWith(subject, bucket.name, { credentials });
    assert.deepEqual(failure, { code: 'InvalidAccessKeyId', status: 403 });
  });

  test('a wrong secret is refused', async () => {
    await using bucket = await newBucket(subject.client);
    const credentials = { ...subject.target.credentials, secretAccessKey: 'secret' };
    const failure = await failureWith(subject, bucket.name, { credentials });
    assert.deepEqual(failure, { code: 'SignatureDoesNotMatch', status: 403 });
  });

  test('a clock that is an hour off is refused', async () => {
    await using bucket = await newBucket(subject.client);
    for (const hours of [-1, 1]) {
      const failure = await failureWith(subject, bucket.name, { systemClockOffset: hours * 3_600_000 });
      assert.deepEqual(failure, { code: 'RequestTimeTooSkewed', status: 403 });
    }
  });

  test('a request without a signature is refused', async () => {
    await using bucket = await newBucket(subject.client, ['a']);
    for (const path of [`/${bucket.name}?list-type=2`, `/${bucket.name}/a`]) {
      const answer = await sendRaw(subject.target, { path, unsigned: true });
      assert.deepEqual([answer.status, elementOf(answer.body, 'Code')], [403, 'AccessDenied']);
    }
  });

  test('an S3 header that the signature does not cover is refused', async () => {
    await using bucket = await newBucket(subject.client, ['a']);
    const path = `/${bucket.name}/a`;
    const harmless = await sendRaw(subject.target, { path, unsignedHeaders: { accept: '*/*' } });
    assert.equal(harmless.status, 200);
    const answer = await sendRaw(subject.target, {
      path,
      unsignedHeaders: { 'x-amz-checksum-mode': 'ENABLED' },
    });
    assert.deepEqual([answer.status, elementOf(answer.body, 'Code')], [403, 'AccessDenied']);
  });

  test('a query that was changed after it was signed is refused', async () => {
    await using bucket = await newBucket(subject.client, ['a']);
    const client = clientOf(subject.target);
    client.middlewareStack.add(
      (next) => (args) => {
        Object.assign((args.request as { query: object }).query, { prefix: 'changed' });
        return next(args);
      },
      { step: 'finalizeRequest', priority: 'low' },
    );
    const failure = await failureOf(client.send(new ListObjectsV2Command({ Bucket: bucket.name })));
    client.destroy();
    assert.deepEqual(failure, { code: 'SignatureDoesNotMatch', status: 403 });
  });
});
