import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type BucketServer, startBucketServer } from '../embedded/bucket/server.ts';
import { type Postgres, startPostgres } from '../embedded/postgres/server.ts';
import { migrate } from '../src/db/migrations.ts';

export const BUCKET = 'bench';
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** What a bench runs on: servers and a worker, each in a process of its own but for the bucket. */
export interface Ground {
  postgres: Postgres;
  server: BucketServer;
  client: pg.Client;
  worker: ChildProcess;
  directory: string;
  /** Inserts a connector and waits until all that it found is imported; throws if anything is not. */
  importAll(
    name: string,
    columns: { pattern: string; file_format: string; target_table: string },
  ): Promise<number>;
}

/** Runs a bench on servers of its own, which are gone afterwards. */
export async function onGround(
  fill: (server: BucketServer) => unknown,
  run: (ground: Ground) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'pg-s3-connector-bench-'));
  const postgres = await startPostgres();
  const server = await startBucketServer({ anonymousBuckets: [BUCKET] });
  server.store.createBucket(BUCKET);
  await fill(server);
  await migrate(postgres.url());
  const client = new pg.Client({ connectionString: postgres.url() });
  await client.connect();
  const worker = await startWorker(postgres.url(), server.endpoint, directory);
  try {
    await run({
      postgres,
      server,
      client,
      worker,
      directory,
      importAll: (name, columns) => importAll(client, server, name, columns),
    });
  } finally {
    worker.kill('SIGTERM');
    await once(worker, 'exit');
    await client.end();
    await server.close();
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function startWorker(databaseUrl: string, endpoint: string, directory: string): Promise<ChildProcess> {
  const worker = spawn(process.execPath, [MAIN], {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      S3_ALLOWED_ENDPOINTS: endpoint,
      SPOOL_DIR: join(directory, 'spool'),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: worker.stdout! })) {
    if (line.includes('"ready"')) break;
  }
  worker.stdout!.resume();
  return worker;
}

/** @returns seconds from the insert to the last file's success */
async function importAll(
  client: pg.Client,
  server: BucketServer,
  name: string,
  columns: { pattern: string; file_format: string; target_table: string },
): Promise<number> {
  const start = performance.now();
  await client.query(
    `insert into s3_connector.connectors (name, bucket, endpoint, auth_method, max_tracked_files, pattern, file_format, target_table)
      values ($1, $2, $3, 'anonymous', 1000, $4, $5, $6)`,
    [name, BUCKET, server.endpoint, columns.pattern, columns.file_format, columns.target_table],
  );
  for (;;) {
    const { rows } = await client.query(
      'select caught_up and in_queue + running + pending_retry = 0 as done, failure, last_error from s3_connector.connector_status where name = $1',
      [name],
    );
    if (rows[0].failure !== '0') throw new Error(rows[0].last_error);
    if (rows[0].done) return (performance.now() - start) / 1000;
    await delay(50);
  }
}
