/** Opens what all jobs of a worker share. */
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type pg from 'pg';
import type { Config } from '../config.ts';
import { SessionPool } from '../db/connections.ts';
import { openControl } from '../db/control.ts';
import { admitImportLogin } from '../db/import_login.ts';
import { EncoderThread } from '../formats/encoder/encoder_thread.ts';
import { confinementNotices } from '../formats/parquet/confinement.ts';
import { Reader } from '../formats/parquet/reader_process.ts';
import { openDuckdbFile } from '../formats/parquet.ts';
import { Pool } from '../formats/pool.ts';
import { Bundling } from '../import/bundling.ts';
import { RefusedSessions } from '../import/session.ts';
import { KEEP_MS } from '../keep.ts';
import { log } from '../log.ts';
import { S3Sources } from '../sources/s3.ts';
import type { WorkerContext } from '../task.ts';
import { Attempts } from './attempts.ts';
import { BacklogPolls } from './backlog_polls.ts';
import { EventQueues } from './event_queues.ts';
import { Liveness } from './liveness.ts';
import { LostJobs } from './lost_jobs.ts';
import type { Resources } from './resources.ts';
import { connectionsOf } from './sessions.ts';
import { openSpool } from './spool.ts';

/** Limits for DuckDB in a sorter. The process takes some 200 MB more. */
const SORTER = { memory: '256MB', threads: 2 };
/** How much memory all encoder threads together may take for runs of sorted rows, in bytes. */
const RUNS_BYTES = 192 << 20;
/** A thread sorts one run while it collects the next. */
const RUNS_OF_A_THREAD = 2;
/** How long an idle large reader is kept for the next file, in milliseconds. It may hold much memory. */
const KEEP_LARGE_MS = 1000;

/**
 * Opens everything, and registers the worker as alive.
 * @param stopping aborted when the worker stops
 */
export async function openContext(
  config: Config,
  stopping: AbortSignal,
  resources: Resources,
): Promise<WorkerContext> {
  const spoolDir = await openSpool(config.spoolDir);
  resources.add(() => rm(spoolDir, { recursive: true, force: true }));
  for (const { message, hint } of confinementNotices(spoolDir)) log.warn('readers', { message, hint });
  const importRole = await admitImportLogin(config);
  const liveness = new Liveness(config.databaseUrl, config.concurrency, importRole, config.externalId);
  resources.add(() => liveness.stop());
  await liveness.start();
  const copyPool = openPool(config, 'import_file', resources);
  const cancelPool = openPool(config, 'cancel', resources);
  const control = openControl(config.databaseUrl, connectionsOf(config.concurrency).control);
  resources.add(() => control.close());
  const attempts = new Attempts();
  await attempts.listen(control);
  const lostJobs = new LostJobs(control, liveness, attempts);
  resources.add(() => lostJobs.close());
  // With synchronous_commit = off, a crash may bring back a job that has ended.
  liveness.onBack(() => lostJobs.look());
  const backlogPolls = new BacklogPolls(control);
  resources.add(() => backlogPolls.close());
  const sources = new S3Sources(config);
  resources.add(async () => sources.close());
  const queues = new EventQueues(control, liveness, sources, config);
  resources.add(() => queues.close());
  queues.start();
  // Reading needs the CPU: more readers than cores would only cost memory.
  const readers = openReaders(
    config,
    spoolDir,
    Math.min(config.concurrency, availableParallelism()),
    resources,
  );
  // Only one, because sorting takes several times the memory of reading.
  const sorters = new Pool(() => new Reader(spoolDir, { ...SORTER, stallMs: config.readerStallMs }), 1);
  resources.add(() => sorters.close());
  const largeReaders = openLargeReaders(config, spoolDir, resources);
  return {
    config,
    stopping,
    spoolDir,
    liveness,
    copyPool,
    refusedSessions: new RefusedSessions(copyPool),
    cancelPool,
    control,
    sources,
    attempts,
    bundling: new Bundling(config.bundleFiles),
    lostJobs,
    backlogPolls,
    largeReaders,
    sorters,
    openDuckdbFile,
    ...readers,
  };
}

/**
 * Returns the context of requests. They share sources, spool and the large reader with imports, but have their own
 * connections and readers.
 */
export function requestContext(context: WorkerContext, resources: Resources): WorkerContext {
  const { config, spoolDir } = context;
  return {
    ...context,
    ...openReaders(config, spoolDir, 1, resources),
    // The order of rows does not change what a dry run reports.
    sorters: null,
    copyPool: openPool(config, 'request', resources),
  };
}

function openReaders(
  { readerMemoryMb, readerStallMs }: Config,
  spoolDir: string,
  size: number,
  resources: Resources,
): Pick<WorkerContext, 'readers' | 'encoders' | 'runBytes'> {
  // The process takes some 100 MB more than DuckDB.
  const limits = { memory: `${readerMemoryMb}MB`, threads: 1, stallMs: readerStallMs };
  const readers = new Pool(() => new Reader(spoolDir, limits), size);
  const encoders = new Pool(() => new EncoderThread(), size);
  resources.add(() => readers.close());
  resources.add(() => encoders.close());
  return { readers, encoders, runBytes: Math.floor(RUNS_BYTES / size / RUNS_OF_A_THREAD) };
}

/** Opens a pool of one: its file may take a large part of the machine's memory. */
function openLargeReaders(
  { readerMemoryMb, largeReaderMemoryMb, readerStallMs }: Config,
  spoolDir: string,
  resources: Resources,
): Pool<Reader> | null {
  if (largeReaderMemoryMb <= readerMemoryMb) return null;
  const limits = { memory: `${largeReaderMemoryMb}MB`, threads: 1, stallMs: readerStallMs };
  const readers = new Pool(() => new Reader(spoolDir, limits), 1, KEEP_LARGE_MS);
  resources.add(() => readers.close());
  return readers;
}

/** Opens a pool of the login for imports. */
function openPool(
  config: Config,
  purpose: 'import_file' | 'request' | 'cancel',
  resources: Resources,
): pg.Pool {
  const max = connectionsOf(config.concurrency)[purpose];
  const pool = new SessionPool(config.importDatabaseUrl, purpose, {
    max,
    idleTimeoutMillis: KEEP_MS,
  });
  resources.add(() => pool.end());
  return pool;
}
