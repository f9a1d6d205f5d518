import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { StsError } from '../../embedded/sts/assume_role.ts';
import { startStsServer } from '../../embedded/sts/server.ts';
import { call } from '../requests/support.ts';
import { until } from '../support/until.ts';
import { type ConnectorColumns, NEVER_AGAIN, openWorld } from '../support/world.ts';

// auth_method iam_role: the worker's own credentials assume the connector's role, with the installation's external id.

const world = await openWorld();
const { db, server } = world;
const ROLE = 'arn:aws:iam::111122223333:role/team/reader';
const OTHERS_ROLE = 'arn:aws:iam::444455556666:role/reader';
const sts = await startStsServer({
  credentials: world.credentials,
  roles: [
    { arn: ROLE, trusts: ['reader'], externalId: 'a-project/a-service' },
    { arn: OTHERS_ROLE, trusts: ['reader'], externalId: 'other-project/other-service' },
  ],
});
after(() => sts.close());
const ENV = { AWS_ENDPOINT_URL_STS: sts.endpoint, PROJECT_ID: 'a-project', SERVICE_ID: 'a-service' };
before(() => world.startWorker(ENV));
beforeEach(async () => {
  // Ends an outage that an earlier test has caused.
  await db.query("select s3_connector.pause(name) from s3_connector.connectors where state = 'running'");
  server.requests.reset();
  sts.requests.length = 0;
  sts.lifetimeMs = 3_600_000;
});

const csv = (rows: number) => `n\n${Array.from({ length: rows }, (_, n) => n).join('\n')}\n`;
const insert = (columns: ConnectorColumns) =>
  world.insertConnector({ schedule: NEVER_AGAIN, auth_method: 'iam_role', role_arn: ROLE, ...columns });
/** The session tokens of the requests so far, in order, each once. */
const tokens = () => [
  ...new Set(server.requests.recent.map(({ headers }) => headers['x-amz-security-token'])),
];

/** A step of a check. */
async function check(name: string, step: string): Promise<{ ok: boolean; message: string; hint: string }> {
  await call(db, `call s3_connector.check('${name}')`);
  return await db.one(
    'select ok, message, hint from s3_connector.checks where connector_name = $1 and step = $2',
    [name, step],
  );
}

/** The last error of the connector's polls. */
async function pollError(name: string): Promise<string> {
  const [poll] = await db.waitFor<{ error: string }>(
    'select error from s3_connector.polls where connector_name = $1 and error is not null',
    ([found]) => found !== undefined,
    { values: [name] },
  );
  return poll!.error;
}

/** The check's error for a refusal by STS. */
async function refused(name: string, ...errors: StsError[]) {
  sts.errors.push(...errors);
  await insert({ name, pattern: 'none/*', target_table: 'none', state: 'paused' });
  const step = await check(name, 'assume role');
  sts.errors.length = 0;
  assert.equal(step.ok, false);
  return step;
}

test("files are imported with the role's credentials, and the role is assumed once", async () => {
  for (const n of [1, 2, 3]) world.put(`with/${n}.csv`, csv(n));
  await insert({ name: 'with a röle & ExternalId=mine/', pattern: 'with/*', target_table: 'with_role' });
  const files = await world.settled('with a röle & ExternalId=mine/');
  assert.deepEqual(
    files.map(({ status, rows_imported }) => [status, rows_imported]),
    [
      ['success', 1],
      ['success', 2],
      ['success', 3],
    ],
    files[0]!.error_message ?? '',
  );
  // The first import also samples the two other files.
  assert.equal(server.requests.count('GetObject'), 5);
  const [token, ...others] = tokens();
  assert.match(token!, /./);
  assert.deepEqual(others, []);
  assert.deepEqual(
    sts.requests.map(({ params, errorCode }) => [
      params.RoleArn,
      params.ExternalId,
      params.RoleSessionName,
      errorCode,
    ]),
    [[ROLE, 'a-project/a-service', 's3-connector-with-a-r-le---ExternalId=mine-', undefined]],
  );
});

test('a role that trusts another installation is not assumed, with any settings of the connector', async () => {
  world.put('theirs/1.csv', csv(1));
  await insert({
    name: 'other-project/other-service',
    pattern: 'theirs/*',
    target_table: 'theirs',
    role_arn: OTHERS_ROLE,
  });
  assert.match(await pollError('other-project/other-service'), /did not let the worker assume .*external id/);
  const denials = sts.requests.filter(({ params }) => params.RoleArn === OTHERS_ROLE);
  assert.ok(denials.length > 0);
  for (const { params } of denials) assert.equal(params.ExternalId, 'a-project/a-service');
  assert.equal(server.requests.count(), 0);
  const { message, ok } = await check('other-project/other-service', 'assume role');
  assert.equal(ok, false);
  assert.match(message, /not authorized .*\(external id a-project\/a-service\)$/);
});

