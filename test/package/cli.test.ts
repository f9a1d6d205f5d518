import assert from 'node:assert/strict';
import { once } from 'node:events';
import { glob, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { COMMANDS } from '../../src/cli/commands.ts';
import { nearest } from '../../src/cli/nearest.ts';
import { version } from '../../src/version.ts';
import { testDatabase } from '../support/database.ts';
import { runCli, spawnCli } from './run_cli.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const empty = await testDatabase({ empty: true });
const migrated = await testDatabase();
const directory = await mkdtemp(join(tmpdir(), 's3-connector-cli-'));
after(() => rm(directory, { recursive: true, force: true }));

test("--help names every command, and each command's help names its settings", async () => {
  const { code, stdout, stderr } = await runCli(['--help']);
  assert.deepEqual([code, stderr], [0, '']);
  for (const { name, summary } of COMMANDS)
    assert.match(stdout, new RegExp(`^ {2}${name} +${summary}$`, 'm'));
  assert.deepEqual((await runCli(['--version'])).stdout, `${version}\n`);
  const one = await runCli(['start', '--help']);
  assert.equal(one.code, 0);
  for (const name of Object.keys(COMMANDS.find((command) => command.name === 'start')!.settings))
    assert.match(one.stdout, new RegExp(`^ {2}${name} {2}\\(`, 'm'));
  assert.deepEqual(await runCli(['help', 'start']), one);
});

test('a program that stops reading the output ends the command without a stack', async () => {
  const child = spawnCli(['--help']);
  child.stdout!.destroy();
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  assert.deepEqual([...(await once(child, 'close')), stderr], [141, null, '']);
});

test('every environment variable that the program reads is in the help', async () => {
  const known = new Set(COMMANDS.flatMap(({ settings }) => Object.keys(settings)));
  const read: string[] = [];
  for await (const file of glob(['src/**/*.ts', 'console/**/*.ts', 'tasks/**/*.ts'], { cwd: ROOT })) {
    const source = await readFile(join(ROOT, file), 'utf8');
    for (const [, a, b] of source.matchAll(/\benv\.([A-Z][A-Z0-9_]+)|\benv, '([A-Z][A-Z0-9_]+)'/g))
      read.push((a ?? b)!);
  }
  // Variables of the AWS SDK, a convention of terminals, and those that only tests set.
  const others = /^(AWS_\w+|NO_COLOR|FAULT_LOG|FAULT_POINT|FAULT_SEED|FAULT_RATE|DATA_FAULT_FILE)$/;
  assert.deepEqual(
    read.filter((name) => !known.has(name) && !others.test(name)),
    [],
  );
});

test('a mistyped command ends with status 2, and suggests the intended one', async () => {
  const typo = await runCli(['strat']);
  assert.deepEqual([typo.code, typo.stdout], [2, '']);
  assert.match(typo.stderr, /There is no command "strat"\. Did you mean start\?/);
  const other = await runCli(['frobnicate']);
  assert.equal(other.code, 2);
  assert.match(other.stderr, /The commands are migrate, start, console, doctor\./);
  const option = await runCli(['migrate', '--force']);
  assert.equal(option.code, 2);
  assert.match(option.stderr, /migrate takes no arguments, but got "--force"/);
  const none = await runCli([]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /Usage: pg-s3-connector <command>/);
  assert.equal(nearest('mig', ['start', 'migrate']), 'migrate');
  assert.equal(nearest('docter', ['start', 'doctor']), 'doctor');
  assert.equal(nearest('x', ['start', 'doctor']), undefined);
});

test('migrate reports a missing setting with status 1, and migrates', async () => {
  const unset = await runCli(['migrate']);
  assert.equal(unset.code, 1);
  assert.match(unset.stderr, /DATABASE_URL must be set/);
  const away = await runCli(['migrate'], { DATABASE_URL: 'postgres://x:y@127.0.0.1:1/z' });
  assert.equal(away.code, 1);
  assert.match(away.stderr, /^no connection to the database: .*ECONNREFUSED.*\nNo server listens there/);
  assert.doesNotMatch(away.stderr, / {4}at /);
  const env = { DATABASE_URL: empty.workerUrl };
  const done = await runCli(['migrate'], { ...env, LOG_FORMAT: 'text' });
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /^\d\d:\d\d:\d\d info {2}migrated\n$/m);
  // No step has a severe failure.
  assert.equal((await runCli(['migrate'], { ...env, LOG_LEVEL: 'error' })).stdout, '');
  assert.deepEqual(await empty.query('select * from s3_connector.connector_status'), []);
});

