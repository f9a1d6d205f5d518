import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { StsError } from '../../embedded/sts/assume_role.ts';
import { startStsServer } from '../../embedded/sts/server.ts';
import { call } from '../requests/support.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// The worker's own credentials: endpoints that fail for a while, refusals of STS and SSO, and what is said of them.

const world = await openWorld();
const { db } = world;
const sts = await startStsServer({ credentials: world.credentials, roles: [] });
after(() => sts.close());
afterEach(async () => {
  await db.query("select s3_connector.pause(name) from s3_connector.connectors where state = 'running'");
  await world.stopWorkers();
});

/** The endpoint for credentials of a container, and the metadata service of a machine. */
let failing = true;
const endpoint = createServer(({ url }, response) => {
  if (failing) return void response.writeHead(500).end('out of order');
  if (url === '/latest/api/token') return void response.end('token');
  if (url!.endsWith('/security-credentials/')) return void response.end('role');
  response.end(
    JSON.stringify({
      Code: 'Success',
      AccessKeyId: 'container',
      SecretAccessKey: 'container-secret',
      Token: 'none',
      Expiration: new Date(Date.now() + 3_600_000).toISOString(),
    }),
  );
});
await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
after(() => endpoint.close().closeAllConnections());
const endpointUrl = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`;
world.credentials.push({
  accessKeyId: 'container',
  secretAccessKey: 'container-secret',
  sessionToken: 'none',
});

const NO_KEYS = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', HOME: world.spoolDir };

async function step(name: string): Promise<{ ok: boolean; message: string; hint: string }> {
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    schedule: NEVER_AGAIN,
    state: 'paused',
  });
  await call(db, `call s3_connector.check('${name}')`);
  return await db.one(
    "select ok, message, hint from s3_connector.checks where connector_name = $1 and step = 'credentials'",
    [name],
  );
}

for (const [what, name, env] of [
  [
    "a container's endpoint",
    'container',
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${endpointUrl}/credentials` },
  ],
  ["a machine's metadata service", 'machine', { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpointUrl }],
] as const) {
  test(`credentials that ${what} refuses for a while are a passing error, and cost no file an attempt`, async () => {
    failing = true;
    await world.startWorker({ ...NO_KEYS, ...env });
    const first = await step(name);
    assert.deepEqual([first.ok, /it answers 500/.test(first.message)], [false, true], first.message);
    await db.query(`select s3_connector.resume('${name}')`);
    const [poll] = await db.waitFor<{ error_code: string }>(
      `select error_code from s3_connector.polls where connector_name = '${name}'`,
      ([found]) => found !== undefined,
    );
    assert.equal(poll!.error_code, 'credentials_unavailable');
    failing = false;
    world.put(`${name}/1.csv`, 'n\n1\n');
    const [file] = await world.pollAndSettle(name);
    assert.deepEqual([file!.status, file!.attempts], ['success', 1], file!.error_message ?? '');
  });
}

test('a web identity that STS refuses is no missing right on the bucket', async () => {
  const token = join(world.spoolDir, 'token');
  await writeFile(token, 'a.b.c');
  await world.startWorker({
    ...NO_KEYS,
    AWS_ENDPOINT_URL_STS: sts.endpoint,
    AWS_WEB_IDENTITY_TOKEN_FILE: token,
    AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/irsa',
  });
  sts.errors.push(
    ...Array(9).fill(
      new StsError(403, 'AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity'),
    ),
  );
  const { ok, message, hint } = await step('irsa');
  sts.errors.length = 0;
  assert.equal(ok, false);
  assert.match(
    message,
    /did not give the worker its credentials: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity$/,
  );
  assert.match(hint, /trust policy/);
  const list = await db.one<{ message: string }>(
    "select message from s3_connector.checks where connector_name = 'irsa' and step = 'list'",
  );
  assert.doesNotMatch(list.message, /denied access to bucket/);
});

test('an SSO session that has expired is named', async () => {
  const home = join(world.spoolDir, 'home');
  await mkdir(join(home, '.aws'), { recursive: true });
  await writeFile(
    join(home, '.aws', 'config'),
    `[profile sso]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = reader
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = us-east-1
`,
  );
  await world.startWorker({ ...NO_KEYS, HOME: home, AWS_PROFILE: 'sso' });
  const { ok, message } = await step('sso');
  assert.equal(ok, false);
  assert.match(message, /SSO session .*aws sso login/i);
});
