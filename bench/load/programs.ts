import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cost, Meter } from '../measure/meter.ts';
import { serverOptions } from '../options.ts';
import { type Job, plainTable, TABLE, type Way } from './way.ts';

const RAW_COPY = fileURLToPath(new URL('raw_copy.ts', import.meta.url));
const PARALLEL_COPY = 'timescaledb-parallel-copy';

/** psql's \copy of the CSV; undefined where there is no psql. */
export function psqlCopy(makeTable = plainTable): Way | undefined {
  const psql = findPsql();
  if (!psql) return undefined;
  return {
    name: 'psql \\copy, CSV',
    makeTable,
    load: (job) => {
      const command = `\\copy ${TABLE} from '${job.data.csv}' with (format csv, header true)`;
      return runProgram(job, psql, ['-qX', '-d', job.ground.postgres.url(), '-c', command]);
    },
  };
}

/** The bytes of the CSV, sent by a Node process as they are. */
export function rawCopy(makeTable = plainTable): Way {
  return { name: 'pg-copy-streams, CSV', makeTable, load: runRawCopy };
}

/** The server reads the CSV itself: no client, no socket. */
export function serverCopy(makeTable = plainTable): Way {
  return {
    name: 'COPY from a file of the server, CSV',
    makeTable,
    load: async ({ ground, data }) => {
      const meter = new Meter(ground.postgres.pid);
      await ground.client.query(`copy ${TABLE} from '${data.csv}' with (format csv, header true)`);
      return { ...meter.stop(), clientCpu: undefined, peakBytes: undefined };
    },
  };
}

/** Tiger Data's loader, once for each number of workers; none where it is not on PATH. */
export function parallelCopies(workers: number[], makeTable = plainTable): Way[] {
  if (!runs(PARALLEL_COPY, '-version')) return [];
  return workers.map((count) => ({
    name: `${PARALLEL_COPY} --workers ${count}, CSV`,
    makeTable,
    load: (job) =>
      runProgram(job, PARALLEL_COPY, [
        ...['-connection', `${job.ground.postgres.url()}?sslmode=disable`],
        ...['-table', TABLE, '-file', job.data.csv, '-skip-header', '-workers', String(count)],
      ]),
  }));
}

/** Says which of the programs are missing, and what that means. */
export function missingPrograms(): string[] {
  const missing: string[] = [];
  if (!findPsql())
    missing.push(
      'psql is not on PATH: pg-copy-streams, which sends the same bytes, stands in for psql \\copy.',
    );
  if (!runs(PARALLEL_COPY, '-version')) missing.push(`${PARALLEL_COPY} is not on PATH: it is not compared.`);
  return missing;
}

function findPsql(): string | undefined {
  const installed = serverOptions.binDir ? [join(serverOptions.binDir, 'psql')] : [];
  return [...installed, 'psql'].find((psql) => runs(psql, '--version'));
}

function runs(program: string, argument: string): boolean {
  return spawnSync(program, [argument]).status === 0;
}

async function runProgram({ ground }: Job, program: string, args: string[]): Promise<Cost> {
  const meter = new Meter(ground.postgres.pid);
  const child = spawn(program, args, { env: cleanEnv(), stdio: ['ignore', 'ignore', 'pipe'] });
  meter.follow(child.pid!);
  await ended(child, program);
  return meter.stop();
}

/** Measured from when it is connected: our worker has started before, too. */
async function runRawCopy({ ground, data }: Job): Promise<Cost> {
  const child = fork(RAW_COPY, [ground.postgres.url(), TABLE, data.csv], {
    env: cleanEnv(),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const end = ended(child, 'pg-copy-streams');
  await Promise.race([once(child, 'message'), end]);
  const meter = new Meter(ground.postgres.pid);
  meter.follow(child.pid!);
  child.send('go');
  await end;
  return meter.stop();
}

async function ended(child: ChildProcess, name: string): Promise<void> {
  let errors = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4096);
  });
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${name} ended with ${signal ?? `exit code ${code}`}: ${errors}`);
}

/** Nothing that would change what a client does: PGOPTIONS and its like. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')));
}
