/**
 * Brings a database to this version: the queue's schema, then migrations/ (tables, forward only), then sql/ (functions, views,
 * comments), whole. The database stores the digest of what was applied, so that a start without changes locks nothing.
 */
import { createHash } from 'node:crypto';
import { glob, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import { ConnectorError } from '../errors.ts';
import { log } from '../log.ts';
import { packageRoot } from '../paths.ts';
import { passingError } from '../sql_errors.ts';
import { version } from '../version.ts';
import { migrateQueue, QUEUE_SCHEMA } from '../worker/queue.ts';
import { TASKS } from '../worker/shares.ts';
import { applySql, runScript, type SqlFile } from './apply_sql.ts';
import { openSession, SessionPool } from './connections.ts';
import { pauseIfCopied } from './database_copy.ts';
import { withSchemaLocked } from './lock_schema.ts';
import type { Database } from './schema.ts';
import { appliedDigest, appliedMigrations, refuseNewerSchema } from './schema_version.ts';
import { refuseUnreleasedSchema } from './unreleased_schema.ts';

/** The schemas that a migration makes. */
export const SCHEMAS = [
  's3_connector',
  's3_connector_ask',
  's3_connector_private',
  's3_connector_import',
  QUEUE_SCHEMA,
];

const MIGRATIONS = 'migrations/*.sql';
/** The folders of sql/ are layers, applied in this order. The names of other folders begin with no number: they are never applied. */
const LAYERS = 'sql/[0-9]_*/**/*.sql';

/** The scripts of a version. */
interface Scripts {
  migrations: SqlFile[];
  sql: SqlFile[];
  /** The digest of both, and of the queue's version. */
  digest: string;
}

/**
 * Migrates a database. If it is a copy of another, its connectors are paused before anything can work on it. Idempotent, and
 * safe when several processes do it at once.
 * @throws ConnectorError `schema_newer`, with nothing changed, if a newer version has migrated the database;
 *   `foreign_schema`, `schema_unreleased`, `migration_edited`, `migration_failed`, `object_in_use`; `no_connection`;
 *   PostgreSQL's errors
 */
export async function migrate(databaseUrl: string): Promise<void> {
  // Its errors say what to do about a database that cannot be reached.
  await (await openSession(databaseUrl, 'migrate')).end();
  const pool = new SessionPool(databaseUrl, 'migrate', { max: 2 });
  pool.on('connect', (client) => client.on('notice', logWarning));
  try {
    const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
    await refuseForeignSchemas(db);
    const scripts = await readScripts();
    await refuseUnreleasedSchema(db);
    await refuseNewerSchema(db, migrationNames(scripts));
    if ((await appliedDigest(db)) !== scripts.digest) await applyOnce(db, databaseUrl, scripts);
    await pauseIfCopied(db);
  } catch (error) {
    // A lasting error keeps its stack.
    throw passingError(error) ?? error;
  } finally {
    await pool.end();
  }
}

/** Refuses schemas of ours that another role owns, before anything in them is read: they may contain anything. */
async function refuseForeignSchemas(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ name: string; owner: string }>`
    select nspname as name, pg_get_userbyid(nspowner) as owner from pg_namespace
    where nspname = any (${SCHEMAS}) and not pg_has_role(current_user, nspowner, 'usage')
    order by nspname limit 1`.execute(db);
  const [foreign] = rows;
  if (!foreign) return;
  throw new ConnectorError(
    'foreign_schema',
    `the schema ${foreign.name} belongs to ${foreign.owner}, and not to the role in DATABASE_URL`,
    {
      hint: 'Connect as its owner. If it should be another role, run sql/setup/worker_role.sql as a superuser, which changes the owner. If you do not know the schema, drop it first.',
    },
  );
}

/** Applies everything, one process at a time. The others then find it done, or find a newer version. */
async function applyOnce(db: Kysely<Database>, databaseUrl: string, scripts: Scripts): Promise<void> {
  // graphile-worker serialises its own migrations.
  await migrateQueue(databaseUrl, TASKS);
  await withSchemaLocked(db, async (transaction) => {
    // Our own tables may not exist yet. Other roles cannot lock this one.
    await sql`lock table ${sql.table(`${QUEUE_SCHEMA}.migrations`)} in share row exclusive mode`.execute(
      transaction,
    );
    await refuseNewerSchema(transaction, migrationNames(scripts));
    if ((await appliedDigest(transaction)) === scripts.digest) return;
    await applyMigrations(transaction, scripts.migrations);
    await applySql(transaction, scripts.sql);
    await sql`select s3_connector_private.record_version(${version}, ${scripts.digest})`.execute(transaction);
  });
}

/** Returns the names of this version's migrations. */
export async function knownMigrations(): Promise<string[]> {
  return await sqlPaths(MIGRATIONS);
}

function migrationNames({ migrations }: Scripts): string[] {
  return migrations.map(({ path }) => path);
}

/** Runs the migrations that the database does not have yet. Applied ones must not have changed. */
async function applyMigrations(
  transaction: Transaction<Database>,
  migrations: readonly SqlFile[],
): Promise<void> {
  const applied = new Map((await appliedMigrations(transaction)).map(({ name, digest }) => [name, digest]));
  for (const file of migrations) {
    const digest = digestOf([file]);
    const before = applied.get(file.path);
    if (before !== undefined && before !== digest) throw edited(file.path);
    if (before !== undefined) continue;
    await runScript(transaction, file);
    await sql`insert into s3_connector_private.migrations (name, digest) values (${file.path}, ${digest})`.execute(
      transaction,
    );
  }
}

function edited(path: string): ConnectorError {
  return new ConnectorError(
    'migration_edited',
    `${path} differs from the migration that was applied to this database under that name`,
    {
      hint: 'Released migrations are frozen. Restore the file, and put the change into a new one.',
    },
  );
}

/** Logs warnings of our SQL (a role could not be created), and not PostgreSQL's own notices. */
function logWarning(notice: Record<'severity' | 'message' | 'hint', string | undefined>): void {
  if (notice.severity === 'WARNING') log.warn('migrating', { warning: notice.message, hint: notice.hint });
}

async function readScripts(): Promise<Scripts> {
  const [migrations, files] = await Promise.all([readSqlFiles(MIGRATIONS), readSqlFiles(LAYERS)]);
  const queue = await readFile(new URL('../package.json', import.meta.resolve('graphile-worker')), 'utf8');
  const queueVersion = { path: 'graphile-worker', text: (JSON.parse(queue) as { version: string }).version };
  return { migrations, sql: files, digest: digestOf([...migrations, ...files, queueVersion]) };
}

async function readSqlFiles(pattern: string): Promise<SqlFile[]> {
  const paths = await sqlPaths(pattern);
  return Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(join(packageRoot, path), 'utf8') })),
  );
}

/** Returns the paths of scripts, relative to the package's root, in the order in which they are applied: sorted by code units. */
async function sqlPaths(pattern: string): Promise<string[]> {
  const paths = await Array.fromAsync(glob(pattern, { cwd: packageRoot }));
  return paths.map((path) => path.replaceAll(sep, '/')).sort();
}

function digestOf(files: readonly SqlFile[]): string {
  const hash = createHash('sha256');
  for (const { path, text } of files) hash.update(JSON.stringify([path, text]));
  return hash.digest('hex');
}
