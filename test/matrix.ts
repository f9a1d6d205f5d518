// `npm run test:matrix`: runs tests on several versions of PostgreSQL, one after the other, and prints a table. Arguments are those
// of `npm test`, and --versions=16,17 (default: all that are supported; --versions= none). A version that `npm ci` does not install
// comes from npm once, into node_modules/.cache. TEST_POSTGRES_BIN_DIR names more servers, for example with TimescaleDB: directories
// with a colon between them.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheDirectory, isInstalled, PLATFORM_PACKAGE } from '../embedded/postgres/packages.ts';
import { PACKAGED_MAJORS, type PackagedMajor } from '../embedded/postgres/protocol.ts';

const RUN = fileURLToPath(new URL('./run.ts', import.meta.url));
const COUNTS = ['tests', 'pass', 'skipped', 'fail'] as const;
const run = promisify(execFile);

/** One line of the table. */
interface Row {
  server: string;
  counts: (number | undefined)[];
  failed: boolean;
}

const { versions, args } = readArguments(process.argv.slice(2));
const rows: Row[] = [];
for (const major of versions) rows.push(await runOnVersion(major));
for (const binDir of (process.env.TEST_POSTGRES_BIN_DIR ?? '').split(delimiter).filter(Boolean))
  rows.push(await runOn(binDir, { TEST_POSTGRES_BIN_DIR: binDir }));
print(rows);
process.exitCode = rows.some(({ failed }) => failed) ? 1 : 0;

function readArguments(all: string[]): { versions: PackagedMajor[]; args: string[] } {
  const option = '--versions=';
  const given = all.filter((arg) => arg.startsWith(option));
  const wanted = given.flatMap((arg) => arg.slice(option.length).split(',')).filter(Boolean);
  const unknown = wanted.filter((version) => !PACKAGED_MAJORS.some((major) => String(major) === version));
  if (unknown.length > 0)
    throw new Error(`--versions must be of ${PACKAGED_MAJORS.join(', ')}; it has ${unknown.join(', ')}`);
  return {
    versions: PACKAGED_MAJORS.filter((major) => given.length === 0 || wanted.includes(String(major))),
    args: all.filter((arg) => !arg.startsWith(option)),
  };
}

async function runOnVersion(major: PackagedMajor): Promise<Row> {
  if (!(isInstalled(major) || (await install(major))))
    return { server: `${major}: npm does not have it`, counts: [], failed: false };
  return await runOn(String(major), { TEST_POSTGRES_VERSION: String(major), TEST_POSTGRES_BIN_DIR: '' });
}

/** Installs the newest release of a version, without its scripts, if there is none yet. Returns whether npm has one. */
async function install(major: PackagedMajor): Promise<boolean> {
  const directory = cacheDirectory(major);
  if (existsSync(join(directory, 'node_modules', PLATFORM_PACKAGE))) return true;
  const { stdout } = await run('npm', ['view', PLATFORM_PACKAGE, 'versions', '--json']);
  const newest = (JSON.parse(stdout) as string[]).findLast((version) => version.startsWith(`${major}.`));
  if (newest === undefined) return false;
  await mkdir(directory, { recursive: true });
  await run('npm', [
    'install',
    '--no-save',
    '--no-audit',
    '--ignore-scripts',
    `--prefix=${directory}`,
    `${PLATFORM_PACKAGE}@${newest}`,
  ]);
  return true;
}

async function runOn(server: string, env: Record<string, string>): Promise<Row> {
  const tests = spawn(process.execPath, [RUN, '--test-reporter=spec', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  tests.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const [code] = await once(tests, 'close');
  const summary = /^tested on (PostgreSQL [^;\n]*)/m.exec(output)?.[1];
  const counts = COUNTS.map((name) => {
    const found = new RegExp(`^ℹ ${name} (\\d+)$`, 'm').exec(output)?.[1];
    return found === undefined ? undefined : Number(found);
  });
  return { server: summary ?? `${server}: ended with status ${code}`, counts, failed: code !== 0 };
}

function print(rows: readonly Row[]): void {
  console.log(`\n| server | tests | passed | skipped | failed |\n| --- | --- | --- | --- | --- |`);
  for (const { server, counts } of rows)
    console.log(`| ${[server, ...COUNTS.map((_, i) => counts[i] ?? '-')].join(' | ')} |`);
}
