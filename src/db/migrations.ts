import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { type MigrationProvider, Migrator } from 'kysely/migration';
import { log } from '../log.ts';
import { packageRoot } from '../paths.ts';
import { passingTrouble } from '../sql_errors.ts';
import { version } from '../version.ts';
import { migrateQueue } from '../worker/queue.ts';
import { openSession, SessionPool } from './connections.ts';
import { settleIn } from './home.ts';
import type { Database } from './schema.ts';
import { refuseNewerSchema } from './schema_version.ts';

// Serialises whole migrations (queue, tables, functions) between processes; any constant will do.
const MIGRATE_LOCK = 1_395_868_504;
// Serialises the transactions that apply sql/.
const APPLY_LOCK = MIGRATE_LOCK + 100;
const MIGRATIONS = join(packageRoot, 'migrations');

/**
 * Brings a database to this version: the queue's schema, then migrations/ (tables, forward only), then
 * sql/ (functions, views, comments), whole. A copy of a database has its connectors paused before anything can work
 * on it. Idempotent, and safe when several processes do it at once.
 * @throws ConnectorError `schema_newer`, with nothing changed, where a newer version has migrated the database;
 *   `no_connection`; what PostgreSQL says
 */
export async function migrate(databaseUrl: string): Promise<void> {
  const lock = await openSession(databaseUrl, 'migrate');
  const pool = new SessionPool(databaseUrl, 'migrate', { max: 2 });
  pool.on('connect', (client) => client.on('notice', logWarning));
  try {
    await lock.query('select pg_advisory_lock($1)', [MIGRATE_LOCK]);
    await migrateAll(pool, databaseUrl);
  } catch (error) {
    // An error that will not pass keeps its stack.
    throw passingTrouble(error) ?? error;
  } finally {
    await Promise.all([pool.end(), lock.end()]);
  }
}

async function migrateAll(pool: SessionPool, databaseUrl: string): Promise<void> {
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  await refuseNewerSchema(db, await migrationNames());
  await migrateQueue(databaseUrl);
  await migrateTables(db);
  await applySql(db);
  await settleIn(db);
}

/** The names of the migrations that this version has. */
export async function migrationNames(): Promise<string[]> {
  return (await readSqlFiles(MIGRATIONS)).map(({ name }) => name);
}

/** What a person must know of, such as roles that could not be made; PostgreSQL's own notices are not. */
function logWarning(notice: Record<'severity' | 'message' | 'hint', string | undefined>): void {
  if (notice.severity === 'WARNING') log.warn('migrating', { warning: notice.message, hint: notice.hint });
}

async function migrateTables(db: Kysely<Database>): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: sqlFiles(MIGRATIONS),
    migrationTableSchema: 's3_connector_private',
  });
  const { error } = await migrator.migrateToLatest();
  if (error) throw error;
}

function sqlFiles(directory: string): MigrationProvider {
  return {
    async getMigrations() {
      const files = await readSqlFiles(directory);
      return Object.fromEntries(
        files.map(({ name, text }) => [name, { up: (db: Kysely<Database>) => runScript(db, text) }]),
      );
    },
  };
}

async function applySql(db: Kysely<Database>): Promise<void> {
  const files = await readSqlFiles(join(packageRoot, 'sql'));
  await db.transaction().execute(async (transaction) => {
    // Holds where the session that serialises migrations was lost, too.
    await sql`select pg_advisory_xact_lock(${APPLY_LOCK}::bigint)`.execute(transaction);
    for (const file of files) await runScript(transaction, file.text);
    await sql`select s3_connector_private.record_version(${version})`.execute(transaction);
  });
}

async function runScript(db: Kysely<Database>, text: string): Promise<void> {
  await sql.raw(text).execute(db);
}

async function readSqlFiles(directory: string): Promise<{ name: string; text: string }[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name) => ({
      name: name.slice(0, -'.sql'.length),
      text: await readFile(join(directory, name), 'utf8'),
    })),
  );
}
