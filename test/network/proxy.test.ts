import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { startSqsServer } from '../../embedded/sqs/server.ts';
import { startStsServer } from '../../embedded/sts/server.ts';
import { PROXY_PASSWORD, startHttpProxy } from '../support/http_proxy.ts';
import { startTlsFront } from '../support/tls_front.ts';
import { type ConnectorColumns, NEVER_AGAIN, openWorld } from '../support/world.ts';

// HTTPS_PROXY, HTTP_PROXY and NO_PROXY: the way to S3, STS and SQS.

const world = await openWorld();
const { db, server, bucket, credentials } = world;
const proxy = await startHttpProxy();
const front = await startTlsFront(server.endpoint);
const directory = await mkdtemp(join(tmpdir(), 's3-connector-proxy-'));
after(() => rm(directory, { recursive: true }));
const ca = join(directory, 'ca.pem');
await writeFile(ca, front.identity.cert);

const hostOf = (endpoint: string) => new URL(endpoint).host;
const ENV = {
  NODE_EXTRA_CA_CERTS: ca,
  S3_ALLOWED_ENDPOINTS: `${server.endpoint},${front.endpoint}`,
  HTTPS_PROXY: proxy.url,
  HTTP_PROXY: proxy.url,
};
const csv = (rows: number) => `n\n${Array.from({ length: rows }, (_, n) => n).join('\n')}\n`;

afterEach(async () => {
  await db.query("select s3_connector.pause(name) from s3_connector.connectors where state = 'running'");
  await world.stopWorkers();
  for (const list of [proxy.tunnels, proxy.forwarded, proxy.refused]) list.length = 0;
  proxy.isSilent = false;
});

async function insert(columns: Omit<ConnectorColumns, 'target_table' | 'pattern'> & { name: string }) {
  await world.insertConnector({
    schedule: NEVER_AGAIN,
    pattern: `${columns.name}/**`,
    target_table: columns.name,
    ...columns,
  });
}

async function pollError(name: string): Promise<string> {
  const [poll] = await db.waitFor<{ error: string }>(
    'select error from s3_connector.polls where connector_name = $1 and error is not null',
    ([found]) => found !== undefined,
    { values: [name] },
  );
  return poll!.error;
}

test('S3 over TLS goes through tunnels that are kept open, within the limit of sockets', async () => {
  const worker = await world.startWorker(ENV);
  const files = 200;
  for (let n = 0; n < files; n++) world.put(`tunnel/${String(n).padStart(3, '0')}.csv`, csv(10));
  await insert({ name: 'tunnel', endpoint: front.endpoint });
  const statuses = (await world.settled('tunnel')).map(({ status }) => status);
  assert.deepEqual(statuses, Array(files).fill('success'));
  assert.deepEqual([...new Set(proxy.tunnels)], [hostOf(front.endpoint)]);
  // Those that are not kept are one a file. A slow machine has some more: a bundle gives up slow fetches.
  assert.ok(proxy.tunnels.length < files, `${proxy.tunnels.length} tunnels for ${files} files`);
  assert.deepEqual([proxy.forwarded, proxy.refused], [[], []]);
  assert.ok(
    !worker.output.includes(encodeURIComponent(PROXY_PASSWORD)) && !worker.output.includes(PROXY_PASSWORD),
  );
});

