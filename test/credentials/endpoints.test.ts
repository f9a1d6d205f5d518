import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { call } from '../requests/support.ts';
import { openWorld } from '../support/world.ts';

// A connector's endpoint reaches only what S3_ALLOWED_ENDPOINTS lists: no metadata service, nothing internal.

const world = await openWorld();
const { db } = world;

async function listen(listener: RequestListener): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const http = createServer(listener).on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  after(() => http.close().closeAllConnections());
  return { port: (http.address() as AddressInfo).port, connections: () => connections };
}

/** A server that only the machine itself may reach. */
const internal = await listen((_, response) => response.end('secret'));
/** A server that may be reached, and redirects its clients to the other one. */
let status = 307;
let region = '';
const sender = await listen((_, response) => {
  const location = `http://127.0.0.1:${internal.port}/`;
  response
    .writeHead(status, { location, 'x-amz-bucket-region': region })
    .end(`<Error><Code>TemporaryRedirect</Code><Endpoint>127.0.0.1:${internal.port}</Endpoint></Error>`);
});
before(() =>
  world.startWorker({
    S3_ALLOWED_ENDPOINTS: `${world.server.endpoint},http://127.0.0.1:${sender.port}`,
    AWS_MAX_ATTEMPTS: '1',
  }),
);

async function steps(name: string, endpoint: string) {
  await world.insertConnector({ name, endpoint, pattern: '*', target_table: 't', state: 'paused' });
  await call(db, `call s3_connector.check('${name}')`);
  return await db.query<{ step: string; ok: boolean; message: string; hint: string }>(
    "select step, ok, message, hint from s3_connector.checks where connector_name = $1 and step in ('list', 'get')",
    [name],
  );
}

for (const endpoint of [
  'http://169.254.169.254',
  'http://169.254.169.254:80/',
  'http://2852039166',
  'http://0xa9fea9fe',
  'http://[::ffff:169.254.169.254]',
  'http://[fd00:ec2::254]',
  'http://169.254.170.2',
  'http://metadata.google.internal',
  `http://127.0.0.1:${internal.port}`,
  `http://localhost:${internal.port}`,
  `http://2130706433:${internal.port}`,
  `http://0x7f000001:${internal.port}`,
  `http://[::ffff:127.0.0.1]:${internal.port}`,
  // Another scheme, and another port, than the listed ones.
  `https://127.0.0.1:${sender.port}`,
  'http://127.0.0.1',
]) {
  test(`${endpoint.replace(/:\d{4,5}\b/, '')} is refused before any request to it`, async () => {
    const [list] = await steps(endpoint, endpoint);
    assert.equal(list!.ok, false);
    assert.match(list!.message, /is not among the worker's S3_ALLOWED_ENDPOINTS$/);
    await db.query('select s3_connector.resume($1)', [endpoint]);
    const [poll] = await db.waitFor<{ list_requests: number; error: string }>(
      'select list_requests, error from s3_connector.polls where connector_name = $1',
      ([found]) => found !== undefined,
      { values: [endpoint] },
    );
    assert.match(poll!.error, /S3_ALLOWED_ENDPOINTS/);
    await db.query('select s3_connector.pause($1)', [endpoint]);
    assert.deepEqual([internal.connections(), sender.connections()], [0, 0]);
  });
}

test('redirects to another server are not followed', async () => {
  for (const redirect of [301, 302, 303, 307, 308]) {
    for (const to of ['eu-west-1', `x@127.0.0.1:${internal.port}/`]) {
      status = redirect;
      region = to;
      const [list] = await steps(`${redirect} to ${to}`, `http://127.0.0.1:${sender.port}`);
      assert.equal(list!.ok, false);
    }
  }
  assert.ok(sender.connections() > 0);
  assert.equal(internal.connections(), 0);
});
