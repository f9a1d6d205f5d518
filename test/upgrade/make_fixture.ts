/**
 * `npm run fixture`: dumps the schema of this version, with rows in every table, into test/upgrade/schema_<version>.sql.gz. The
 * upgrade tests migrate it with each later version. Run it once for a release, on the commit that sets its version, with an
 * installed PostgreSQL of the oldest supported version (TEST_POSTGRES_BIN_DIR), because pg_dump writes for newer ones too.
 */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import pg from 'pg';
import { type Postgres, startPostgres } from '../../embedded/postgres/server.ts';
import { migrate } from '../../src/db/migrations.ts';
import { version } from '../../src/version.ts';
import { findPrograms } from '../restore/programs.ts';
import { runWorkerSetup } from '../support/roles.ts';

const SCHEMAS = ['s3_connector', 's3_connector_private', 's3_connector_queue'];
const DATABASE = 'fixture';

const path = new URL(`schema_${version.replaceAll(/\W/g, '_')}.sql.gz`, import.meta.url);
const binDir = await findPrograms();
if (binDir === undefined) throw new Error('expected an installed PostgreSQL: set TEST_POSTGRES_BIN_DIR');
const postgres = await startPostgres({ binDir });
try {
  await prepare(postgres);
  // A released schema never changes, so an existing file is not overwritten.
  await writeFile(path, gzipSync(await dump(binDir, postgres), { level: 9 }), { flag: 'wx' });
} finally {
  await postgres.stop();
}

async function prepare({ url, password }: Postgres): Promise<void> {
  await withClient(url(), (admin) => admin.query(`create database ${DATABASE}`));
  await withClient(url(DATABASE), async (admin) => {
    await runWorkerSetup(admin, 'fixture_worker', 'fixture_importer');
    await admin.query(`alter role fixture_worker password '${password}';
      create role fixture_person;
      grant s3_connector_admin to fixture_person;
      grant fixture_person to fixture_importer`);
    await migrate(url(DATABASE, 'fixture_worker'));
    await admin.query(await readFile(new URL('rows.sql', import.meta.url), 'utf8'));
    await requireRows(admin);
  });
}

async function requireRows(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query<{ name: string; full: boolean }>(
    `select c.oid::regclass::text as name,
        xpath_exists('/table/row', query_to_xml(format('select from %s limit 1', c.oid::regclass), true, false, '')) as full
      from pg_class c where c.relkind = 'r' and c.relnamespace = any ($1::regnamespace[])`,
    [SCHEMAS.slice(0, 2)],
  );
  const empty = rows.filter(({ full }) => !full).map(({ name }) => name);
  if (empty.length > 0)
    throw new Error(`expected rows in every table, but rows.sql puts none into ${empty.join(', ')}`);
}

/** Returns the dump as SQL alone, whose objects belong to the role that runs it. */
async function dump(programs: string, { url }: Postgres): Promise<string> {
  const { stdout } = await promisify(execFile)(
    join(programs, 'pg_dump'),
    [
      '--no-owner',
      '--inserts',
      '--rows-per-insert=100',
      ...SCHEMAS.map((schema) => `--schema=${schema}`),
      url(DATABASE),
    ],
    { maxBuffer: 1 << 26 },
  );
  return stdout.replaceAll(/^\\(un)?restrict .*\n/gm, '');
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
