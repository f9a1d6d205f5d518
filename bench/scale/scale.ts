/** The benchmark `scale`: queries on 5 million files and 10,000 connectors. */
import pg from 'pg';
import { startPostgres } from '../../embedded/postgres/server.ts';
import { migrate } from '../../src/db/migrations.ts';
import { Planner } from '../../test/support/plans.ts';
import { serverOptions } from '../options.ts';
import { makeFiles, waitingFile } from './data.ts';
import { type ScaleQuery, scaleQueries } from './queries.ts';

const RUNS = 7;

/** Measures all queries. @throws if one is too slow, or scans the table `files` */
export async function scale(): Promise<void> {
  const postgres = await startPostgres(serverOptions);
  const client = new pg.Client({ connectionString: postgres.url() });
  try {
    await migrate(postgres.url());
    await client.connect();
    await makeData(client);
    const failed = await measureAll(client, await Planner.open(postgres.url()));
    if (failed.length > 0)
      throw new Error(`too slow, or with a sequential scan of files: ${failed.join('; ')}`);
  } finally {
    await client.end();
    await postgres.stop();
  }
}

async function makeData(client: pg.Client): Promise<void> {
  await timed('scale: data made', () =>
    makeFiles(client, { connectors: 10_000, big: 1_000_000, small: 400 }),
  );
  await timed('count_totals', () => client.query('select s3_connector_private.count_totals()'));
  await timed('fold_totals of all', () => client.query('select s3_connector_private.fold_totals()'));
  await timed('vacuum analyze', () => client.query('vacuum analyze'));
}

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await work();
  console.log(`${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

/** Returns the names of queries that were too slow, or scanned `files` sequentially. */
async function measureAll(client: pg.Client, planner: Planner): Promise<string[]> {
  const failed: string[] = [];
  for (const query of scaleQueries(await waitingFile(client))) {
    const ms = await median(client, query);
    const scans = await planner.scans('files', query.text, query.values, query.before);
    const by = scans.map((scan) => scan.by);
    if (ms > query.limit || by.includes('seq')) failed.push(query.name);
    console.log(`  ${query.name.padEnd(48)} ${ms.toFixed(1).padStart(8)} ms  ${by.join(', ') || '-'}`);
  }
  await planner.close();
  return failed;
}

async function median(client: pg.Client, { text, values, before }: ScaleQuery): Promise<number> {
  const times: number[] = [];
  // The first run warms the caches.
  for (let run = 0; run <= RUNS; run++) {
    await client.query('begin');
    if (before) await client.query(before);
    const start = performance.now();
    await client.query(text, values);
    if (run > 0) times.push(performance.now() - start);
    await client.query('rollback');
  }
  return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)]!;
}
