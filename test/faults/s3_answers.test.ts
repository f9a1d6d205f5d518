import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import type { FaultOrder } from '../../embedded/bucket/faults.ts';
import { ConnectorError } from '../../src/errors.ts';
import type { AwsRequest } from '../../src/sources/s3_error_table.ts';
import { regionOf, toConnectorError } from '../../src/sources/s3_errors.ts';
import { call } from '../requests/support.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// What S3 says is kept: its code and message are in files, polls and checks, beside the connector's own.

const world = await openWorld();
const { db, server } = world;
before(() => world.startWorker());
beforeEach(async () => {
  await db.query("select s3_connector.pause(name) from s3_connector.connectors where state = 'running'");
  server.faults.clear();
  server.requests.reset();
});

const ALWAYS = Number.POSITIVE_INFINITY;
type Answer = NonNullable<FaultOrder['error']>;

const insert = (name: string, columns: Record<string, unknown> = {}) =>
  world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: `"${name}"`,
    schedule: NEVER_AGAIN,
    ...columns,
  });

async function fileWith(name: string, error: Answer) {
  world.put(`${name}/1.csv`, 'n\n1\n');
  server.faults.order({ operation: 'GetObject', times: ALWAYS, error });
  await insert(name);
  const [file] = await world.settled(name);
  return file!;
}

async function failedPoll(name: string): Promise<{ error_code: string; error: string }> {
  const [poll] = await db.waitFor<{ error_code: string; error: string }>(
    'select error_code, error from s3_connector.polls where connector_name = $1 and error is not null',
    ([found]) => found !== undefined,
    { values: [name] },
  );
  return poll!;
}

const KMS_DENIAL =
  'User: arn:aws:sts::123456789012:assumed-role/reader/s is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext because no identity-based policy allows the kms:Decrypt action';

const GET_ANSWERS = [
  [
    'kms',
    { status: 403, code: 'AccessDenied', message: KMS_DENIAL },
    'access_denied',
    /AccessDenied: User: arn.*kms:Decrypt action\. Allow kms:Decrypt/,
  ],
  [
    'disabled',
    { status: 400, code: 'KMS.DisabledException', message: 'arn:aws:kms:x is disabled.' },
    'kms_key_unusable',
    /KMS\.DisabledException: arn:aws:kms:x is disabled\. Enable/,
  ],
  [
    'unsupported',
    { status: 501, code: 'NotImplemented' },
    'request_not_supported',
    /NotImplemented: A header you provided/,
  ],
  [
    'argument',
    { status: 400, code: 'InvalidArgument', message: 'Argument x is wrong' },
    'request_refused',
    /InvalidArgument: Argument x is wrong/,
  ],
  [
    'archived',
    { status: 403, code: 'InvalidObjectState' },
    'object_archived',
    /InvalidObjectState: The operation is not valid/,
  ],
] as const;

for (const [name, error, code, text] of GET_ANSWERS) {
  test(`a GET that is answered with ${error.code} fails the file at once, with what S3 says`, async () => {
    const file = await fileWith(name, error);
    assert.deepEqual([file.status, file.attempts, file.error_code], ['failure', 1, code]);
    assert.match(file.error_message!, text);
    assert.equal(server.requests.count('GetObject'), 1);
  });
}

// The transaction of a large object begins before the first answer, and the end of a Parquet file has a request of its own.
for (const [file_format, most] of [
  ['csv', 1],
  ['json', 1],
  ['parquet', 2],
] as const) {
  test(`a GET of a large object fails with the same errors, and leaves nothing: ${file_format}`, async () => {
    const folder = `large_${file_format}`;
    await db.query(`create table ${folder} (n integer)`);
    for (const [name, error] of GET_ANSWERS) {
      const key = `${folder}/${name}`;
      world.put(key, Buffer.alloc(9 << 20, '1\n'));
      server.faults.order({ operation: 'GetObject', key, times: ALWAYS, error });
    }
    await insert(folder, { file_format });
    const files = await world.settled(folder);
    assert.equal(files.length, GET_ANSWERS.length);
    for (const [name, , code, text] of GET_ANSWERS) {
      const file = files.find(({ key }) => key === `${folder}/${name}`)!;
      assert.deepEqual([file.status, file.attempts, file.error_code], ['failure', 1, code]);
      assert.match(file.error_message!, text);
    }
    assert.ok(server.requests.count('GetObject') <= most * GET_ANSWERS.length);
    await world.spoolEmptied();
  });
}

