import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type BucketServer, startBucketServer } from '../../embedded/bucket/server.ts';
import { describePolicies } from '../../src/sources/s3_policies.ts';
import { type ConnectorColumns, NEVER_AGAIN, openWorld } from '../support/world.ts';

// How requests name their bucket: in path style or virtual-hosted, below a path, by an access point, with other servers' names.

const world = await openWorld();
const { db, credentials } = world;
const DOMAIN = 's3.test';

/** A server that wants virtual-hosted requests, as Alibaba's does. */
const hosted = await startBucketServer({
  credentials,
  addressing: {
    domain: DOMAIN,
    refusesPathStyle: {
      status: 403,
      code: 'SecondLevelDomainForbidden',
      message: 'Please use virtual hosted style to access.',
    },
  },
});
/** A server below a path of its host. */
const below = await startBucketServer({
  credentials,
  addressing: { basePath: '/some/path', domain: DOMAIN },
});
after(() => Promise.all([hosted.close(), below.close()]));

const urlOf = ({ endpoint }: BucketServer, host = DOMAIN) => `http://${host}:${new URL(endpoint).port}`;

before(() =>
  world.startWorker({
    NODE_OPTIONS: `--import=${new URL('../support/local_domain.ts', import.meta.url)}`,
    S3_ALLOWED_ENDPOINTS: [hosted, below].flatMap((server) => [urlOf(server), server.endpoint]).join(),
    AWS_MAX_ATTEMPTS: '1',
  }),
);

async function importFrom(server: BucketServer, columns: Partial<ConnectorColumns> & { name: string }) {
  server.requests.reset();
  const { name } = columns;
  const target_table = name.startsWith('long') ? 'long' : `"${name}"`;
  // A missing table would be made from a sample, with requests of its own.
  await db.query(`create table if not exists ${target_table} (n integer)`);
  await world.insertConnector({ schedule: NEVER_AGAIN, pattern: `${name}/*`, target_table, ...columns });
  return await world.settled(name);
}

function fill(server: BucketServer, bucket: string, name: string): void {
  if (!server.store.hasBucket(bucket)) server.store.createBucket(bucket, { anyName: true });
  server.store.put(bucket, `${name}/a b+c.csv`, 'n\n1\n');
  server.store.put(bucket, `${name}/d.csv`, 'n\n2\n');
}

const imported = (files: { status: string; error_message: string | null }[]) =>
  assert.deepEqual(
    files.map(({ status }) => status),
    ['success', 'success'],
    files[0]?.error_message ?? '',
  );

const asked = (server: BucketServer) =>
  server.requests.recent.map(({ operation, status }) => [operation, status]);

async function pollError(name: string): Promise<{ error_code: string; error: string }> {
  const [poll] = await db.waitFor<{ error_code: string; error: string }>(
    'select error_code, error from s3_connector.polls where connector_name = $1 and error is not null',
    ([found]) => found !== undefined,
    { values: [name] },
  );
  return poll!;
}

test('a server that refuses path style is asked in virtual-hosted style, and only once in the other', async () => {
  fill(hosted, 'first', 'found out');
  imported(await importFrom(hosted, { name: 'found out', bucket: 'first', endpoint: urlOf(hosted) }));
  // A request that names no bucket that the server knows is not in the log.
  assert.deepEqual(asked(hosted), [
    ['ListObjectsV2', 200],
    ['GetObject', 200],
    ['GetObject', 200],
  ]);
  assert.deepEqual(
    hosted.requests.recent.map(({ headers }) => new URL(`http://${headers.host}`).hostname),
    Array(3).fill(`first.${DOMAIN}`),
  );
});

test('path_style false asks in virtual-hosted style from the start', async () => {
  fill(below, 'second', 'hosted');
  const endpoint = `${urlOf(below)}/some/path`;
  imported(
    await importFrom(below, {
      name: 'hosted',
      bucket: 'second',
      endpoint,
      path_style: false,
    }),
  );
  assert.ok(below.requests.recent.every(({ headers }) => headers.host!.startsWith(`second.${DOMAIN}:`)));
});

test('path_style true stays with path style, and the error says what the server wants', async () => {
  await world.insertConnector({
    name: 'stubborn',
    schedule: NEVER_AGAIN,
    bucket: 'first',
    endpoint: urlOf(hosted),
    pattern: '*',
    target_table: 't',
    path_style: true,
  });
  const { error_code, error } = await pollError('stubborn');
  assert.equal(error_code, 'addressing_refused');
  assert.match(error, /SecondLevelDomainForbidden: Please use virtual hosted style to access.*path_style/);
});

