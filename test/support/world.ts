import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { Credentials } from '../../embedded/bucket/authenticate.ts';
import { type BucketServer, startBucketServer } from '../../embedded/bucket/server.ts';
import type { Postgres } from '../../embedded/postgres/server.ts';
import { type TestDatabase, testDatabase } from './database.ts';
import { filesIn } from './files_in.ts';
import { waitUntilSettled } from './settled.ts';
import { until } from './until.ts';
import { spawnWorkerProcess, type WorkerProcess } from './worker.ts';

/** A schedule that is not due while a test runs: after the first poll, only requested polls run. */
export const NEVER_AGAIN = '0 0 1 1 *';

/** For tests whose faults may end any poll: the next one is due within a minute. */
export const EACH_MINUTE = '* * * * *';

const CREDENTIALS = { accessKeyId: 'reader', secretAccessKey: 'reader-secret' };

/** The columns of a connector in a test; the others have their defaults. */
export type ConnectorColumns = { name: string; pattern: string; target_table: string } & Record<
  string,
  unknown
>;

export interface FileRow {
  key: string;
  status: string;
  attempts: number;
  rows_read: number | null;
  rows_imported: number | null;
  rows_rejected: number | null;
  rows_skipped: number | null;
  error_code: string | null;
  error_message: string | null;
}

/** A database, a bucket and workers on demand; all of them are deleted after the test file. */
export interface World {
  readonly db: TestDatabase;
  readonly server: BucketServer;
  readonly bucket: string;
  /** The credentials that the bucket accepts, its workers' first; a test may add others. */
  readonly credentials: Credentials[];
  /** The spool directory of its workers; empty when no import runs. */
  readonly spoolDir: string;
  put(key: string, body: Buffer | string): void;
  startWorker(env?: Record<string, string>): Promise<WorkerProcess>;
  /** Ends all its workers, and waits for them. */
  stopWorkers(): Promise<void>;
  /** As `startWorker`, without waiting until it is ready. */
  spawnWorker(env?: Record<string, string>): WorkerProcess;
  /**
   * Inserts a connector as a user would, for this world's bucket. Without a schedule in `columns` it is polled once, and then
   * only on request: the default schedule, every minute, would be due in the middle of some runs.
   */
  insertConnector(columns: ConnectorColumns): Promise<void>;
  /** Inserts a row into file_formats. */
  insertFormat(columns: { name: string } & Record<string, unknown>): Promise<void>;
  /** Puts one file, and imports it into the table of the connector's name; returns it. */
  importFile(name: string, body: Buffer | string, columns?: Partial<ConnectorColumns>): Promise<FileRow>;
  /** Waits until the connector has caught up and all its files have ended; returns them in key order. */
  settled(name: string): Promise<FileRow[]>;
  /** Requests a poll, then waits as `settled` does. */
  pollAndSettle(name: string): Promise<FileRow[]>;
  /** The connector's notice in connector_status. */
  notice(name: string): Promise<string | null>;
  /** Files in the spool, at any depth. */
  spooled(): Promise<string[]>;
  /** Waits until no file is left in the spool: a worker deletes a file after the commit of its import. */
  spoolEmptied(): Promise<void>;
}

/**
 * Opens a world for one test file.
 * @param on the server for its database, instead of the one that all tests share
 */
export async function openWorld(on?: Postgres): Promise<World> {
  const db = await testDatabase(on ? { server: on } : {});
  const credentials: Credentials[] = [CREDENTIALS];
  const server = await startBucketServer({ credentials });
  const spoolDir = await mkdtemp(join(tmpdir(), 's3-connector-test-'));
  // A worker that runs as root reads Parquet in processes of another user, who must get to its spool.
  await chmod(spoolDir, 0o711);
  const bucket = 'test-bucket';
  const workers: WorkerProcess[] = [];
  server.store.createBucket(bucket);
  after(async () => {
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await server.close();
    // The readers of a killed worker end a little later, and may still write.
    await rm(spoolDir, { recursive: true, force: true, maxRetries: 40, retryDelay: 100 });
  });

  const settled = async (name: string) => {
    await waitUntilSettled(db, [name]);
    return db.query<FileRow>('select * from s3_connector.files where connector_name = $1 order by key', [
      name,
    ]);
  };

  const spawnWorker = (env: Record<string, string> = {}) => {
    // With another URL, imports use it too, unless the test names one.
    const imports: Record<string, string> = env.DATABASE_URL === undefined ? {} : { IMPORT_DATABASE_URL: '' };
    const worker = spawnWorkerProcess({ ...workerEnv(db, server, spoolDir), ...imports, ...env });
    workers.push(worker);
    return worker;
  };

  const insertRow = async (table: string, row: Record<string, unknown>) => {
    const names = Object.keys(row);
    await db.query(
      `insert into s3_connector.${table} (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
      Object.values(row),
    );
  };
  const insertConnector = (columns: ConnectorColumns) =>
    insertRow('connectors', {
      bucket,
      endpoint: server.endpoint,
      file_format: 'csv',
      schedule: NEVER_AGAIN,
      ...columns,
    });

  const spooled = async () => (await filesIn(spoolDir)).map((file) => file.name);

  return {
    db,
    server,
    bucket,
    credentials,
    spoolDir,
    settled,
    put: (key, body) => server.store.put(bucket, key, body),
    spawnWorker,
    async startWorker(env) {
      const worker = spawnWorker(env);
      await worker.logged('ready');
      return worker;
    },
    async stopWorkers() {
      await Promise.all(workers.splice(0).map((worker) => worker.end('SIGTERM')));
    },
    insertConnector,
    insertFormat: (columns) => insertRow('file_formats', { kind: 'csv', ...columns }),
    async importFile(name, body, columns) {
      server.store.put(bucket, `${name}/1.csv`, body);
      await insertConnector({ name, pattern: `${name}/*`, target_table: name, ...columns });
      const [file] = await settled(name);
      return file!;
    },
    async pollAndSettle(name) {
      await db.query('select s3_connector.poll_now($1)', [name]);
      return settled(name);
    },
    async notice(name) {
      const row = await db.one<{ notice: string | null }>(
        'select notice from s3_connector.connector_status where name = $1',
        [name],
      );
      return row.notice;
    },
    spooled,
    spoolEmptied: () => until('the spool is empty', async () => (await spooled()).length === 0),
  };
}

function workerEnv(db: TestDatabase, server: BucketServer, spoolDir: string): Record<string, string> {
  return {
    DATABASE_URL: db.workerUrl,
    IMPORT_DATABASE_URL: db.importUrl,
    SPOOL_DIR: spoolDir,
    S3_ALLOWED_ENDPOINTS: server.endpoint,
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    AWS_REGION: 'us-east-1',
  };
}