/** The states by step, and the whole output. */
function findings(stdout: string): { states: Record<string, string>; text: string } {
  const lines = [...stdout.matchAll(/^(ok|note|failed) +(\w+) /gm)];
  return { states: Object.fromEntries(lines.map(([, state, step]) => [step!, state!])), text: stdout };
}

const KEYS = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret-of-s3' };

test('doctor reports a ready machine and database as ready', async () => {
  const role = await migrated.createRole();
  const url = new URL(migrated.workerUrl);
  const { code, stdout } = await runCli(['doctor'], {
    ...KEYS,
    DATABASE_URL: url.href,
    SPOOL_DIR: directory,
  });
  const { states, text } = findings(stdout);
  assert.equal(code, 0, text);
  assert.deepEqual(states, {
    ...states,
    node: 'ok',
    settings: 'ok',
    database: 'ok',
    connections: 'ok',
    migrations: 'ok',
    workers: 'ok',
    credentials: 'ok',
  });
  assert.deepEqual(Object.keys(states).sort(), [
    'connections',
    'credentials',
    'database',
    'imports',
    'migrations',
    'node',
    'readers',
    'role',
    'settings',
    'spool',
    'timescaledb',
    'workers',
  ]);
  assert.match(text, /A worker can start/);
  assert.deepEqual(await readdir(directory), [], 'it leaves nothing');

  url.username = role.name;
  url.password = role.password;
  const stranger = findings((await runCli(['doctor'], { ...KEYS, DATABASE_URL: url.href })).stdout);
  assert.equal(stranger.states.role, 'failed', stranger.text);
  assert.match(stranger.text, /does not own the schemas .*s3_connector/);
});

test('doctor says what to do about each failed step, with status 1, and shows no secret', async () => {
  const blank = await testDatabase({ empty: true });
  const fresh = await runCli(['doctor'], { DATABASE_URL: blank.url, SPOOL_DIR: directory });
  assert.equal(fresh.code, 0, fresh.stdout);
  assert.match(
    fresh.stdout,
    /^note +migrations +(\d+) of \1 are not done yet\n +Run pg-s3-connector migrate/m,
  );
  assert.match(fresh.stdout, /^note +credentials .*\n +Set AWS_ACCESS_KEY_ID/m);
  assert.deepEqual(await blank.query("select from pg_namespace where nspname ~ 's3_connector'"), []);

  const occupied = join(directory, 'a-file');
  await writeFile(occupied, '');
  const wrong = new URL(migrated.workerUrl);
  wrong.password = 'wrong-password';
  const bad = await runCli(['doctor'], { ...KEYS, DATABASE_URL: wrong.href, SPOOL_DIR: occupied });
  assert.equal(bad.code, 1);
  assert.match(bad.stdout, /^failed +database .*\n +Check user and password/m);
  assert.match(bad.stdout, /^failed +spool .*\n +Set SPOOL_DIR to a directory/m);
  assert.match(bad.stdout, /2 of \d must be fixed/);
  assert.doesNotMatch(bad.stdout + bad.stderr, /wrong-password|secret-of-s3/);
  await rm(occupied);

  const nowhere = await runCli(['doctor'], { DATABASE_URL: 'postgres://x:y@127.0.0.1:1/z' });
  assert.match(nowhere.stdout, /^failed +database .*ECONNREFUSED.*\n +No server listens there/m);
  const unset = await runCli(['doctor']);
  assert.equal(unset.code, 1);
  assert.match(unset.stdout, /^failed +settings +DATABASE_URL must be set.*\n +Set it/m);

  await blank.query(
    'create schema s3_connector_private; create table s3_connector_private.migrations (name text, digest text)',
  );
  await blank.query("insert into s3_connector_private.migrations values ('9999_future', '')");
  const newer = await runCli(['doctor'], { DATABASE_URL: blank.url });
  assert.equal(newer.code, 1);
  assert.match(newer.stdout, /^failed +migrations .*9999_future.*\n +Run the newer version\./m);
  // A newer version may have no migration of its own.
  await blank.query(
    `delete from s3_connector_private.migrations;
      create table s3_connector_private.versions (version text, digest text);
      insert into s3_connector_private.versions values ('99.0.0', '')`,
  );
  const later = await runCli(['doctor'], { DATABASE_URL: blank.url });
  assert.equal(later.code, 1);
  assert.match(later.stdout, /^failed +migrations .*by version 99\.0\.0.*\n +Run the newer version\./m);
});
