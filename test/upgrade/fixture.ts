/** A "fixture": the schema of a release, with rows in every table, as `npm run fixture` dumped it. */
import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { type TestDatabase, testDatabase } from '../support/database.ts';

const DIRECTORY = fileURLToPath(new URL('.', import.meta.url));

/** Returns the names of all fixtures' files. */
export async function listFixtures(): Promise<string[]> {
  return (await Array.fromAsync(glob('schema_*.sql.gz', { cwd: DIRECTORY }))).sort();
}

/** Makes a database that a release has migrated and worked in, with the test's roles in place of the fixture's. */
export async function loadFixture(file: string): Promise<TestDatabase> {
  const db = await testDatabase({ empty: true });
  const text = gunzipSync(await readFile(`${DIRECTORY}/${file}`)).toString();
  const session = await db.connect(db.worker);
  await session.query(
    text.replaceAll('fixture_worker', db.worker.name).replaceAll('fixture_person', db.person.name),
  );
  // The digest: everything is applied, even if this version has changed nothing yet. The identity: as if it had always been this
  // database, because the connectors of a copy are paused first.
  await db.query(
    `update s3_connector_private.versions set digest = 'of the release';
    update s3_connector_private.database_identity set
      system_identifier = (select system_identifier from pg_control_system()),
      database_oid = (select oid from pg_database where datname = current_database())`,
  );
  return db;
}

/** The rows of each table, by its name. */
export type Rows = Map<string, Record<string, unknown>[]>;

/** Returns all rows of our tables, and the jobs in the queue. */
export async function readRows(db: TestDatabase): Promise<Rows> {
  const tables = await db.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class
    where relkind = 'r' and (relnamespace::regnamespace::text in ('s3_connector', 's3_connector_private')
      or oid in ('s3_connector_queue._private_jobs'::regclass, 's3_connector_queue._private_tasks'::regclass))
    order by 1`,
  );
  const rows: Rows = new Map();
  for (const { name } of tables) {
    const found = await db.query<{ row: Record<string, unknown> }>(
      `select to_jsonb(t) as row from ${name} t`,
    );
    rows.set(
      name,
      found.map(({ row }) => row),
    );
  }
  return rows;
}
