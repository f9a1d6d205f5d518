/** The "testbed": the servers and the worker that a benchmark runs on. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { type BucketServer, startBucketServer } from '../embedded/bucket/server.ts';
import { type Postgres, startPostgres } from '../embedded/postgres/server.ts';
import { migrate } from '../src/db/migrations.ts';
import { serverOptions } from './options.ts';
import { scratchDirectory } from './scratch.ts';
import { type BenchWorker, startWorker } from './worker.ts';

export const BUCKET = 'bench';
/** The longest and the shortest pause between two checks whether all files are imported. */
const MAX_PAUSE_MS = 500;
const MIN_PAUSE_MS = 50;

/** Columns of the connector. Omitted ones have their defaults. */
export type ConnectorColumns = { pattern: string; file_format: string; target_table: string } & Record<
  string,
  unknown
>;

/** The server and the worker are separate processes. The bucket is in this process. */
export interface Testbed {
  postgres: Postgres;
  server: BucketServer;
  client: pg.Client;
  worker: BenchWorker;
  directory: string;
  /**
   * Waits until a connector has caught up and all its files are imported. Returns when that was seen, by `performance.now`.
   * @throws if a file fails
   */
  untilImported(name: string): Promise<number>;
  /**
   * Inserts a connector and waits until all its files are imported. Returns the seconds from the insert to the last
   * success. If the connector makes the table, `types` are the types of its columns.
   * @throws if a file fails
   */
  importAll(name: string, columns: ConnectorColumns, types?: Record<string, string>): Promise<number>;
  /** Drops a connector. The table and its rows stay. */
  drop(name: string): Promise<void>;
}

export interface TestbedOptions {
  /** More environment variables for the worker. */
  env?: Record<string, string>;
  /** More endpoints that connectors may name. */
  endpoints?: readonly string[];
  /** More settings for the PostgreSQL server. */
  settings?: Record<string, string>;
}

/** Settings that keep background work out of the measurement. */
export const QUIET = { autovacuum: 'off' };

/** Runs a benchmark on a new testbed, and removes the testbed afterwards. */
export async function withTestbed(
  fill: (server: BucketServer) => unknown,
  run: (testbed: Testbed) => Promise<void>,
  { env = {}, endpoints = [], settings = {} }: TestbedOptions = {},
): Promise<void> {
  const directory = scratchDirectory('testbed');
  const postgres = await startPostgres({ ...serverOptions, settings });
  const server = await startBucketServer({ anonymousBuckets: [BUCKET] });
  server.store.createBucket(BUCKET);
  await fill(server);
  await migrate(postgres.url());
  const client = new pg.Client({ connectionString: postgres.url() });
  await client.connect();
  const worker = await startWorker({
    ...env,
    DATABASE_URL: postgres.url(),
    S3_ALLOWED_ENDPOINTS: [server.endpoint, ...endpoints].join(),
    SPOOL_DIR: join(directory, 'spool'),
  });
  try {
    await run({
      postgres,
      server,
      client,
      worker,
      directory,
      untilImported: (name) =>
        Promise.race([withListener(postgres, (listener) => untilImported(listener, name)), worker.lost]),
      importAll: (name, columns, types) =>
        Promise.race([importAll(postgres, server, name, columns, types), worker.lost]),
      drop: async (name) => {
        await client.query('select s3_connector.pause($1)', [name]);
        await client.query('select s3_connector.drop_connector($1)', [name]);
      },
    });
  } finally {
    await worker.stop();
    await client.end();
    await server.close();
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Uses its own connection, so that several imports can run at once. */
async function importAll(
  postgres: Postgres,
  server: BucketServer,
  name: string,
  columns: ConnectorColumns,
  types: Record<string, string> = {},
): Promise<number> {
  return await withListener(postgres, async (client) => {
    const start = performance.now();
    await insertConnector(client, { name, endpoint: server.endpoint, ...columns }, types);
    return ((await untilImported(client, name)) - start) / 1000;
  });
}

async function withListener<T>(postgres: Postgres, run: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: postgres.url() });
  await client.connect();
  try {
    await client.query('listen s3_connector');
    return await run(client);
  } finally {
    await client.end();
  }
}

/**
 * Waits until all files are imported. It checks after notifications and rarely otherwise: each check costs CPU time.
 * @returns when the last notification came before the check that found it so, as `performance.now` tells it
 */
async function untilImported(client: pg.Client, name: string): Promise<number> {
  let wake = () => {};
  let heardAt = 0;
  client.on('notification', () => {
    heardAt = performance.now();
    wake();
  });
  for (let openAt = 0; ; ) {
    const changed = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const pause = delay(MIN_PAUSE_MS);
    const done = await areDone(client, name);
    const seenAt = performance.now();
    // A check may come after the notification by the pause, which is no part of the import.
    const endedAt = heardAt > openAt ? heardAt : seenAt;
    if (done && (await isCaughtUp(client, name))) return endedAt;
    openAt = seenAt;
    await Promise.race([changed, delay(MAX_PAUSE_MS)]);
    await pause;
  }
}

/** Returns whether there are files, and all have ended. A cheap query, because it runs often. */
async function areDone(client: pg.Client, name: string): Promise<boolean> {
  const { rows } = await client.query({
    name: 'active files',
    text: `select exists (select from s3_connector.files where connector_name = $1)
        and not exists (select from s3_connector.files
          where connector_name = $1 and status in ('in_queue', 'running', 'pending_retry')) as done`,
    values: [name],
  });
  return rows[0].done;
}

/** An expensive query: planning it takes some 10 ms. */
async function isCaughtUp(client: pg.Client, name: string): Promise<boolean> {
  const { rows } = await client.query(
    'select caught_up and in_queue + running + pending_retry = 0 as done, failure, last_error from s3_connector.connector_status where name = $1',
    [name],
  );
  if (rows[0].failure !== '0') throw new Error(`${name}: ${rows[0].last_error}`);
  return rows[0].done;
}

async function insertConnector(
  client: pg.Client,
  columns: { name: string } & Record<string, unknown>,
  types: Record<string, string>,
): Promise<void> {
  const row: Record<string, unknown> = {
    bucket: BUCKET,
    auth_method: 'anonymous',
    max_tracked_files: 1000,
    ...columns,
  };
  const names = Object.keys(row);
  await client.query('begin');
  await client.query(
    `insert into s3_connector.connectors (${names.join(', ')}) values (${names.map((_, n) => `$${n + 1}`).join(', ')})`,
    Object.values(row),
  );
  await client.query(
    `insert into s3_connector.column_mappings (connector_name, source_column, target_column, data_type)
      select $1, key, key, value from jsonb_each_text($2)`,
    [columns.name, JSON.stringify(types)],
  );
  await client.query('commit');
}