test('no setting of a connector changes the external id', async () => {
  const columns = await db.query<{ name: string }>(
    // Workers record theirs in `workers`, and never read it.
    "select column_name as name from information_schema.columns where table_schema ~ '^s3_connector' and table_name <> 'workers' and column_name ~ 'external|project|service'",
  );
  assert.deepEqual(columns, []);
  for (const role_arn of [`${ROLE}&ExternalId=x/y`, `${ROLE}\n`, `${ROLE}?ExternalId=x`]) {
    await assert.rejects(insert({ name: 'chosen', pattern: '*', target_table: 'chosen', role_arn }), {
      code: '22023',
      message: /role_arn must be the ARN of a role/,
    });
  }
});

test('a check shows the external id, and policies ready to paste', async () => {
  world.put('shown/$1*/1.csv', csv(1));
  await insert({ name: 'shown', pattern: 'shown/$1\\*/*.csv', target_table: 'shown', state: 'paused' });
  const { ok, message, hint } = await check('shown', 'assume role');
  assert.equal(ok, true, message);
  assert.equal(message, `assumed ${ROLE} with external id a-project/a-service`);
  const [trust, permission] = policiesOf(hint);
  assert.deepEqual(trust.Statement, [
    {
      Effect: 'Allow',
      Principal: { AWS: "<ARN of the worker's role or user>" },
      Action: 'sts:AssumeRole',
      Condition: { StringEquals: { 'sts:ExternalId': 'a-project/a-service' } },
    },
  ]);
  assert.deepEqual(permission.Statement, [
    {
      Effect: 'Allow',
      Action: 's3:ListBucket',
      Resource: 'arn:aws:s3:::test-bucket',
      Condition: { StringLike: { 's3:prefix': `shown/\${$}1*` } },
    },
    { Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::test-bucket/shown/\${$}1*` },
  ]);
  const { message: credentials } = await check('shown', 'credentials');
  assert.match(credentials, /environment variables of the worker/);
});

test('a denial whose error names the worker puts the worker into the trust policy', async () => {
  const denial = (arn: string) =>
    new StsError(403, 'AccessDenied', `User: ${arn} is not authorized to perform: sts:AssumeRole`);
  const { hint } = await refused(
    'named',
    denial('arn:aws-cn:sts::123456789012:assumed-role/worker/i-0123456789'),
  );
  assert.match(hint, /must trust the worker's identity/);
  const [trust] = policiesOf(hint);
  assert.equal(trust.Statement[0].Principal.AWS, 'arn:aws-cn:iam::123456789012:role/worker');
});

test('other STS errors say what to do', async () => {
  const bad = await refused('bad', new StsError(403, 'InvalidClientTokenId', 'x-amz-security-token:abc'));
  assert.match(bad.message, /did not accept the worker's credentials/);
  assert.ok(!JSON.stringify(bad).includes('abc'), 'what STS quotes of the request is not repeated');
  const region = await refused('region', new StsError(403, 'RegionDisabledException', 'not activated'));
  assert.match(region.message, /not active in the worker's region/);
  assert.match(region.hint, /AWS_REGION/);
  const expired = await refused('expired', new StsError(403, 'ExpiredToken', 'expired'));
  assert.match(expired.message, /own credentials have expired/);
  const invalid = await refused('invalid', new StsError(400, 'ValidationError', 'RoleArn is invalid'));
  assert.match(invalid.hint, /role_arn/);
});

test('a long STS outage fails the poll as passing, after a few requests', async () => {
  world.put('down/1.csv', csv(1));
  const down = new StsError(503, 'ServiceUnavailable', 'down');
  sts.errors.push(...Array(20).fill(down));
  await insert({ name: 'down', pattern: 'down/*', target_table: 'down' });
  assert.match(await pollError('down'), /STS did not answer as expected: ServiceUnavailable: down/);
  // As often for the poll as for the request whether the bucket can be read at all.
  assert.ok(sts.requests.length <= 2 * 4, `${sts.requests.length} requests`);
  sts.errors.length = 0;
  const [file] = await world.pollAndSettle('down');
  assert.equal(file!.status, 'success');
});

test('credentials that expire during a long download are renewed, and the download resumes', async () => {
  const body = csv(200_000);
  world.put('long/1.csv', body);
  sts.lifetimeMs = 3000;
  // Half of it arrives with the first credentials, which expire before the rest is requested.
  const stall = server.faults.order({
    operation: 'GetObject',
    key: 'long/1.csv',
    stall: { after: 600_000 },
    cut: 600_000,
  });
  await insert({ name: 'long', pattern: 'long/*', target_table: 'long' });
  await stall.hit();
  const used = world.credentials.find(({ sessionToken }) => sessionToken === tokens().at(-1));
  await until('the credentials have expired', () => used!.expiresAt!.getTime() <= Date.now());
  stall.release();
  const [file] = await world.settled('long');
  assert.deepEqual(
    [file!.status, file!.attempts, file!.rows_imported],
    ['success', 1, 200_000],
    file!.error_message ?? '',
  );
  const gets = server.requests.recent.filter(({ operation }) => operation === 'GetObject');
  assert.deepEqual(
    gets.map(({ status, headers }) => [status, headers.range !== undefined]),
    [
      [200, false],
      [206, true],
    ],
  );
  assert.notEqual(gets[0]!.headers['x-amz-security-token'], gets[1]!.headers['x-amz-security-token']);
});

test('credentials that are revoked early are renewed once, when S3 refuses them', async () => {
  const body = csv(200_000);
  world.put('revoked/1.csv', body);
  const stall = server.faults.order({
    operation: 'GetObject',
    key: 'revoked/1.csv',
    stall: { after: 600_000 },
    cut: 600_000,
  });
  await insert({ name: 'revoked', pattern: 'revoked/*', target_table: 'revoked' });
  await stall.hit();
  sts.revokeAll();
  stall.release();
  const [file] = await world.settled('revoked');
  assert.deepEqual([file!.status, file!.attempts], ['success', 1], file!.error_message ?? '');
  const gets = server.requests.recent.filter(({ operation }) => operation === 'GetObject');
  assert.deepEqual(
    gets.map(({ status, errorCode }) => [status, errorCode]),
    [
      [200, undefined],
      [400, 'ExpiredToken'],
      [206, undefined],
    ],
  );
  assert.equal(sts.requests.length, 2);
  // A HEAD answer has no body with the reason.
  sts.revokeAll();
  const { row } = await call(db, "call s3_connector.dry_run_file('revoked', 'revoked/1.csv')");
  assert.deepEqual((row as { rows_read: number }).rows_read, 200_000);
});

test('a worker without PROJECT_ID and SERVICE_ID, or without credentials, says so and assumes no role', async () => {
  const workers = await db.query<{ pid: number }>('select pid from s3_connector.workers where alive');
  for (const { pid } of workers) process.kill(pid, 'SIGTERM');
  await db.waitFor('select from s3_connector.workers where alive', (alive) => alive.length === 0);
  await insert({ name: 'bare', pattern: 'shown/*', target_table: 'bare', state: 'paused' });
  sts.requests.length = 0;
  const half = await world.startWorker({ ...ENV, SERVICE_ID: '' });
  const { ok, message, hint } = await check('bare', 'assume role');
  assert.deepEqual([ok, sts.requests.length], [false, 0]);
  assert.match(message, /PROJECT_ID\/SERVICE_ID/);
  assert.match(hint, /Set both/);
  await half.end('SIGTERM');
  await world.startWorker({
    ...ENV,
    AWS_ACCESS_KEY_ID: '',
    AWS_SECRET_ACCESS_KEY: '',
    HOME: world.spoolDir,
    AWS_EC2_METADATA_DISABLED: 'true',
  });
  const step = await check('bare', 'assume role');
  assert.equal(step.ok, false);
  assert.match(step.message, /the worker finds no AWS credentials/);
  assert.equal((await check('bare', 'credentials')).ok, false);
  assert.equal(sts.requests.length, 0);
});

test('ids that would give two installations the same external id are refused at the start', async () => {
  await assert.rejects(world.startWorker({ ...ENV, PROJECT_ID: 'a/b' }), /PROJECT_ID must be/);
});

/** The JSON of the two policies in a hint. */
function policiesOf(hint: string) {
  return hint
    .split(/^Trust policy of the role:\n|\nPermission policy of the role:\n/m)
    .slice(-2)
    .map((text) => JSON.parse(text));
}
