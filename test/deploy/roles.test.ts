import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { startPostgres } from '../../embedded/postgres/server.ts';
import { findPrograms } from '../restore/programs.ts';

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('../../deploy/compose/roles.sh', import.meta.url));
const ROLES = fileURLToPath(new URL('../../deploy/compose/roles.sql', import.meta.url));
const PASSWORDS = {
  WORKER_PASSWORD: `a 'worker"s`,
  IMPORT_PASSWORD: 'an $import',
  APP_PASSWORD: 'an \\ app',
};
// Before the first test: a wait between two tests would run the hooks that follow all of them.
const binDir = await findPrograms();
const directory = await mkdtemp(join(tmpdir(), 's3-connector-roles-'));
after(() => rm(directory, { recursive: true }));

/** Runs roles.sh with a psql that notes its command line first. Returns that. */
async function runScript(then: string, env: Record<string, string> = {}): Promise<string> {
  const noted = join(directory, 'arguments');
  await writeFile(
    join(directory, 'psql'),
    `#!/bin/bash\nprintf '%s\\n' "$@" > ${noted}\n${then.replace('ROLES', `"\${@/\\/setup\\/roles.sql/${ROLES}}"`)}\n`,
    { mode: 0o755 },
  );
  await run('bash', [SCRIPT], {
    env: { PATH: `${directory}:${process.env.PATH}`, POSTGRES_DB: 'postgres', ...PASSWORDS, ...env },
  });
  return readFile(noted, 'utf8');
}

test('no password is on a command line, where every user of the machine can read it', async () => {
  const given = await runScript('exit 0');
  assert.match(given, /^--file=\/setup\/roles\.sql$/m);
  for (const password of Object.values(PASSWORDS)) assert.ok(!given.includes(password), given);
});

test('without a password, roles.sh makes no role', async () => {
  await assert.rejects(runScript('exit 0', { APP_PASSWORD: '' }), /APP_PASSWORD/);
});

test('the roles have the passwords of the environment', {
  skip: binDir === undefined && 'no psql is installed (TEST_POSTGRES_BIN_DIR names a server that has it)',
}, async () => {
  const server = await startPostgres();
  try {
    const { hostname, port } = new URL(server.url());
    await runScript(`exec ${join(binDir!, 'psql')} ROLES`, {
      PGHOST: hostname,
      PGPORT: port,
      PGPASSWORD: server.password,
    });
    for (const [user, password] of [
      ['s3_connector_worker', PASSWORDS.WORKER_PASSWORD],
      ['s3_connector_importer', PASSWORDS.IMPORT_PASSWORD],
      ['app', PASSWORDS.APP_PASSWORD],
    ] as const) {
      const client = new pg.Client({
        host: hostname,
        port: Number(port),
        user,
        password,
        database: 'postgres',
      });
      await client.connect();
      await client.end();
    }
  } finally {
    await server.stop();
  }
});
