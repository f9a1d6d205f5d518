// `npm test`: runs test files against a real PostgreSQL. Each file gets databases of its own, cloned from a
// template that the project's migrations made. Arguments are files, directories, patterns and options of
// `node --test`; TEST_DATABASE_URL names a server to use (as a superuser, who makes the databases and roles),
// TEST_POSTGRES_BIN_DIR an installed PostgreSQL to start instead of the npm package's, TEST_POSTGRES_VERSION (15 to 18) which
// package. Migrations and workers run as the role that sql/setup/ makes for them, the tests as an ordinary role that owns its
// databases: none of them is a superuser.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { glob, readFile, rm, stat } from 'node:fs/promises';
import { constants } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startPostgres } from '../embedded/postgres/server.ts';
import { migrate } from '../src/db/migrations.ts';
import { type Login, makeRoles, prepareDatabase, type TestRoles, testRoles } from './support/roles.ts';
import { makeScratch } from './support/scratch.ts';
import { readServerOptions } from './support/server_options.ts';

const TEST_DIRECTORY = relative('', fileURLToPath(new URL('.', import.meta.url)));
const KILL_AFTER_MS = 5_000;
// On two cores: test files wait for much of their time, for polls, retries and timeouts. Six at a time need a fifth more CPU time for
// the same files, and no less time.
const CONCURRENCY = 4;
const SERVER_SETTINGS = {
  // No table is vacuumed or analyzed by itself: that would change locks and plans in some runs only.
  autovacuum_naptime: '1d',
  // A worker opens up to 45, and some files start several.
  max_connections: '800',
  // The data directory may be in memory.
  max_wal_size: '1GB',
};

interface Server {
  readonly adminUrl: string;
  readonly origin: string;
  /** Whether it goes on after the run, so that it must be left as it was. */
  readonly isShared: boolean;
  stop(): Promise<void>;
}

let tests: ChildProcess | undefined;
let interruptedBy: NodeJS.Signals | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupt(signal));

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}

async function main(args: string[]): Promise<number> {
  const { options, patterns } = splitArguments(args);
  const files = await findFiles(patterns);
  const name = `s3_test_${randomBytes(3).toString('hex')}`;
  const scratch = await makeScratch(name);
  // For the servers that this process and the tests start, and for all that tests write.
  process.env.TMPDIR = scratch;
  try {
    return await runOnServer([...options, ...files], name, scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true, maxRetries: 40 });
  }
}

/**
 * Runs tests on a server.
 * @param template the name of the database that tests clone
 */
async function runOnServer(args: string[], template: string, scratch: string): Promise<number> {
  const server = await openServer();
  const password = randomBytes(8).toString('hex');
  const roles = testRoles(template, password);
  const summaryFile = join(scratch, 'summary.txt');
  try {
    await createTemplate(server.adminUrl, template, roles);
    const code = await runTests(args, {
      TEST_ADMIN_URL: server.adminUrl,
      TEST_TEMPLATE: template,
      TEST_PASSWORD: password,
      TEST_SUMMARY_FILE: summaryFile,
      NODE_COMPILE_CACHE: join(scratch, 'compiled'),
    });
    if (!interruptedBy) console.log([await describe(server), ...(await readLines(summaryFile))].join('; '));
    return code;
  } finally {
    if (server.isShared) await dropAll(server.adminUrl, template, roles);
    await server.stop();
  }
}

/** Separates options (with their values) from file names. */
function splitArguments(args: string[]): { options: string[]; patterns: string[] } {
  const withValue = [
    'name-pattern',
    'skip-pattern',
    'reporter',
    'reporter-destination',
    'timeout',
    'concurrency',
    'shard',
  ];
  const { tokens } = parseArgs({
    args,
    strict: false,
    tokens: true,
    options: Object.fromEntries(withValue.map((name) => [`test-${name}`, { type: 'string' as const }])),
  });
  const options: string[] = [];
  const patterns: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') patterns.push(token.value);
    if (token.kind === 'option')
      options.push(token.value === undefined ? token.rawName : `${token.rawName}=${token.value}`);
  }
  return { options, patterns };
}

