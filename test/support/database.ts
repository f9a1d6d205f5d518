import assert from 'node:assert/strict';
import { AsyncResource } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { basename, relative } from 'node:path';
import { after } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Postgres } from '../../embedded/postgres/server.ts';
import { type Login, makeRoles, prepareDatabase, type TestRoles, testRoles } from './roles.ts';
import { LONGEST_WAIT_MS } from './until.ts';

const SHOWN_ROWS = 20;

export interface TestDatabase {
  readonly name: string;
  /** The URL for the person who owns the database, who is not a superuser. */
  readonly url: string;
  readonly person: Login;
  /** The role of workers and migrations, as sql/setup/ creates it. */
  readonly worker: Login;
  readonly workerUrl: string;
  /** The workers' login for imports. */
  readonly importer: Login;
  readonly importUrl: string;
  /** The URL of a superuser, for tests that need one. */
  readonly superuserUrl: string;
  /** Runs one query as the person, in one of a few sessions; for several statements, returns the last one's rows. */
  query<T extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<T[]>;
  /** As `query`, where exactly one row is expected. */
  one<T extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<T>;
  /** Opens a separate session, of the named role if one is given; ended with the database. */
  connect(user?: Login): Promise<pg.Client>;
  /** Opens a session of a superuser; ended with the database. */
  connectSuperuser(): Promise<pg.Client>;
  /** Runs statements as a superuser, in a separate session. */
  asSuperuser(text: string): Promise<void>;
  /**
   * Creates a role with its own name that can log in; dropped with the database. The person may become it, and so
   * may a worker's login for imports, as the worker's setup requires for roles that insert connectors.
   */
  createRole(options?: string): Promise<Login>;
  /** Polls the query until the predicate holds; the error on time-out shows the last rows. */
  waitFor<T extends object = Record<string, unknown>>(
    text: string,
    predicate: (rows: T[]) => boolean,
    options?: { values?: unknown[]; timeoutMs?: number; intervalMs?: number },
  ): Promise<T[]>;
  /** Ends every session and drops the database; called by itself after the file's tests. */
  drop(): Promise<void>;
}

let made = 0;

/**
 * Creates a database for this test file: cloned from the migrated template, empty, or a copy of another
 * one, whose sessions are ended. It is dropped after the file's tests and its other `after` hooks, which may still
 * need it.
 * @param options `server`: one that the test has started and may harm, instead of the one that all tests share; `replicaOf`: the
 * database with this name is there already, because the server is a standby or a restore of the other's
 */
export async function testDatabase(
  options: { empty?: boolean; copyOf?: TestDatabase; server?: Postgres; replicaOf?: TestDatabase } = {},
): Promise<TestDatabase> {
  const { adminUrl: sharedUrl, template, roles: logins } = readEnvironment();
  const { server, replicaOf } = options;
  const adminUrl = server?.url() ?? sharedUrl;
  const name = replicaOf?.name ?? `${template}_${fileLabel()}_${process.pid}_${++made}`;
  const roles: string[] = [];
  const source = options.copyOf?.name ?? (options.empty || server ? 'template0' : template);
  if (!replicaOf)
    await withClient(adminUrl, async (admin) => {
      if (server && !(await roleExists(admin, logins.worker.name))) await makeRoles(admin, logins);
      if (options.copyOf) await endSessions(admin, source);
      await createDatabase(admin, name, source, logins.person.name, !server);
    });
  const superuserUrl = databaseUrl(adminUrl, name);
  const isNew = (options.empty || server) && !options.copyOf && !replicaOf;
  if (isNew) await withClient(superuserUrl, (admin) => prepareDatabase(admin, logins));
  if (isNew && !options.empty) {
    // Loaded only here, because most test files clone a database, and need none of the modules that migrate one.
    const { migrate } = await import('../../src/db/migrations.ts');
    await migrate(databaseUrl(adminUrl, name, logins.worker));
  }

  const url = databaseUrl(adminUrl, name, logins.person);
  // Idle sessions must not keep the test process from ending.
  const pool = new pg.Pool({ connectionString: url, types: TYPES, max: 4, allowExitOnIdle: true });
  pool.on('error', () => {});
  const clients: pg.Client[] = [];
  let dropped: Promise<void> | undefined;

  const db: TestDatabase = {
    name,
    url,
    person: logins.person,
    worker: logins.worker,
    workerUrl: databaseUrl(adminUrl, name, logins.worker),
    importer: logins.importer,
    importUrl: databaseUrl(adminUrl, name, logins.importer),
    superuserUrl,
    async query<T extends object>(text: string, values?: unknown[]) {
      const result: pg.QueryResult<T> | pg.QueryResult<T>[] = await pool.query<T>(text, values);
      return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? [];
    },
    async one<T extends object>(text: string, values?: unknown[]) {
      const rows = await db.query<T>(text, values);
      assert.equal(rows.length, 1, `expected one row, got ${rows.length} from: ${text}\n${show(rows)}`);
      return rows[0] as T;
    },
    async connect(user = logins.person) {
      const client = new pg.Client({ connectionString: databaseUrl(adminUrl, name, user), types: TYPES });
      client.on('error', () => {});
      await client.connect();
      clients.push(client);
      return client;
    },
    async connectSuperuser() {
      const client = new pg.Client({ connectionString: superuserUrl, types: TYPES });
      client.on('error', () => {});
      await client.connect();
      clients.push(client);
      return client;
    },
    async asSuperuser(text) {
      await withClient(superuserUrl, (admin) => admin.query(text));
    },
    async createRole(roleOptions = '') {
      const role = { name: `${name}_role_${roles.length + 1}`, password: randomBytes(8).toString('hex') };
      roles.push(role.name);
      await db.asSuperuser(`create role ${role.name} login password '${role.password}' ${roleOptions};
        grant ${role.name} to ${logins.person.name} with admin option; grant ${role.name} to ${logins.importer.name}`);
      return role;
    },
    async waitFor<T extends object>(
      text: string,
      predicate: (rows: T[]) => boolean,
      {
        values = [],
        timeoutMs = LONGEST_WAIT_MS,
        intervalMs = 50,
      }: Parameters<TestDatabase['waitFor']>[2] = {},
    ) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const rows = await db.query<T>(text, values);
        if (predicate(rows)) return rows;
        if (Date.now() > deadline) {
          throw new Error(
            `waited ${timeoutMs} ms in vain for ${predicate}\nof ${text}\nlast rows: ${show(rows)}`,
          );
        }
        await delay(intervalMs);
      }
    },
    drop() {
      dropped ??= dropAll();
      return dropped;
    },
  };

  async function dropAll(): Promise<void> {
    await Promise.all([pool.end(), ...clients.map((client) => client.end())]);
    // Databases of a server that is deleted with them need not be dropped.
    if (server) return;
    await withClient(adminUrl, async (admin) => {
      // Sessions that it ends may need longer than the five seconds that it waits.
      await retryInUse(() => admin.query(`drop database if exists ${name} with (force)`));
      for (const role of roles) await admin.query(`drop role if exists ${role}`);
    });
  }

  // Hooks run in the order of their registration: ours registers the drop when it runs, so the drop is last.
  afterFile(() => afterFile(() => db.drop()));
  return db;
}

