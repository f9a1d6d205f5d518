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
/** How often, in milliseconds, it is looked whether all is imported: at least, and at most. */
const LOOK_MS = 500;
const PAUSE_MS = 50;

/** Columns of the connector; the rest has its preset. */
export type ConnectorColumns = { pattern: string; file_format: string; target_table: string } & Record<
  string,
  unknown
>;

/** What a bench runs on: servers and a worker, each in a process of its own but for the bucket. */
export interface Ground {
  postgres: Postgres;
  server: BucketServer;
  client: pg.Client;
  worker: BenchWorker;
  directory: string;
  /**
   * Inserts a connector and waits until all that it found is imported; throws if anything is not. A table that the
   * connector is to make gets the types given.
   * @returns seconds from the insert to the last file's success
   */
  importAll(name: string, columns: ConnectorColumns, types?: Record<string, string>): Promise<number>;
  /** Drops a connector; the table and its rows stay. */
  drop(name: string): Promise<void>;
}

export interface GroundOptions {
  /** Of the worker, besides its presets. */
  env?: Record<string, string>;
  /** Of the server, besides those that it has for throw-away data. */
  settings?: Record<string, string>;
}

/** Settings of a server that nothing but what is measured keeps busy. */
export const QUIET = { autovacuum: 'off' };

/** Runs a bench on servers of its own, which are gone afterwards. */
export async function onGround(
  fill: (server: BucketServer) => unknown,
  run: (ground: Ground) => Promise<void>,
  { env = {}, settings = {} }: GroundOptions = {},
): Promise<void> {
  const directory = scratchDirectory('ground');
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
    S3_ALLOWED_ENDPOINTS: server.endpoint,
    SPOOL_DIR: join(directory, 'spool'),
  });
  try {
    await run({
      postgres,
      server,
      client,
      worker,
      directory,
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

/** On a connection of its own, so that several can be under way. */
async function importAll(
  postgres: Postgres,
  server: BucketServer,
  name: string,
  columns: ConnectorColumns,
  types: Record<string, string> = {},
): Promise<number> {
  const start = performance.now();
  const client = new pg.Client({ connectionString: postgres.url() });
  await client.connect();
  try {
    await client.query('listen s3_connector');
    await insertConnector(client, { name, endpoint: server.endpoint, ...columns }, types);
    await settled(client, name);
    return (performance.now() - start) / 1000;
  } finally {
    await client.end();
  }
}

/** Looks when a file has come to another status, and now and then: to ask all the time would cost what is measured. */
async function settled(client: pg.Client, name: string): Promise<void> {
  let wake = () => {};
  client.on('notification', () => wake());
  for (;;) {
    const changed = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const pause = delay(PAUSE_MS);
    if (!(await underWay(client, name)) && (await caughtUp(client, name))) return;
    await Promise.race([changed, delay(LOOK_MS)]);
    await pause;
  }
}

/** Asked again and again, so it is cheap. */
async function underWay(client: pg.Client, name: string): Promise<boolean> {
  const { rows } = await client.query({
    name: 'under way',
    text: `select exists (select from s3_connector.files
      where connector_name = $1 and status in ('in_queue', 'running', 'pending_retry')) as some`,
    values: [name],
  });
  return rows[0].some;
}

async function caughtUp(client: pg.Client, name: string): Promise<boolean> {
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
