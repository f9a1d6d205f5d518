/** The loaders that our connector is compared with. */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cost, Meter } from '../measure/meter.ts';
import { serverOptions } from '../options.ts';
import { jsonStatements } from './json_statements.ts';
import { type Job, type Loader, plainTable, TABLE } from './loader.ts';

const RAW_COPY = fileURLToPath(new URL('raw_copy.ts', import.meta.url));
const JSON_COPY = fileURLToPath(new URL('json_copy.ts', import.meta.url));
const PARALLEL_COPY = 'timescaledb-parallel-copy';

/** Returns a loader that uses \copy of psql, or undefined if psql is not installed. */
export function psqlCopy(makeTable = plainTable): Loader | undefined {
  const psql = findPsql();
  if (!psql) return undefined;
  return {
    name: 'psql \\copy, CSV',
    format: 'csv',
    makeTable,
    load: (job) => {
      const command = `\\copy ${TABLE} from '${job.data.csv}' with (format csv, header true)`;
      return runProgram(job, psql, ['-qX', '-d', job.testbed.postgres.url(), '-c', command]);
    },
  };
}

/** Returns a loader that sends the bytes of the CSV from a Node process. */
export function rawCopy(makeTable = plainTable): Loader {
  return { name: 'pg-copy-streams, CSV', format: 'csv', makeTable, load: runRawCopy };
}

/** Returns a loader that copies the lines into a column of a type, and inserts what PostgreSQL makes of each. */
export function linesCopy(type: 'jsonb' | 'json', makeTable = plainTable): Loader {
  const psql = findPsql();
  return {
    name: `${psql ? 'psql \\copy' : 'pg-copy-streams'}, then ${type}_populate_record`,
    format: 'json',
    makeTable,
    load: (job) => {
      if (!psql) return runNode(job, JSON_COPY, [job.testbed.postgres.url(), TABLE, type, job.data.json!]);
      const { create, options, insert } = jsonStatements(TABLE, type);
      const copy = `\\copy lines from '${job.data.json}' with (${options})`;
      const commands = [create, copy, insert].flatMap((command) => ['-c', command]);
      return runProgram(job, psql, ['-qX', '-d', job.testbed.postgres.url(), ...commands]);
    },
  };
}

/** Returns a loader in which the server reads the CSV file, without a client. */
export function serverCopy(makeTable = plainTable): Loader {
  return {
    name: 'COPY from a file of the server, CSV',
    format: 'csv',
    makeTable,
    load: async ({ testbed, data }) => {
      const meter = new Meter(testbed.postgres.pid);
      await testbed.client.query(`copy ${TABLE} from '${data.csv}' with (format csv, header true)`);
      return { ...meter.stop(), clientCpu: undefined, peakBytes: undefined };
    },
  };
}

/** Returns a loader with timescaledb-parallel-copy for each number of workers. Empty if it is not on PATH. */
export function parallelCopies(workers: number[], makeTable = plainTable): Loader[] {
  if (!runs(PARALLEL_COPY, '-version')) return [];
  return workers.map((count) => ({
    name: `${PARALLEL_COPY} --workers ${count}, CSV`,
    format: 'csv',
    makeTable,
    load: (job) =>
      runProgram(job, PARALLEL_COPY, [
        ...['-connection', `${job.testbed.postgres.url()}?sslmode=disable`],
        ...['-table', TABLE, '-file', job.data.csv, '-skip-header', '-workers', String(count)],
      ]),
  }));
}

/** Returns a line for each missing program. */
export function missingPrograms(): string[] {
  const missing: string[] = [];
  if (!findPsql())
    missing.push(
      'psql is not on PATH: pg-copy-streams, which sends the same bytes, is the baseline instead.',
    );
  if (!runs(PARALLEL_COPY, '-version')) missing.push(`${PARALLEL_COPY} is not on PATH: not measured.`);
  return missing;
}

function findPsql(): string | undefined {
  const installed = serverOptions.binDir ? [join(serverOptions.binDir, 'psql')] : [];
  return [...installed, 'psql'].find((psql) => runs(psql, '--version'));
}

function runs(program: string, argument: string): boolean {
  return spawnSync(program, [argument]).status === 0;
}

async function runProgram({ testbed }: Job, program: string, args: string[]): Promise<Cost> {
  const meter = new Meter(testbed.postgres.pid);
  const child = spawn(program, args, { env: cleanEnv(), stdio: ['ignore', 'ignore', 'pipe'] });
  meter.follow(child.pid!);
  await ended(child, program);
  return meter.stop();
}

function runRawCopy(job: Job): Promise<Cost> {
  return runNode(job, RAW_COPY, [job.testbed.postgres.url(), TABLE, job.data.csv]);
}

/** Starts to measure when the process has connected, because our worker is already running too. */
async function runNode({ testbed }: Job, script: string, args: string[]): Promise<Cost> {
  const child = fork(script, args, {
    env: cleanEnv(),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const end = ended(child, 'pg-copy-streams');
  await Promise.race([once(child, 'message'), end]);
  const meter = new Meter(testbed.postgres.pid);
  meter.follow(child.pid!);
  child.send('go');
  await end;
  return meter.stop();
}

/** Waits for the end of a program. @throws if it failed, with the end of what it wrote to stderr */
export async function ended(child: ChildProcess, name: string): Promise<void> {
  let errors = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4096);
  });
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${name} ended with ${signal ?? `exit code ${code}`}: ${errors}`);
}

/** Returns the environment without variables such as PGOPTIONS that change how a client works. */
export function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')));
}