test('S3, STS and SQS over HTTP go through the proxy, the credential endpoint does not', async () => {
  const sqs = await startSqsServer();
  const role = 'arn:aws:iam::111122223333:role/reader';
  const sts = await startStsServer({
    credentials,
    roles: [{ arn: role, trusts: ['container'], externalId: 'a-project/a-service' }],
  });
  let asked = 0;
  const own = {
    accessKeyId: 'container',
    secretAccessKey: 'container-secret',
    sessionToken: 'container-token',
  };
  credentials.push(own);
  const container = createServer((_, response) => {
    asked += 1;
    response.end(
      JSON.stringify({
        AccessKeyId: own.accessKeyId,
        SecretAccessKey: own.secretAccessKey,
        Token: own.sessionToken,
        Expiration: new Date(Date.now() + 3_600_000).toISOString(),
      }),
    );
  });
  await once(container.listen(0, '127.0.0.1'), 'listening');
  after(() => Promise.all([sqs.close(), sts.close(), container.close()]));
  await world.startWorker({
    ...ENV,
    AWS_ACCESS_KEY_ID: '',
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${(container.address() as AddressInfo).port}/`,
    AWS_ENDPOINT_URL_STS: sts.endpoint,
    PROJECT_ID: 'a-project',
    SERVICE_ID: 'a-service',
    S3_ALLOWED_ENDPOINTS: `${server.endpoint},${sqs.endpoint}`,
  });
  world.put('forwarded/1.csv', csv(1));
  await insert({ name: 'forwarded', auth_method: 'iam_role', role_arn: role, event_queue_url: sqs.url });
  assert.deepEqual(
    (await world.settled('forwarded')).map(({ status }) => status),
    ['success'],
  );
  world.put('forwarded/2.csv', csv(1));
  sqs.send(
    JSON.stringify({
      Records: [
        {
          eventName: 'ObjectCreated:Put',
          s3: { bucket: { name: bucket }, object: { key: 'forwarded/2.csv' } },
        },
      ],
    }),
  );
  await db.waitFor<{ n: number }>(
    "select count(*) as n from s3_connector.files where connector_name = 'forwarded' and status = 'success'",
    ([row]) => row?.n === 2,
  );
  assert.deepEqual(
    new Set(proxy.forwarded.map(hostOf)),
    new Set([server.endpoint, sts.endpoint, sqs.endpoint].map(hostOf)),
  );
  assert.ok(asked > 0);
  assert.deepEqual(proxy.refused, []);
});

test('hosts in no_proxy are reached directly, and lower-case variables count', async () => {
  await world.startWorker({
    S3_ALLOWED_ENDPOINTS: `${server.endpoint},${front.endpoint}`,
    NODE_EXTRA_CA_CERTS: ca,
    https_proxy: proxy.url,
    http_proxy: proxy.url,
    no_proxy: `.example.com,${hostOf(server.endpoint)}`,
  });
  world.put('direct/1.csv', csv(1));
  world.put('lower/1.csv', csv(1));
  await insert({ name: 'direct' });
  await insert({ name: 'lower', endpoint: front.endpoint });
  for (const name of ['direct', 'lower'])
    assert.deepEqual(
      (await world.settled(name)).map(({ status }) => status),
      ['success'],
    );
  assert.deepEqual([...new Set(proxy.tunnels)], [hostOf(front.endpoint)]);
  assert.deepEqual(proxy.forwarded, []);
});

test('a proxy that refuses fails the poll, and its password is nowhere', async () => {
  const wrong = proxy.url.replace(encodeURIComponent(PROXY_PASSWORD), 'wrong-password');
  const worker = await world.startWorker({ ...ENV, HTTPS_PROXY: wrong, AWS_MAX_ATTEMPTS: '1' });
  world.put('refused/1.csv', csv(1));
  await insert({ name: 'refused', endpoint: front.endpoint });
  const error = await pollError('refused');
  assert.match(error, /tunnel .* 407/);
  assert.ok(proxy.refused.length > 0);
  const texts = `${error} ${worker.output} ${JSON.stringify(await db.query('select * from s3_connector.polls'))}`;
  assert.ok(!texts.includes('wrong-password'));
});

test('a silent proxy is a timeout of the connection, and its sockets are free again', async () => {
  await world.startWorker({ ...ENV, S3_CONNECT_TIMEOUT_SECONDS: '1' });
  proxy.isSilent = true;
  world.put('silent/1.csv', csv(1));
  await insert({ name: 'silent', endpoint: front.endpoint });
  assert.match(await pollError('silent'), /did not establish a connection|tunnel/);
  proxy.isSilent = false;
  await db.query("select s3_connector.poll_now('silent')");
  assert.deepEqual(
    (await world.settled('silent')).map(({ status }) => status),
    ['success'],
  );
});

test('a proxy that is no URL of one ends the worker, and the value is not shown', async () => {
  for (const value of [
    'user:secret@proxy:3128',
    'socks5://user:secret@proxy:1080',
    'http://user:secret@:1',
  ]) {
    const worker = world.spawnWorker({ HTTPS_PROXY: value });
    assert.equal((await worker.ended()).code, 1);
    assert.match(worker.output, /HTTPS_PROXY must be/);
    assert.ok(!worker.output.includes('secret'), worker.output);
  }
});
