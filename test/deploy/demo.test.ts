import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { testDatabase } from '../support/database.ts';
import { openWorld } from '../support/world.ts';

const DEMO = fileURLToPath(new URL('../../demo/deployed.ts', import.meta.url));
const ROLES = new URL('../../deploy/compose/roles.sql', import.meta.url);

test("docker compose's demo, with its roles, imports all files, and none of its roles is a superuser", async () => {
  const world = await openWorld();
  const db = await testDatabase({ empty: true });
  const names = await makeRoles(db);
  const url = (user: string) => Object.assign(new URL(db.url), { username: user, password: 'secret' }).href;
  const worker = await world.startWorker({
    DATABASE_URL: url(names.worker),
    IMPORT_DATABASE_URL: url(names.importer),
  });
  const demo = spawn(process.execPath, [DEMO, '--once'], {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: url(names.app),
      DEMO_BUCKET: world.bucket,
      DEMO_ENDPOINT: world.server.endpoint,
      AWS_ACCESS_KEY_ID: 'reader',
      AWS_SECRET_ACCESS_KEY: 'reader-secret',
      AWS_REGION: 'us-east-1',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  demo.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  assert.deepEqual(await once(demo, 'close'), [0, null], stderr);
  const status = await db.query(
    'select name, success > 0 as some, failure, rows_total > 0 as rows, last_error from s3_connector.connector_status order by name',
  );
  assert.deepEqual(
    status,
    ['airports', 'flights', 'stocks', 'weather', 'zipcodes'].map((name) => ({
      name,
      some: true,
      failure: 0,
      rows: true,
      last_error: null,
    })),
  );
  assert.deepEqual(await db.one("select tableowner from pg_tables where tablename = 'weather'"), {
    tableowner: names.app,
  });
  assert.equal((await worker.end('SIGTERM')).code, 0);
});

/** Runs roles.sql as psql would, with role names of this test, because roles belong to the whole server. */
async function makeRoles(
  db: Awaited<ReturnType<typeof testDatabase>>,
): Promise<{ worker: string; importer: string; app: string }> {
  const [worker, importer, app] = [
    await db.createRole(),
    await db.createRole('noinherit'),
    await db.createRole(),
  ].map(({ name }) => name) as [string, string, string];
  const text = (await readFile(ROLES, 'utf8'))
    .replaceAll(/^\\getenv .*$/gm, '')
    // Every migrate on this server has already created it.
    .replaceAll(/^create role s3_connector_(reader|operator|admin) .*$/gm, '')
    .replaceAll(/^create role (\S+) login/gm, 'alter role $1 login')
    .replaceAll('s3_connector_worker', worker)
    .replaceAll('s3_connector_importer', importer)
    .replaceAll(/\bapp\b(?!_)/g, app)
    .replaceAll(/:'\w+'/g, "'secret'");
  await db.asSuperuser(text);
  const rights = await db.query(
    'select rolsuper or rolcreaterole or rolcreatedb as much from pg_roles where rolname = any ($1)',
    [[worker, importer, app]],
  );
  assert.deepEqual(rights, [{ much: false }, { much: false }, { much: false }]);
  return { worker, importer, app };
}
