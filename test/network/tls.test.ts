import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startTlsFront } from '../support/tls_front.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
const front = await startTlsFront(server.endpoint);
const directory = await mkdtemp(join(tmpdir(), 's3-connector-tls-'));
after(() => rm(directory, { recursive: true }));

test('a server with a certificate of its own is read with NODE_EXTRA_CA_CERTS, and refused without', async () => {
  world.put('tls/1.csv', 'n\n1\n');
  await world.startWorker({ S3_ALLOWED_ENDPOINTS: front.endpoint });
  await world.insertConnector({
    schedule: NEVER_AGAIN,
    name: 'tls',
    endpoint: front.endpoint,
    pattern: 'tls/*',
    target_table: 'tls',
  });
  const [poll] = await db.waitFor<{ error: string }>(
    "select error from s3_connector.polls where connector_name = 'tls' and error is not null",
    ([found]) => found !== undefined,
  );
  assert.match(poll!.error, /self-signed certificate/);
  await world.stopWorkers();
  const ca = join(directory, 'ca.pem');
  await writeFile(ca, front.identity.cert);
  await world.startWorker({ S3_ALLOWED_ENDPOINTS: front.endpoint, NODE_EXTRA_CA_CERTS: ca });
  const files = await world.pollAndSettle('tls');
  assert.deepEqual(
    files.map(({ status }) => status),
    ['success'],
  );
});