for (const [name, error, code, text] of [
  [
    'payer',
    { status: 403, code: 'InvalidPayer', message: 'All access to this object has been disabled' },
    'access_denied',
    /InvalidPayer: All access.*requester_pays/,
  ],
  [
    'account',
    { status: 403, code: 'AccountProblem', message: 'There is a problem with your AWS account' },
    'account_refused',
    /AccountProblem: There is a problem/,
  ],
  ['lost', { status: 404, code: 'NoSuchKey' }, 'source_unavailable', /NoSuchKey: .*endpoint/],
  ['nothing', { status: 404, code: '' }, 'source_unavailable', /NotFound\. .*endpoint/],
  [
    'skewed',
    { status: 403, code: 'RequestTimeTooSkewed' },
    'clock_wrong',
    /RequestTimeTooSkewed: The difference .*clock/,
  ],
] as const) {
  test(`a LIST that is answered with ${error.code || 'an empty 404'} says so in polls and checks`, async () => {
    server.faults.order({ operation: 'ListObjectsV2', times: ALWAYS, error });
    await insert(name);
    const poll = await failedPoll(name);
    assert.equal(poll.error_code, code);
    assert.match(poll.error, text);
    assert.doesNotMatch(poll.error, /s3:ListBucket|deleted/);
    await call(db, `call s3_connector.check('${name}')`);
    const step = await db.one<{ message: string; hint: string }>(
      "select message, hint from s3_connector.checks where connector_name = $1 and step = 'list'",
      [name],
    );
    assert.match(`${step.message}. ${step.hint}`, text);
  });
}

for (const [how, error] of [
  ['in the body of a 301', { status: 301, code: 'PermanentRedirect', fields: { Region: 'eu-west-1' } }],
  [
    'in the body of a 400',
    {
      status: 400,
      code: 'AuthorizationHeaderMalformed',
      message: 'The region is wrong',
      fields: { Region: 'eu-west-1' },
    },
  ],
  [
    'in the message',
    {
      status: 400,
      code: 'AuthorizationHeaderMalformed',
      message: "the region 'us-east-1' is wrong; expecting 'eu-west-1'",
    },
  ],
] as const) {
  test(`a region that is named only ${how} is followed`, async () => {
    const bucket = `far-${how.replaceAll(' ', '-')}`;
    server.store.createBucket(bucket, { region: 'eu-west-1' });
    server.store.put(bucket, `${bucket}/1.csv`, 'n\n1\n');
    server.faults.order({ operation: 'ListObjectsV2', error });
    await insert(bucket, { bucket });
    const [file] = await world.settled(bucket);
    assert.equal(file!.status, 'success', file!.error_message ?? '');
    // The poll's LIST twice, the sample's LIST, and the GET.
    assert.deepEqual(
      server.requests.recent.map(({ status }) => status),
      [error.status, 200, 200, 200],
    );
  });
}

const said = (name: string, message: string, request: AwsRequest = 'object') =>
  toConnectorError(Object.assign(new Error(message), { name, $metadata: { httpStatusCode: 400 } }), {
    request,
    bucket: 'b',
    what: 'k',
  });

test('what S3 says is cut, and nothing secret of it is kept', () => {
  assert.ok(said('Odd', 'x'.repeat(10_000)).message.length < 700);
  for (const secret of [
    'x-amz-security-token:FwoGZXIvYXdzEXAMPLE',
    'Signature=abcdef',
    'AWS4-HMAC-SHA256\n20260101T000000Z\nabc',
    'authorization: AWS4',
  ])
    for (const name of ['SignatureDoesNotMatch', 'InvalidRequest', 'Odd']) {
      const { message } = said(name, `the request was ${secret}`);
      assert.ok(!message.includes(secret.slice(5)), message);
      assert.match(message, new RegExp(`: ${name}$`));
    }
  assert.match(
    said('InvalidAccessKeyId', 'AKIAIOSFODNN7EXAMPLE is unknown').message,
    /: <access key id> is unknown$/,
  );
});

test('the same code means another thing in an answer of STS than in one of S3', () => {
  const codes = (name: string, message = '') =>
    (['list', 'object', 'role', 'credentials'] as const).map((request) => said(name, message, request).code);
  assert.deepEqual(codes('AccessDenied'), [
    'access_denied',
    'access_denied',
    'assume_role_denied',
    'no_credentials',
  ]);
  assert.deepEqual(codes('ExpiredToken'), Array(4).fill('credentials_expired'));
  assert.deepEqual(codes('Unheard'), [
    'source_unavailable',
    'source_unavailable',
    'sts_unavailable',
    'credentials_unavailable',
  ]);
  assert.deepEqual(codes('SignatureDoesNotMatch'), Array(4).fill('bad_credentials'));
  assert.deepEqual(
    codes('SignatureDoesNotMatch', 'Signature expired: 2026 is now earlier than'),
    Array(4).fill('clock_wrong'),
  );
});

test("a proxy's page is named as such, without advice for developers", () => {
  const message =
    '@aws-sdk XML parse error: mismatched tags.\n  Deserialization error: to see the raw response, inspect the hidden field {error}.$response on this object.';
  assert.match(said('Error', message, 'list').message, /: Error: @aws-sdk XML parse error: mismatched tags$/);
});

test('an error that is known already is left as it is', () => {
  const known = new ConnectorError('no_etag', 'known');
  assert.equal(toConnectorError(known, { request: 'list', bucket: 'b', what: 'k' }), known);
});

test('a region that could change the host is not followed', () => {
  const refusal = (Region: string) => ({ $metadata: { httpStatusCode: 301 }, Region });
  assert.equal(regionOf(refusal('eu-west-1')), 'eu-west-1');
  for (const region of ['x@evil.example/', 'a.b', '', 'x'.repeat(50)])
    assert.equal(regionOf(refusal(region)), undefined);
});