/** `after` for the whole file, also when called within a suite, a test or a hook. */
export const afterFile = AsyncResource.bind((hook: () => unknown) => after(async () => void (await hook())));

/** int8 as a number where that is exact; pg gives text. */
const TYPES: pg.CustomTypesConfig = {
  getTypeParser(oid, format) {
    if (oid !== pg.types.builtins.INT8 || format === 'binary') return pg.types.getTypeParser(oid, format);
    return (text: string) => (Number.isSafeInteger(Number(text)) ? Number(text) : text);
  },
};

function readEnvironment(): { adminUrl: string; template: string; roles: TestRoles } {
  const { TEST_ADMIN_URL: adminUrl, TEST_TEMPLATE: template, TEST_PASSWORD: password } = process.env;
  if (adminUrl && template && password) {
    return { adminUrl, template, roles: testRoles(template, password) };
  }
  const file = process.argv[1] ? ` -- ${relative('', process.argv[1])}` : '';
  throw new Error(`this test needs the database that the test run starts. Run it with: npm test${file}`);
}

function fileLabel(): string {
  const file = basename(process.argv[1] ?? '', '.test.ts');
  return (
    file
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '_')
      .slice(0, 20) || 'test'
  );
}

function databaseUrl(adminUrl: string, database: string, user?: Login): string {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  if (user) {
    url.username = encodeURIComponent(user.name);
    url.password = encodeURIComponent(user.password);
  }
  return url.href;
}

async function roleExists(admin: pg.Client, role: string): Promise<boolean> {
  const { rows } = await admin.query('select from pg_roles where rolname = $1', [role]);
  return rows.length > 0;
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

async function endSessions(admin: pg.Client, database: string): Promise<void> {
  await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [database]);
}

async function createDatabase(
  admin: pg.Client,
  name: string,
  template: string,
  owner: string,
  isShared: boolean,
): Promise<void> {
  // On a server without standbys, a copy of the files takes half the time of a copy by WAL.
  const strategy = isShared ? ' strategy file_copy' : '';
  // A session, such as a background worker's, may be connected to the template.
  await retryInUse(() =>
    admin.query(`create database ${name} template ${template} owner ${owner}${strategy}`),
  );
}

/** Repeats a statement while sessions of others use its database. */
async function retryInUse(run: () => Promise<unknown>): Promise<void> {
  for (const deadline = Date.now() + LONGEST_WAIT_MS; ; await delay(100)) {
    try {
      await run();
      return;
    } catch (error) {
      // object_in_use
      if ((error as { code?: string }).code !== '55006' || Date.now() > deadline) throw error;
    }
  }
}

function show(rows: unknown[]): string {
  const shown = rows.slice(0, SHOWN_ROWS).map((row) => JSON.stringify(row));
  const rest = rows.length > SHOWN_ROWS ? [`... and ${rows.length - SHOWN_ROWS} more`] : [];
  return rows.length === 0 ? 'none' : ['', ...shown, ...rest].join('\n  ');
}