test('an endpoint with a path is signed with it', async () => {
  fill(below, 'third', 'below');
  for (const [name, path] of [
    ['below', '/some/path'],
    ['slash', '/some/path/'],
  ] as const) {
    fill(below, 'third', name);
    imported(await importFrom(below, { name, bucket: 'third', endpoint: `${below.endpoint}${path}` }));
  }
});

for (const bucket of ['My_Bucket', 'tenant:bucket', `long-${'x'.repeat(90)}`, 'büro']) {
  test(`with an endpoint, a bucket may have the name ${bucket.slice(0, 20)}`, async () => {
    fill(below, bucket, bucket);
    imported(await importFrom(below, { name: bucket, bucket, endpoint: `${below.endpoint}/some/path` }));
  });
}

test('without an endpoint, names that only other servers have are refused, with a hint', async () => {
  for (const bucket of ['My_Bucket', 'tenant:bucket', 'x'.repeat(70)])
    await assert.rejects(insertAmazon(bucket), (error: { message: string; hint: string }) => {
      assert.match(error.message, /bucket must be a bucket's name/);
      assert.match(error.hint, /endpoint/);
      return true;
    });
  await assert.rejects(
    world.insertConnector({ name: 'two slashes', bucket: 'a/b', pattern: '*', target_table: 't' }),
    /bucket must be/,
  );
});

const insertAmazon = (bucket: string) =>
  world.insertConnector({
    name: `amazon ${bucket}`,
    bucket,
    endpoint: null,
    pattern: '*',
    target_table: 't',
    state: 'paused',
  });

test('an access point is named by its ARN, and asked in its own region', async () => {
  const arn = 'arn:aws:s3:eu-west-1:123456789012:accesspoint/my-ap';
  below.store.createBucket('my-ap-123456789012', { region: 'eu-west-1' });
  fill(below, 'my-ap-123456789012', 'access point');
  const endpoint = `${urlOf(below)}/some/path`;
  imported(await importFrom(below, { name: 'access point', bucket: arn, endpoint }));
  assert.deepEqual(asked(below), [
    ['ListObjectsV2', 200],
    ['GetObject', 200],
    ['GetObject', 200],
  ]);
  await insertAmazon(arn);
  await insertAmazon('my-ap-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias');
});

for (const [what, bucket] of [
  ['multi-region access points', 'arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap'],
  [
    'S3 on Outposts',
    'arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01234567890123456/accesspoint/ap',
  ],
  ['object lambdas', 'arn:aws:s3-object-lambda:us-east-1:123456789012:accesspoint/ap'],
  ['object lambdas by alias', 'my-olap-acc-1a4n8yjrb3kda96f67zwrwiiuse1a--ol-s3'],
  ['ARNs of buckets', 'arn:aws:s3:::a-bucket'],
] as const) {
  test(`${what} are refused at the insert`, async () => {
    await assert.rejects(insertAmazon(bucket), /bucket must/);
  });
}

test('an endpoint with a query, a user or dots in its path is refused', async () => {
  for (const endpoint of [
    'https://h.example/a?b=c',
    'https://u:p@h.example/a',
    'https://h.example/a/../b',
    'https://h.example/a#b',
    'https://h.example/a b',
  ])
    await assert.rejects(
      world.insertConnector({ name: 'bad', endpoint, pattern: '*', target_table: 't' }),
      /endpoint must be/,
    );
});

test('the policies of a role name an access point by its own ARN', () => {
  const arn = 'arn:aws:s3:eu-west-1:123456789012:accesspoint/my-ap';
  const text = describePolicies({
    roleArn: 'arn:aws:iam::123456789012:role/r',
    externalId: 'p/s',
    bucket: arn,
    prefix: 'data/',
    principal: null,
  });
  const { Statement } = JSON.parse(text.split('Permission policy of the role:\n')[1]!);
  assert.deepEqual(
    Statement.map(({ Resource }: { Resource: string }) => Resource),
    [arn, `${arn}/object/data/*`],
  );
  assert.deepEqual(Statement[0].Condition, { StringLike: { 's3:prefix': 'data/*' } });
});
