import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { cp, lstat, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { prepareNative } from '../../embedded/postgres/binaries.ts';
import { handOver, serverIdentity } from '../../embedded/postgres/identity.ts';
import { packagedNative } from '../../embedded/postgres/packages.ts';
import { startPostgres } from '../../embedded/postgres/server.ts';
import { LONGEST_WAIT_MS } from '../support/until.ts';

const PROGRAM = fileURLToPath(new URL('start_server.ts', import.meta.url));

interface Traces {
  pid: number;
  dataDir: string;
}

describe('an embedded server', { concurrency: 3 }, () => {
  test('runs until it is stopped, and leaves no files', async () => {
    const server = await startPostgres({ settings: { work_mem: '5MB', application_name: `it's` } });
    const [row] = await query(
      server.url(),
      `select current_user as who, current_setting('server_version') as version, lower('Ä') as lower,
              current_setting('work_mem') as work_mem, current_setting('synchronous_commit') as synchronous_commit`,
    );
    assert.deepEqual(row, {
      who: 'postgres',
      version: server.version,
      lower: 'ä',
      work_mem: '5MB',
      synchronous_commit: 'on',
    });
    assert.ok(Buffer.byteLength(server.socketDir) < 80);
    assert.match(server.logTail(), /ready to accept connections/);
    await server.stop();
    await server.stop();
    assert.deepEqual(leftOver(server), []);
    await assert.rejects(server.restart(), /has ended/);
  });

  test('requires a password, also on its socket', async () => {
    const { url, stop, socketDir, port } = await startPostgres();
    const withoutPassword = new URL(url());
    withoutPassword.password = 'wrong';
    await assert.rejects(query(withoutPassword.href), { code: '28P01' });
    await assert.rejects(
      query(`postgres://postgres:wrong@/postgres?host=${encodeURIComponent(socketDir)}&port=${port}`),
      // Only the server's user and root may enter the directory of the socket.
      (error: { code?: string }) => error.code === '28P01' || error.code === 'EACCES',
    );
    await stop();
  });

  test('runs next to another one', async () => {
    const servers = await Promise.all([startPostgres(), startPostgres()]);
    const ports = await Promise.all(
      servers.map(async (server) => (await query(server.url(), 'show port'))[0]?.port),
    );
    assert.deepEqual(
      ports,
      servers.map(({ port }) => String(port)),
    );
    assert.notEqual(ports[0], ports[1]);
    await Promise.all(servers.map((server) => server.stop('immediate')));
    assert.deepEqual(servers.flatMap(leftOver), []);
  });

  test('has its data after an immediate restart, and after a kill', async () => {
    const server = await startPostgres();
    const { pid, port } = server;
    await query(server.url(), 'create table kept as select 1 as id');
    await server.restart('immediate');
    assert.equal(server.port, port);
    assert.notEqual(server.pid, pid);
    assert.deepEqual(await query(server.url(), 'select id from kept'), [{ id: 1 }]);

    process.kill(server.pid, 'SIGKILL');
    await server.restart();
    assert.deepEqual(await query(server.url(), 'select id from kept'), [{ id: 1 }]);
    await server.stop();
    assert.deepEqual(leftOver(server), []);
  });

  test('that cannot start says why, with its log, and leaves no files', async () => {
    const error: Error = await startPostgres({ settings: { no_such_setting: '1' } }).then(
      () => assert.fail('it has started'),
      (rejection) => rejection,
    );
    assert.match(error.message, /did not start on port \d+: it ended with exit code 1/);
    assert.match(error.message, /unrecognized configuration parameter "no_such_setting"/);
    const [, directory = ''] = /in file "(.+)\/data\/postgresql.conf"/.exec(error.message) ?? [];
    assert.match(directory, /pg-embedded-/);
    assert.ok(!existsSync(directory));

    await assert.rejects(
      startPostgres({ binDir: '/no/such/directory' }),
      /programs in \/no\/such\/directory/,
    );
    const other = await startPostgres();
    await assert.rejects(startPostgres({ port: other.port }), /could not bind/);
    await other.stop();
  });

  test('has the major version that is asked for', async () => {
    for (const major of [15, 18] as const) {
      const server = await startPostgres({ major });
      assert.equal(Number.parseInt(server.version, 10), major);
      await server.stop();
      assert.deepEqual(leftOver(server), []);
    }
  });

  const systemBinDirs = globSync('/usr/lib/postgresql/*/bin');
  test("can use the system's installation", {
    skip: systemBinDirs.length === 0 && 'there is no PostgreSQL in /usr/lib/postgresql',
  }, async () => {
    for (const binDir of systemBinDirs) {
      const server = await startPostgres({ binDir });
      assert.equal(server.version.split('.')[0], binDir.split('/').at(-2));
      assert.deepEqual(await query(server.url(), `select lower('Ä') as lower`), [{ lower: 'ä' }]);
      await server.stop();
      assert.deepEqual(leftOver(server), []);
    }
  });
});

describe('a server leaves nothing behind if its program', { concurrency: 3 }, () => {
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
    test(`gets ${signal}, with its whole process group`, async () => {
      const { group, ended, server } = await runProgram('wait');
      process.kill(-group, signal);
      assert.deepEqual(await ended, [null, signal]);
      await until(() => leftOver(server).length === 0);
    });
  }

  test('throws', async () => {
    const { ended, server } = await runProgram('throw');
    assert.deepEqual(await ended, [1, null]);
    await until(() => leftOver(server).length === 0);
  });

  test('ends without stopping it', async () => {
    const { ended, server } = await runProgram('end');
    assert.deepEqual(await ended, [0, null]);
    await until(() => leftOver(server).length === 0);
  });
});

test("a package without its symbolic links, in a folder that the server's user cannot enter, is made to run", async () => {
  // Only this user may enter a directory that mkdtemp creates.
  const closed = await mkdtemp(join(tmpdir(), 'pg-package-'));
  const scratch = await mkdtemp(join(tmpdir(), 'pg-package-'));
  try {
    const native = join(closed, 'native');
    await cp(packagedNative(), native, { recursive: true, filter: async (path) => !(await isLink(path)) });

    await handOver(scratch);
    const prepared = await prepareNative(native, scratch);
    assert.equal(prepared, serverIdentity.uid ? join(scratch, 'native') : native);
    const postgres = join(prepared, 'bin/postgres');
    assert.match(
      execFileSync(postgres, ['--version'], { ...serverIdentity, encoding: 'utf8' }),
      /PostgreSQL/,
    );
  } finally {
    await rm(closed, { recursive: true });
    await rm(scratch, { recursive: true });
  }
});

async function isLink(path: string): Promise<boolean> {
  return (await lstat(path)).isSymbolicLink();
}

/** The server's files and processes so far. */
function leftOver({ pid, dataDir }: Traces): string[] {
  const directory = dirname(dataDir);
  return [...(isRunning(pid) ? [`process ${pid}`] : []), ...(existsSync(directory) ? [directory] : [])];
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Runs start_server.ts in its own process group, until its server has started. */
async function runProgram(ending: 'wait' | 'throw' | 'end') {
  const program = spawn(process.execPath, [PROGRAM, ending], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(program, 'exit');
  const [line] = await once(createInterface({ input: program.stdout }), 'line');
  const server: Traces = JSON.parse(line);
  return { group: Number(program.pid), ended, server };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + LONGEST_WAIT_MS;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `waited ${LONGEST_WAIT_MS} ms in vain for ${condition}`);
    await delay(20);
  }
}

async function query(url: string, text = 'select 1'): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
