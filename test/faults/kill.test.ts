import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parquetOf } from '../support/parquet.ts';
import { pick, type Random, seeded } from '../support/random.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { EACH_MINUTE, openWorld } from '../support/world.ts';
import { withJobsDue } from './clock.ts';
import { assertAtRest, assertExactlyOnce } from './exactly_once.ts';
import { ownServer } from './own_server.ts';

const FILES = 300;
const WORKERS = 2;
/** How many of the files are large enough to be encoded, and how many are Parquet. */
const LARGE_EVERY = 25;
const PARQUET_EVERY = 20;
const ROWS = { small: 20, large: 40_000, parquet: 500 };
const CONNECTORS = [
  { name: 'csv', pattern: 'in/*.csv', file_format: 'csv' },
  { name: 'parquet', pattern: 'in/*.parquet', file_format: 'parquet' },
];
/** Number of kills, and the longest time between them in milliseconds. */
const KILLS = Number(process.env.FAULTS_KILLS ?? 5);
const PAUSE_MS = 1500;

/** Seed of the targets and times; another FAULTS_SEED is another run, as far as the workers' timing allows. */
const seed = Number(process.env.FAULTS_SEED ?? 1);

const server = await ownServer();
const world = await openWorld(server);
const { db } = world;

test('300 files are imported once each while workers are killed, the server crashes and connections are cut', async (t) => {
  t.diagnostic(`FAULTS_SEED=${seed} FAULTS_KILLS=${KILLS}`);
  await prepare();
  const workers = await Promise.all(Array.from({ length: WORKERS }, () => world.startWorker()));
  for (const connector of CONNECTORS) {
    await world.insertConnector({
      ...connector,
      target_table: connector.name,
      file_id_column: 'file_id',
      schedule: EACH_MINUTE,
      // None of these errors is caused by the files, and each may be hit every time.
      max_attempts: 100,
    });
  }
  await killAtRandom(seeded(seed), workers);
  await waitUntilImported(workers);

  for (const { name } of CONNECTORS) await assertExactlyOnce(db, { connector: name, table: name, rowsOf });
  assert.deepEqual(await db.one('select count(*) as n from s3_connector.files'), { n: FILES });
  await assertAtRest(db);
  const ends = await Promise.all(workers.map((worker) => worker.end('SIGTERM')));
  assert.deepEqual(
    ends.map(({ code }) => code),
    workers.map(() => 0),
  );
  await world.spoolEmptied();
});

async function prepare(): Promise<void> {
  const parquet = await parquetOf(
    `select i::integer as n, repeat('x', 20) as pad from range(${ROWS.parquet}) r (i)`,
  );
  for (let file = 0; file < FILES; file++) {
    const key = keyOf(file);
    world.put(key, key.endsWith('.parquet') ? parquet : csv(file, rowsOf(key)));
  }
  await db.query(`
    create table csv (file integer, n integer, pad text, file_id bigint);
    create table parquet (file bigint generated always as (file_id) stored, n integer, pad text, file_id bigint)`);
}

function keyOf(file: number): string {
  const kind = file % PARQUET_EVERY === 1 ? '.parquet' : file % LARGE_EVERY === 0 ? 'large.csv' : 'small.csv';
  return `in/${String(file).padStart(3, '0')}${kind === '.parquet' ? kind : `.${kind}`}`;
}

function rowsOf(key: string): number {
  if (key.endsWith('.parquet')) return ROWS.parquet;
  return key.endsWith('.large.csv') ? ROWS.large : ROWS.small;
}

function csv(file: number, rows: number): string {
  return `file,n,pad\n${Array.from({ length: rows }, (_, n) => `${file},${n},${'x'.repeat(20)}`).join('\n')}\n`;
}

/** Kills at random; a killed worker is replaced by another one. */
async function killAtRandom(random: Random, workers: WorkerProcess[]): Promise<void> {
  const kinds = [killWorker, killWorker, cutConnections, cutConnections, crashServer];
  for (let kill = 0; kill < KILLS; kill++) {
    await delay(random(PAUSE_MS));
    // Each kind at least once, then at random.
    await (kinds[kill * 2] ?? pick(random, kinds))(random, workers);
  }
}

async function killWorker(random: Random, workers: WorkerProcess[]): Promise<void> {
  const victim = random(workers.length);
  await workers[victim]!.end('SIGKILL');
  workers[victim] = await world.startWorker();
}

async function cutConnections(random: Random): Promise<void> {
  const backends = await db.query<{ pid: number }>(
    "select pid from pg_stat_activity where datname = current_database() and application_name like 's3_connector%' order by pid",
  );
  const victims = backends.filter(() => random(2) === 0).map(({ pid }) => pid);
  await db.query('select pg_terminate_backend(pid) from unnest($1::integer[]) as pid', [victims]);
}

async function crashServer(): Promise<void> {
  await server.restart('immediate');
}

/** Lets the workers finish. */
async function waitUntilImported(workers: WorkerProcess[]): Promise<void> {
  await withJobsDue(db, async () => {
    for (const { name } of CONNECTORS) await world.settled(name);
  }).catch((error) => {
    const lines = workers.flatMap((worker) =>
      worker.lines.filter((line) => line.event !== 'imported').slice(-10),
    );
    const log = lines.map((line) => JSON.stringify(line)).join('\n');
    throw new Error(`not settled; the workers' last lines:\n${log}`, { cause: error });
  });
}
