/** The steps of `doctor` that look at the database. */
import { Kysely, PostgresDialect, sql } from 'kysely';
import type pg from 'pg';
import type { Config } from '../config.ts';
import { openSession, type Session, SessionPool } from '../db/connections.ts';
import { findImportRole, unfit } from '../db/import_login.ts';
import { knownMigrations, SCHEMAS } from '../db/migrations.ts';
import { tryConnections } from '../db/pooler.ts';
import type { Database } from '../db/schema.ts';
import { appliedMigrations, refuseNewerSchema } from '../db/schema_version.ts';
import { FIXED_PATH } from '../db/session_settings.ts';
import { refuseUnreleasedSchema } from '../db/unreleased_schema.ts';
import { forEachUrl } from '../worker/sessions.ts';
import { type Finding, tryStep } from './finding.ts';

const OLDEST_SERVER = 150_000;
const CONNECT_MS = 10_000;

/** Yields findings about the server, the role, the migrations and the connections. Changes nothing. */
export async function* checkDatabase(config: Config): AsyncGenerator<Finding> {
  const { databaseUrl } = config;
  const { client, finding } = await connect(databaseUrl);
  yield finding;
  if (!client) return;
  try {
    yield await tryStep('timescaledb', () => withFixedPath(client, checkTimescaledb));
    yield await tryStep('role', () => withFixedPath(client, checkRole));
    yield await tryStep('imports', () => withFixedPath(client, () => checkImportLogin(client, config)));
    yield await tryStep('migrations', () => checkMigrations(databaseUrl));
    yield await tryStep('workers', () => withFixedPath(client, checkWorkers));
  } finally {
    await client.end();
  }
  yield await tryStep('connections', () => checkConnections(config));
}

async function connect(databaseUrl: string): Promise<{ client?: Session; finding: Finding }> {
  let client: Session | undefined;
  const finding = await tryStep('database', async () => {
    client = await openSession(databaseUrl, 'probe', { openMs: CONNECT_MS });
    return await withFixedPath(client, checkServer);
  });
  if (finding.state !== 'failed') return { client: client!, finding };
  await client?.end();
  return { finding };
}

type Found = Omit<Finding, 'step'>;

/**
 * Runs queries that find only objects of PostgreSQL's own by their names. The path ends with a transaction: in a pooler that shares
 * sessions, it would otherwise be another client's.
 */
async function withFixedPath<T>(client: pg.Client, run: (client: pg.Client) => Promise<T>): Promise<T> {
  await client.query(`begin; set local search_path to ${FIXED_PATH}`);
  try {
    return await run(client);
  } finally {
    await client.query('rollback');
  }
}

async function checkServer(client: pg.Client): Promise<Found> {
  const { rows } = await client.query<{
    version: string;
    number: number;
    place: string;
    standby: boolean;
    read_only: boolean;
  }>(
    `select current_setting('server_version') as version, current_setting('server_version_num')::integer as number,
      format('database %s, as role %s', current_database(), current_user) as place, pg_is_in_recovery() as standby,
      current_setting('transaction_read_only') = 'on' as read_only`,
  );
  const { version, number, place, standby, read_only } = rows[0]!;
  const message = `PostgreSQL ${version}, ${place}`;
  if (number < OLDEST_SERVER) return { state: 'failed', message, hint: 'Use PostgreSQL 15 or newer.' };
  if (standby)
    return {
      state: 'failed',
      message,
      hint: 'This is a standby, which is read-only. Name the primary in DATABASE_URL.',
    };
  if (read_only) {
    return {
      state: 'failed',
      message: `${message}: it is read-only, because default_transaction_read_only is on`,
      hint: 'Turn it off. A managed service turns it on when the disk is full: then free space first.',
    };
  }
  return { state: 'ok', message };
}

async function checkTimescaledb(client: pg.Client): Promise<Found> {
  const { rows } = await client.query<{ installed: string | null; available: string }>(
    "select installed_version as installed, default_version as available from pg_available_extensions where name = 'timescaledb'",
  );
  const { installed, available } = rows[0] ?? {};
  if (installed) return { state: 'ok', message: `TimescaleDB ${installed}` };
  if (available === undefined) {
    return { state: 'note', message: 'not on this server: the worker makes plain tables' };
  }
  return {
    state: 'note',
    message: `TimescaleDB ${available} is on this server, but not in this database`,
    hint: 'To use hypertables, run: create extension timescaledb;',
  };
}