async function findFiles(patterns: string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of patterns.length > 0 ? patterns : [TEST_DIRECTORY]) {
    const isDirectory = await stat(pattern).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
    const files = await Array.fromAsync(glob(isDirectory ? join(pattern, '**/*.test.ts') : pattern));
    if (files.length === 0) throw new Error(`expected test files, but nothing matches ${pattern}`);
    for (const file of files.sort()) found.add(file);
  }
  return [...found];
}

async function openServer(): Promise<Server> {
  const { TEST_DATABASE_URL: adminUrl } = process.env;
  if (adminUrl) return { adminUrl, origin: 'TEST_DATABASE_URL', isShared: true, stop: async () => {} };
  const options = readServerOptions();
  const postgres = await startPostgres({ ...options, settings: SERVER_SETTINGS });
  return {
    adminUrl: postgres.url(),
    origin: options.binDir ?? 'embedded',
    isShared: false,
    stop: () => postgres.stop(),
  };
}

async function createTemplate(adminUrl: string, template: string, roles: TestRoles): Promise<void> {
  await query(adminUrl, `create database ${template} template template0`);
  const url = new URL(adminUrl);
  url.pathname = `/${template}`;
  await withClient(url.href, async (admin) => {
    await makeRoles(admin, roles);
    await prepareDatabase(admin, roles);
    await admin.query(`alter database ${template} owner to ${roles.person.name}`);
  });
  await migrate(urlFor(url, roles.worker));
  // A database with sessions cannot be cloned; TimescaleDB's scheduler opens one wherever it can.
  await query(adminUrl, `alter database ${template} allow_connections false`);
  await query(adminUrl, 'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
    template,
  ]);
}

function urlFor(url: URL, { name, password }: Login): string {
  return Object.assign(new URL(url), { username: name, password }).href;
}

/** Returns the exit code of the test runner. */
async function runTests(args: string[], env: Record<string, string>): Promise<number> {
  if (!interruptedBy) {
    tests = spawn(process.execPath, ['--test', `--test-concurrency=${CONCURRENCY}`, ...args], {
      // In its own process group, so that `interrupt` reaches all processes that the tests have started.
      detached: true,
      env: { ...process.env, ...env },
      stdio: 'inherit',
    });
    const [code] = await once(tests, 'exit');
    if (!interruptedBy) return code ?? 1;
  }
  return 128 + constants.signals[interruptedBy];
}

function interrupt(signal: NodeJS.Signals): void {
  signalTests(interruptedBy ? 'SIGKILL' : 'SIGTERM');
  interruptedBy = signal;
  setTimeout(() => signalTests('SIGKILL'), KILL_AFTER_MS).unref();
}

function signalTests(signal: NodeJS.Signals): void {
  try {
    if (tests?.pid) process.kill(-tests.pid, signal);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
}

async function describe({ adminUrl, origin }: Server): Promise<string> {
  const [row] = await query<{ version: string; timescaledb: string | null }>(
    adminUrl,
    `select split_part(current_setting('server_version'), ' ', 1) as version,
            (select default_version from pg_available_extensions where name = 'timescaledb') as timescaledb`,
  );
  const timescaledb = row?.timescaledb ? `with TimescaleDB ${row.timescaledb}` : 'without TimescaleDB';
  return `tested on PostgreSQL ${row?.version} (${origin}), ${timescaledb}`;
}

/** Lines that test files have added to the summary of the run. */
async function readLines(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return [...new Set(text.split('\n').filter(Boolean))];
}

/** Drops the template, and the databases and roles that a test file could not drop itself. */
async function dropAll(
  adminUrl: string,
  template: string,
  { person, worker, importer }: TestRoles,
): Promise<void> {
  const databases = await query<{ name: string }>(
    adminUrl,
    'select datname as name from pg_database where datname = $1 or starts_with(datname, $2)',
    [template, `${template}_`],
  );
  for (const { name } of databases) await query(adminUrl, `drop database if exists ${name} with (force)`);
  const roles = await query<{ name: string }>(
    adminUrl,
    // Roles that have granted something to others are dropped last.
    'select rolname as name from pg_roles where starts_with(rolname, $1) order by array_position($2::text[], rolname::text) nulls first',
    [`${template}_`, [person.name, worker.name, importer.name]],
  );
  for (const { name } of roles) await query(adminUrl, `drop role if exists ${name}`);
}

async function query<T extends object>(url: string, text: string, values: unknown[] = []): Promise<T[]> {
  return await withClient(url, async (client) => (await client.query<T>(text, values)).rows);
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
