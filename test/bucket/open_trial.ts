import { Trial } from '../../src/conformance/trial.ts';
import { S3Sources } from '../../src/sources/s3.ts';
import type { Subject } from './conformance/suite.ts';
import { clientOf } from './target.ts';

/** A place to try server cases in a bucket, with the target's credentials. */
export function openTrial({ target, client }: Subject, bucket: string): { trial: Trial; close(): void } {
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
