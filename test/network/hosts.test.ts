import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { type Postgres, startPostgres } from '../../embedded/postgres/server.ts';
import { openSession } from '../../src/db/connections.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// DATABASE_URL with several hosts, and target_session_attrs.

let primary: Postgres;
let readOnly: Postgres;
let standby: Postgres;
before(async () => {
  [primary, readOnly, standby] = await Promise.all([
    startPostgres(),
    startPostgres({ settings: { default_transaction_read_only: 'on' } }),
    startPostgres(),
  ]);
  await Promise.all([primary, readOnly, standby].map(addRole));
  await writeFile(join(standby.dataDir, 'standby.signal'), '');
  await standby.restart();
});
after(() => Promise.all([primary, readOnly, standby].map((server) => server?.stop('immediate'))));

const PASSWORD = 'password-of-all';

/** A URL has one user and one password for all its hosts. */
async function addRole(server: Postgres): Promise<void> {
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  await client.query(`begin read write; create role anybody login password '${PASSWORD}'; commit`);
  await client.end();
}

/** A port on which nobody listens. */
const NOBODY = 1;

test('the first host that is up and of the wanted kind is used', async () => {
  const ports = { nobody: NOBODY, primary: primary.port, readOnly: readOnly.port, standby: standby.port };
  for (const [hosts, attribute, expected] of [
    [['nobody', 'primary'], undefined, 'primary'],
    [['readOnly', 'standby', 'primary'], undefined, 'primary'],
    [['standby', 'readOnly', 'primary'], 'read-write', 'primary'],
    [['nobody', 'standby', 'primary'], 'any', 'standby'],
    [['primary', 'readOnly'], 'read-only', 'readOnly'],
    [['standby', 'readOnly'], 'primary', 'readOnly'],
    [['readOnly', 'standby'], 'standby', 'standby'],
  ] as const) {
    const url = urlOf(
      hosts.map((name) => ports[name]),
      attribute,
    );
    const session = await openSession(url, 'probe');
    assert.equal(session.port, ports[expected], `${hosts} with ${attribute}`);
    const { rows } = await session.query<{ port: string }>("select current_setting('port') as port");
    assert.equal(rows[0]!.port, String(ports[expected]));
    await session.end();
  }
});

test('a host that never answers delays a session, and is passed over', async () => {
  const silent = createServer();
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  after(() => silent.close());
  const sockets = new Set<Socket>();
  silent.on('connection', (socket) => sockets.add(socket));
  const { port } = silent.address() as AddressInfo;
  const session = await openSession(urlOf([port, primary.port]), 'probe', { openMs: 6000 });
  assert.equal(session.port, primary.port);
  assert.equal(sockets.size, 1);
  await session.end();
  await assert.rejects(openSession(urlOf([port, NOBODY]), 'probe', { openMs: 3000 }), /no answer within 1 s/);
  for (const socket of sockets) socket.destroy();
});

test('without a host that fits, the error names each, why not, and no password', async () => {
  const url = urlOf([NOBODY, readOnly.port, standby.port]);
  await assert.rejects(openSession(url, 'control'), (error: Error & { code: string; passing: boolean }) => {
    assert.deepEqual([error.code, error.passing], ['no_connection', true]);
    assert.match(error.message, /127\.0\.0\.1:1: connect ECONNREFUSED/);
    assert.ok(error.message.includes(`127.0.0.1:${readOnly.port}: it is read-only`), error.message);
    assert.ok(error.message.includes(`127.0.0.1:${standby.port}: it is a standby`), error.message);
    assert.ok(!error.message.includes(PASSWORD));
    return true;
  });
  await assert.rejects(
    openSession(urlOf([NOBODY, primary.port], 'writable'), 'control'),
    /target_session_attrs in DATABASE_URL must be any, read-write, .* it is "writable"/,
  );
  await assert.rejects(
    openSession(urlOf([primary.port, NOBODY], 'prefer-standby'), 'probe'),
    /must be any, .* it is "prefer-standby"/,
  );
  await assert.rejects(
    openSession(`postgres://anybody:${PASSWORD}@/postgres?host=127.0.0.1,localhost`, 'probe'),
    /must name several hosts before the database, not in its query; the query has host=127.0.0.1,localhost/,
  );
});

test('a worker goes on at another host when its own is gone', async () => {
  const world = await openWorld();
  const { db } = world;
  const fronts = [await startFront(db.workerUrl), await startFront(db.workerUrl)] as const;
  after(() => {
    for (const front of fronts) front.stop();
  });
  const through = (url: string) =>
    url.replace(/@[^/]*/, `@${fronts.map(({ port }) => `127.0.0.1:${port}`).join(',')}`);
  const worker = await world.startWorker({
    DATABASE_URL: through(db.workerUrl),
    IMPORT_DATABASE_URL: through(db.importUrl),
  });
  world.put('moved/1.csv', 'n\n1\n');
  await world.insertConnector({
    schedule: NEVER_AGAIN,
    name: 'moved',
    pattern: 'moved/*',
    target_table: 'moved',
  });
  assert.deepEqual(
    (await world.settled('moved')).map(({ status }) => status),
    ['success'],
  );
  assert.equal(fronts[1].connections, 0);
  fronts[0].stop();
  world.put('moved/2.csv', 'n\n2\n');
  await db.query("select s3_connector.poll_now('moved')");
  await db.waitFor<{ n: number }>(
    "select count(*) as n from s3_connector.files where connector_name = 'moved' and status = 'success'",
    ([row]) => row?.n === 2,
  );
  assert.ok(fronts[1].connections > 0);
  await worker.end('SIGTERM');
});

function urlOf(ports: readonly number[], attribute?: string): string {
  const hosts = ports.map((port) => `127.0.0.1:${port}`).join(',');
  const query = attribute === undefined ? '' : `?target_session_attrs=${attribute}`;
  return `postgres://anybody:${PASSWORD}@${hosts}/postgres${query}`;
}

/** Another address of a database. */
async function startFront(url: string) {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((client) => {
    connections += 1;
    const behind = connect(Number(port), hostname);
    for (const socket of [client, behind]) {
      sockets.add(socket);
      socket.on('error', () => {});
    }
    client.pipe(behind).pipe(client);
    client.on('close', () => behind.destroy());
    behind.on('close', () => client.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    stop: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