async function checkRole(client: pg.Client): Promise<Found> {
  const { rows } = await client.query<{
    role: string;
    superuser: boolean;
    creates: boolean;
    foreign: string | null;
  }>(
    `select current_user as role, (select rolsuper from pg_roles where rolname = current_user) as superuser,
      has_database_privilege(current_database(), 'create') as creates,
      (select string_agg(nspname, ', ') from pg_namespace
        where nspname = any ($1) and not pg_has_role(current_user, nspowner, 'usage')) as foreign`,
    [SCHEMAS],
  );
  const { role, superuser, creates, foreign } = rows[0]!;
  if (foreign) {
    return {
      state: 'failed',
      message: `role ${role} does not own the schemas ${foreign}`,
      hint: 'Connect as their owner, or have an administrator change the owner.',
    };
  }
  if (!creates && !(await hasSchema(client))) {
    return {
      state: 'failed',
      message: `role ${role} may not create schemas in this database`,
      hint: 'Have an administrator run: grant create on database ... to it.',
    };
  }
  if (!superuser) return { state: 'ok', message: `role ${role} can migrate, and is not a superuser` };
  return {
    state: 'note',
    message: `role ${role} is a superuser`,
    hint: 'Give the worker a role of its own: sql/setup/worker_role.sql creates it.',
  };
}

/** Looks at the login in whose sessions owners' code runs. */
async function checkImportLogin(client: Session, { databaseUrl, importDatabaseUrl }: Config): Promise<Found> {
  const role = await findImportRole(client, importDatabaseUrl);
  const { rows } = await client.query<{ same: boolean; superuser: boolean }>(
    'select session_user = $1 as same, rolsuper as superuser from pg_roles where rolname = $1',
    [role],
  );
  const { same, superuser } = rows[0]!;
  if (same || superuser) {
    return {
      state: superuser && importDatabaseUrl !== databaseUrl ? 'failed' : 'note',
      message: `imports log in as ${role}, which is ${superuser ? 'a superuser' : 'also the role of DATABASE_URL'}`,
      hint: "Code of connectors' owners could use its rights. Create a login for imports with sql/setup/worker_role.sql, and name it in IMPORT_DATABASE_URL.",
    };
  }
  const refusal = await refusalOf(client, role);
  if (refusal !== null) throw unfit(role, refusal);
  return { state: 'ok', message: `imports log in as ${role}` };
}

/** Returns what the role may do too much; null if nothing, or if this version has not migrated the database yet. */
async function refusalOf(client: Session, role: string): Promise<string | null> {
  const { rows } = await client.query<{ there: boolean }>(
    "select to_regprocedure('s3_connector_private.import_role_refusal(name)') is not null as there",
  );
  if (!rows[0]!.there) return null;
  const { rows: refusals } = await client.query<{ refusal: string | null }>(
    'select s3_connector_private.import_role_refusal($1) as refusal',
    [role],
  );
  return refusals[0]!.refusal;
}

async function checkMigrations(databaseUrl: string): Promise<Found> {
  const pool = new SessionPool(databaseUrl, 'probe', { max: 1 });
  try {
    const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
    return await db.transaction().execute(async (transaction) => {
      await sql`set local search_path to ${sql.raw(FIXED_PATH)}`.execute(transaction);
      return await compareMigrations(transaction);
    });
  } finally {
    await pool.end();
  }
}

async function compareMigrations(db: Kysely<Database>): Promise<Found> {
  const known = await knownMigrations();
  await refuseUnreleasedSchema(db);
  await refuseNewerSchema(db, known);
  const missing = known.length - (await appliedMigrations(db)).length;
  if (missing === 0) return { state: 'ok', message: `all ${known.length} are done` };
  return {
    state: 'note',
    message: `${missing} of ${known.length} are not done yet`,
    hint: 'Run pg-s3-connector migrate, or just start, which migrates first.',
  };
}

async function checkWorkers(client: pg.Client): Promise<Found> {
  if (!(await hasSchema(client))) return { state: 'ok', message: 'none yet' };
  const { rows } = await client.query<{ alive: string }>(
    'select count(*) as alive from s3_connector.workers where alive',
  );
  return { state: 'ok', message: `${rows[0]!.alive} alive on this database` };
}

async function checkConnections(config: Config): Promise<Found> {
  const needed = await forEachUrl(config, tryConnections);
  return {
    state: 'ok',
    message: `${needed} at once, as many as a worker may open, each with its own session`,
  };
}

async function hasSchema(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    "select to_regclass('s3_connector_private.migrations') is not null as there",
  );
  return rows[0]!.there;
}
