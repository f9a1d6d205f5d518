import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { startBucketServer } from '../../embedded/bucket/server.ts';
import { startStsServer } from '../../embedded/sts/server.ts';
import { clientOf } from './target.ts';

// The embedded STS as the AWS SDK sees it, and how the bucket treats its credentials.

const user = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
const stranger = { accessKeyId: 'AKIDSTRANGER', secretAccessKey: 'other' };
const ROLE = 'arn:aws:iam::111122223333:role/team/reader';
const Bucket = 'a-bucket';

async function start() {
  const credentials = [user, stranger];
  const server = await startBucketServer({ credentials });
  const sts = await startStsServer({
    credentials,
    roles: [{ arn: ROLE, trusts: [user.accessKeyId], externalId: 'p/s' }],
  });
  server.store.createBucket(Bucket);
  server.store.put(Bucket, 'a', 'text');
  const assume = (params = {}, masterCredentials = user) =>
    fromTemporaryCredentials({
      masterCredentials,
      params: { RoleArn: ROLE, RoleSessionName: 'session', ExternalId: 'p/s', ...params },
      clientConfig: { endpoint: sts.endpoint, region: 'us-east-1', maxAttempts: 1 },
    })();
  const get = async (credentials: Awaited<ReturnType<typeof assume>>) => {
    const client = clientOf({ ...server, region: 'us-east-1', credentials });
    try {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }));
      return await Body?.transformToString();
    } finally {
      client.destroy();
    }
  };
  return {
    sts,
    assume,
    get,
    async [Symbol.asyncDispose]() {
      await Promise.all([sts.close(), server.close()]);
    },
  };
}

test('a principal that may assume a role gets credentials, which the bucket accepts only with their token', async () => {
  await using at = await start();
  const role = await at.assume();
  assert.equal(await at.get(role), 'text');
  await assert.rejects(at.get({ ...role, sessionToken: 'another' }), { name: 'InvalidToken' });
  await assert.rejects(at.get({ ...role, secretAccessKey: 'another' }), { name: 'SignatureDoesNotMatch' });
  const { sessionToken: _, ...bare } = role;
  await assert.rejects(at.get(bare), { name: 'InvalidToken' });
  assert.ok(role.expiration!.getTime() > Date.now() + 3_000_000);
});

test('credentials stop working when they expire or are revoked', async () => {
  await using at = await start();
  at.sts.lifetimeMs = 0;
  await assert.rejects(at.get(await at.assume()), { name: 'ExpiredToken' });
  at.sts.lifetimeMs = 3_600_000;
  const role = await at.assume();
  assert.equal(await at.get(role), 'text');
  at.sts.revokeAll();
  await assert.rejects(at.get(role), { name: 'ExpiredToken' });
});

test('an untrusted principal, a wrong or missing external id and an unknown role are denied in the same way', async () => {
  await using at = await start();
  for (const [params, signer] of [
    [{}, stranger],
    [{ ExternalId: 'p/t' }, user],
    [{ ExternalId: undefined }, user],
    [{ RoleArn: `${ROLE}s` }, user],
  ] as const) {
    await assert.rejects(at.assume(params, signer), { name: 'AccessDenied', message: /is not authorized/ });
  }
  assert.deepEqual(
    at.sts.requests.map(({ errorCode }) => errorCode),
    Array(4).fill('AccessDenied'),
  );
});

test('signatures and parameters are verified', async () => {
  await using at = await start();
  const unknown = { accessKeyId: 'nobody', secretAccessKey: 'x' };
  await assert.rejects(at.assume({}, unknown), { name: 'InvalidClientTokenId' });
  await assert.rejects(at.assume({}, { ...user, secretAccessKey: 'x' }), { name: 'SignatureDoesNotMatch' });
  for (const params of [{ RoleSessionName: 'a b' }, { ExternalId: 'é é' }, { RoleArn: 'reader' }]) {
    await assert.rejects(at.assume(params), { name: 'ValidationError' });
  }
  const unsigned = await fetch(at.sts.endpoint, { method: 'POST', body: 'Action=AssumeRole' });
  assert.equal(unsigned.status, 403);
  assert.match(await unsigned.text(), /<Code>MissingAuthenticationToken</);
});
