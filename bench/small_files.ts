/** The benchmark `small_files`: many small CSV files. */
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Options } from './options.ts';
import { type Goal, median, printGoals } from './report.ts';
import { BUCKET, type Testbed, withTestbed } from './testbed.ts';

const FILES = 2000;
/** Rows per file, about 10 KB. */
const ROWS = 190;
/** The number of files that psql loads: fewer, because one call of psql takes long. */
const BY_PSQL = 200;

/** How files are imported. */
interface Way {
  name: string;
  env: Record<string, string>;
  columns: Record<string, unknown>;
}

const WAYS: Way[] = [
  { name: 'in bundles, max_tracked_files 1000', env: {}, columns: {} },
  { name: 'in bundles, max_tracked_files 100', env: {}, columns: { max_tracked_files: 100 } },
  { name: 'one by one', env: { IMPORT_BUNDLE_FILES: '1' }, columns: {} },
];

/** Compares imports of 2,000 files in bundles with those one by one, and with one call of psql's \copy per file. */
export async function smallFiles({ rounds }: Options): Promise<void> {
  const speeds: number[] = [];
  for (const way of WAYS) speeds.push(await measure(way, rounds));
  const alone = speeds.at(-1)!;
  for (const [i, { name }] of WAYS.entries())
    if (speeds[i] !== alone)
      console.log(`  ${name} / one by one: ${(speeds[i]! / alone).toFixed(2)} times the files a second`);
  printGoals([goal(Math.max(...speeds))]);
}

/** Returns the files a second: the median of the rounds. */
async function measure(way: Way, rounds: number): Promise<number> {
  const files = Array.from({ length: FILES }, (_, file) => ({
    name: `${String(file).padStart(4, '0')}.csv`,
    body: csv(file),
  }));
  const times: number[] = [];
  await withTestbed(
    ({ store }) => {
      for (const { name, body } of files) store.put(BUCKET, `small/${name}`, body);
    },
    async (testbed) => {
      await testbed.client.query(
        'create table by_connector (file integer, n integer, at timestamptz, label text, value float8)',
      );
      for (let round = 1; round <= rounds; round++) {
        times.push(await importFiles(testbed, way));
        report(`connector ${way.name}, round ${round}`, FILES, times.at(-1)!);
      }
      if (way === WAYS[0]) await compareWithPsql(testbed, files.slice(0, BY_PSQL), median(times)!);
    },
    { env: way.env },
  );
  return FILES / median(times)!;
}

async function compareWithPsql(
  testbed: Testbed,
  files: { name: string; body: string }[],
  ours: number,
): Promise<void> {
  await testbed.client.query('create table by_psql (like by_connector)');
  const psql = await copyWithPsql(testbed, files);
  if (psql === undefined) return console.log('  psql is not on PATH: no comparison');
  await assertCount(testbed, 'by_psql', BY_PSQL);
  report('psql \\copy, one call per file', BY_PSQL, psql);
  console.log(`  connector / psql: ${(ours / FILES / (psql / BY_PSQL)).toFixed(2)} of the time per file`);
}

/** Imports all files. Returns seconds. */
async function importFiles(testbed: Testbed, { columns }: Way): Promise<number> {
  await testbed.client.query('truncate by_connector');
  await testbed.client.query('checkpoint');
  const seconds = await testbed.importAll('small', {
    pattern: 'small/*',
    file_format: 'csv',
    target_table: 'by_connector',
    ...columns,
  });
  await assertCount(testbed, 'by_connector', FILES);
  await testbed.drop('small');
  return seconds;
}

function goal(filesPerSecond: number): Goal {
  return {
    text: 'files a second >= 1,000',
    value: filesPerSecond,
    met: (value) => value >= 1000,
    show: (value) => String(Math.round(value)),
  };
}

function csv(file: number): string {
  const rows = Array.from(
    { length: ROWS },
    (_, n) => `${file},${n},2026-01-01 00:00:${String(n % 60).padStart(2, '0')}Z,label ${n},${n / 7}`,
  );
  return `file,n,at,label,value\n${rows.join('\n')}\n`;
}

async function copyWithPsql(
  testbed: Testbed,
  files: { name: string; body: string }[],
): Promise<number | undefined> {
  if (spawnSync('psql', ['--version']).status !== 0) return undefined;
  const directory = join(testbed.directory, 'small');
  await mkdir(directory);
  for (const { name, body } of files) await writeFile(join(directory, name), body);
  const start = performance.now();
  for (const { name } of files) {
    const command = `\\copy by_psql from '${join(directory, name)}' with (format csv, header true)`;
    const { status, stderr } = spawnSync('psql', ['-qX', testbed.postgres.url(), '-c', command]);
    if (status !== 0) throw new Error(String(stderr));
  }
  return (performance.now() - start) / 1000;
}

async function assertCount({ client }: Testbed, table: string, files: number): Promise<void> {
  const { rows } = await client.query(
    `select count(*) as rows, count(distinct (file, n)) as different from ${table}`,
  );
  const expected = String(files * ROWS);
  if (rows[0].rows !== expected || rows[0].different !== expected)
    throw new Error(`${table}: ${JSON.stringify(rows[0])}`);
}

function report(loader: string, files: number, seconds: number): void {
  console.log(
    `small_files: ${files} files of ${ROWS} rows, ${loader}: ${seconds.toFixed(1)} s, ${Math.round(files / seconds)} files/s`,
  );
}
