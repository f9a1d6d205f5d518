import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Trial } from '../../../src/conformance/trial.ts';
import { SERVER_CASES } from '../../../src/conformance/verdict.ts';
import { S3Sources } from '../../../src/sources/s3.ts';
import { clientOf, newBucket } from '../target.ts';
import { type Subject, suite } from './suite.ts';

/** What the connector relies on: the cases that `doctor` tries on a person's own server. */
export const reliedOnSuite = suite('what the connector relies on', (subject) => {
  for (const [index, one] of SERVER_CASES.entries()) {
    test(one.name, async () => {
      await using bucket = await newBucket(subject.client);
      const { trial, close } = openTrial(subject, bucket.name);
      try {
        await one.run(trial.within(String(index)));
        assert.deepEqual(await trial.clean(), []);
      } finally {
        close();
      }
    });
  }
});

function openTrial({ target, client }: Subject, bucket: string): { trial: Trial; close(): void } {
  const { endpoint, region, credentials } = target;
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  });
  const sources = new S3Sources({
    allowedEndpoints: [new URL(endpoint).origin],
    externalId: null,
    proxyEnv: null,
    timeouts: { connectMs: 10_000, idleMs: 60_000, fetchMs: 60_000 },
  });
  const source = sources.open({
    name: 'trial',
    bucket,
    region,
    endpoint,
    auth_method: 'worker',
    role_arn: null,
  });
  const trial = new Trial({
    client,
    source,
    bucket,
    prefix: '',
    signal: new AbortController().signal,
    clientWith: async ({ secretAccessKey, region: other }) =>
      clientOf(target, {
        region: other ?? region,
        credentials: { ...credentials, ...(secretAccessKey === undefined ? {} : { secretAccessKey }) },
      }),
  });
  return { trial, close: () => sources.close() };
}
