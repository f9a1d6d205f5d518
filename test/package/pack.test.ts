import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeRelease, type Release } from '../../deploy/release.ts';
import { testDatabase } from '../support/database.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';
import { runCli, spawnCli } from './run_cli.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const directory = await mkdtemp(join(tmpdir(), 's3-connector-pack-'));
const installed = join(directory, 'package');
after(() => rm(directory, { recursive: true, force: true }));

let released: Release;

/** The files that a package may hold. */
const RUNS = [
  /^dist\/(src|tasks|console)\/.*\.js$/,
  /^migrations\/\d{4}_\w+\.sql$/,
  /^sql\/.*\.sql$/,
  /^kernel\/encoder\.wasm$/,
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
    'README.md',
    'sql/6_grants/group_roles.sql',
  ])
    assert.ok(paths.includes(path), path);
  await run('tar', ['-xzf', join(directory, tarball), '-C', directory]);
  await linkDependencies();
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

/** The installed dependencies, without those for development. */
async function linkDependencies(): Promise<void> {
  const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>;
  };
  for (const [path, { dev }] of Object.entries(lock.packages)) {
    // A nested package is installed with its parent.
    if (dev || !/^node_modules\/(@[^/]+\/)?[^/]+$/.test(path)) continue;
    await mkdir(dirname(join(installed, path)), { recursive: true });
    await symlink(join(ROOT, path), join(installed, path));
  }
}

test('the installed package migrates a database, starts, and imports every kind of file', async () => {
  const cli = join(
    installed,
    JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')).bin['pg-s3-connector'],
  );
  const db = await testDatabase({ empty: true });
  const world = await openWorld();
  const env = {
    DATABASE_URL: db.workerUrl,
    IMPORT_DATABASE_URL: db.importUrl,
    SPOOL_DIR: join(directory, 'spool'),
    S3_ALLOWED_ENDPOINTS: world.server.endpoint,
    AWS_ACCESS_KEY_ID: 'reader',
    AWS_SECRET_ACCESS_KEY: 'reader-secret',
    AWS_REGION: 'us-east-1',
    // So that the encoding thread is used, too.
    ENCODE_CSV_FROM_BYTES: '0',
  };
  const migrated = await runCli(['migrate'], env, cli);
  assert.equal(migrated.code, 0, migrated.stderr);
  assert.match(migrated.stdout, /"event":"migrated"/);
  const checked = await runCli(['doctor'], env, cli);
  assert.equal(checked.code, 0, checked.stdout);

  world.put('csv/1.csv', 'a,b\n1,one\n2,two\n');
  world.put('parquet/1.parquet', await parquetOf('select 7 as a'));
  const worker = spawnCli(['start'], env, cli);
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
    for (const format of ['csv', 'parquet'])
      await db.query(
        `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table)
          values ($1, $2, $3, $1 || '/*', $1, 'from_' || $1)`,
        [format, world.bucket, world.server.endpoint],
      );
    const files = await db.waitFor<{ status: string; error_message: string | null }>(
      "select connector_name, status, rows_imported, error_message from s3_connector.files where status in ('success', 'failure') order by 1",
      (rows) => rows.length === 2,
    );
    assert.deepEqual(
      files.map((file) => [file.status, file.error_message]),
      [
        ['success', null],
        ['success', null],
      ],
    );
    assert.deepEqual(await db.query('select a, b from from_csv order by a'), [
      { a: 1, b: 'one' },
      { a: 2, b: 'two' },
    ]);
    assert.deepEqual(await db.query('select a from from_parquet'), [{ a: 7 }]);
  } finally {
    worker.kill('SIGTERM');
  }
  assert.deepEqual(await exit, [0, null], lines.join('\n'));
});
