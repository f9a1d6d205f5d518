import { readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseCrontab, type Runner, type RunnerOptions, run } from 'graphile-worker';
import type pg from 'pg';
import { REQUEST_KINDS } from '../ask/request.ts';
import type { Config } from '../config.ts';
import { SessionPool } from '../db/connections.ts';
import { openControl } from '../db/control.ts';
import { migrate, migrationNames } from '../db/migrations.ts';
import { refuseUnfitPooler } from '../db/pooler.ts';
import { watchSchema } from '../db/schema_version.ts';
import { EncoderThread } from '../formats/csv/binary/encoder_thread.ts';
import { Reader } from '../formats/parquet/reader_process.ts';
import { Pool } from '../formats/pool.ts';
import { log } from '../log.ts';
import { QueueWatch } from '../metrics/queue_watch.ts';
import { openMetricsServer } from '../metrics/server.ts';
import { packageRoot } from '../paths.ts';
import { S3Sources } from '../sources/s3.ts';
import type { WorkerContext } from '../task.ts';
import { Attempts } from './attempts.ts';
import { EventQueues } from './event_queues.ts';
import { Liveness } from './liveness.ts';
import { LostJobs } from './lost_jobs.ts';
import { queueLogger } from './queue_log.ts';
import { QueuePool } from './queue_pool.ts';
import { Refills } from './refills.ts';
import { Resources } from './resources.ts';
import { connectionsOf, REQUEST_CONCURRENCY, totalOf } from './sessions.ts';
import { openSpool } from './spool.ts';
import { loadTasks, omitTasks, pickTasks } from './tasks.ts';
import { untilStarted } from './until_started.ts';

/** The process takes some 100 MB more than DuckDB's own limit. */
const READER = { memory: '192MB', threads: 1 };
/** It takes some 200 MB more. */
const SORTER = { memory: '256MB', threads: 2 };

/** A running worker. */
export interface Worker {
  readonly workerId: number;
  /** Settles when the worker has ended, by stop or by a lasting trouble. */
  readonly ended: Promise<void>;
  /** Takes no more jobs; running imports finish within the grace time, or roll back. */
  stop(): Promise<void>;
}

/** That of imports and polls, and that of requests. */
type Runners = [imports: Runner, requests: Runner];

/** Migrates the database, then works until it is stopped; resolves when it takes work. Passing trouble is waited out for a while. */
export async function startWorker(config: Config): Promise<Worker> {
  return await untilStarted(() => startOnce(config));
}

async function startOnce(config: Config): Promise<Worker> {
  await refuseUnfitPooler(config.databaseUrl, totalOf(config.concurrency));
  await migrate(config.databaseUrl);
  const resources = new Resources();
  const stopping = new AbortController();
  try {
    const context = await openContext(config, resources);
    const queues: QueueWatch[] = [];
    await serveMetrics(context, queues, resources);
    const runners = await startQueues(config, context, stopping.signal, resources);
    queues.push(...watchQueues(runners, config));
    const overtaken = Promise.withResolvers<never>();
    // A worker that is being stopped anyway has nobody left who would ask.
    overtaken.promise.catch(() => {});
    const endWatch = await watchSchema(context.control, await migrationNames(), overtaken.reject);
    resources.add(endWatch);
    return toWorker(context, runners, { stopping, overtaken: overtaken.promise }, resources);
  } catch (error) {
    stopping.abort();
    await resources.close();
    throw error;
  }
}

/** @param ends `stopping` is aborted by stop; `overtaken` rejects when a newer version has migrated the database */
function toWorker(
  { liveness }: WorkerContext,
  runners: Runners,
  { stopping, overtaken }: { stopping: AbortController; overtaken: Promise<never> },
  resources: Resources,
): Worker {
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    log.info('stopping', { worker: liveness.workerId });
    stopping.abort();
    await resources.close();
    log.info('stopped', { worker: liveness.workerId });
  };
  return {
    workerId: liveness.workerId,
    ended: Promise.race([...runners.map((runner) => runner.promise), overtaken]),
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** Before there are queues to watch, so that a port that is taken is found before there is work to be given up. */
async function serveMetrics(
  context: WorkerContext,
  queues: readonly QueueWatch[],
  resources: Resources,
): Promise<void> {
  const { metrics } = context.config;
  if (metrics === null) return;
  const server = await openMetricsServer(context, queues, metrics);
  resources.add(() => server.close());
  log.info('serving metrics', { host: metrics.host, port: server.port });
}

function watchQueues([imports, requests]: Runners, config: Config): QueueWatch[] {
  return [new QueueWatch(imports, config.concurrency), new QueueWatch(requests, REQUEST_CONCURRENCY)];
}

async function openContext(config: Config, resources: Resources): Promise<WorkerContext> {
  const spoolDir = await openSpool(config.spoolDir);
  resources.add(() => rm(spoolDir, { recursive: true, force: true }));
  const liveness = new Liveness(config.databaseUrl, config.concurrency);
  resources.add(() => liveness.stop());
  await liveness.start();
  const copyPool = openPool(config, 'import_file', resources);
  const control = openControl(config.databaseUrl);
  resources.add(() => control.close());
  const attempts = new Attempts();
  await attempts.listen(control);
  const refills = new Refills(control);
  resources.add(() => refills.close());
  const queues = new EventQueues(control, config.allowedEndpoints);
  resources.add(() => queues.close());
  queues.start();
  const sources = new S3Sources(config);
  resources.add(async () => sources.close());
  // Reading is work for the processor: more readers than cores would only cost memory.
  const readers = openReaders(
    config,
    spoolDir,
    Math.min(config.concurrency, availableParallelism()),
    resources,
  );
  // One, however many files are imported side by side: what a sort takes is a multiple of what reading takes.
  const sorters = new Pool(() => new Reader(spoolDir, { ...SORTER, stallMs: config.readerStallMs }), 1);
  resources.add(() => sorters.close());
  return { config, spoolDir, liveness, copyPool, control, sources, attempts, refills, sorters, ...readers };
}

function openReaders(
  { readerStallMs }: Config,
  spoolDir: string,
  size: number,
  resources: Resources,
): Pick<WorkerContext, 'readers' | 'encoders'> {
  const readers = new Pool(() => new Reader(spoolDir, { ...READER, stallMs: readerStallMs }), size);
  const encoders = new Pool(() => new EncoderThread(), size);
  resources.add(() => readers.close());
  resources.add(() => encoders.close());
  return { readers, encoders };
}

function openPool(config: Config, purpose: 'import_file' | 'request', resources: Resources): pg.Pool {
  const max = connectionsOf(config.concurrency)[purpose];
  const pool = new SessionPool(config.databaseUrl, purpose, { max });
  resources.add(() => pool.end());
  return pool;
}

/** Imports and polls wait in one queue; requests have slots of their own, so that no long import holds them up. */
async function startQueues(
  config: Config,
  context: WorkerContext,
  stopping: AbortSignal,
  resources: Resources,
): Promise<Runners> {
  const tasks = await loadTasks(context);
  const requestTasks = pickTasks(await loadTasks(requestContext(config, context, resources)), REQUEST_KINDS);
  const crontab = parseCrontab(await readFile(join(packageRoot, 'crontab'), 'utf8'));
  const lostJobs = new LostJobs(context.control, context.liveness);
  resources.add(() => lostJobs.close());
  const { queue: max } = connectionsOf(config.concurrency);
  const pgPool = new QueuePool(config.databaseUrl, max, stopping, () => lostJobs.look());
  resources.add(() => pgPool.end());
  const options = { ...queueOptions(config, context, pgPool), events: lostJobs.events };
  return await startRunners(resources, [
    {
      ...options,
      concurrency: config.concurrency,
      taskList: omitTasks(tasks, REQUEST_KINDS),
      parsedCronItems: crontab,
    },
    { ...options, concurrency: REQUEST_CONCURRENCY, taskList: requestTasks, parsedCronItems: [] },
  ]);
}

/** Where one cannot be started, the others are to be stopped, too. */
async function startRunners(resources: Resources, options: RunnerOptions[]): Promise<Runners> {
  const starting = options.map(async (one) => {
    const runner = await run(one);
    // Whoever waits for its end comes later.
    runner.promise.catch(() => {});
    return runner;
  });
  const started = await Promise.allSettled(starting);
  const runners = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  resources.add(() => stopRunners(runners));
  const failed = started.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
  return runners as Runners;
}

async function stopRunners(runners: readonly Runner[]): Promise<void> {
  const stops = runners.map((runner) =>
    runner.stop().catch((error: Error) => log.warn('queue did not stop cleanly', { error: error.message })),
  );
  await Promise.all(stops);
}

/** Requests share sources and spool with the imports, but never wait for their connections and readers. */
function requestContext(config: Config, context: WorkerContext, resources: Resources): WorkerContext {
  const readers = openReaders(config, context.spoolDir, 1, resources);
  // What a dry run says does not hang on the order of rows.
  return {
    ...context,
    ...readers,
    sorters: null,
    copyPool: openPool(config, 'request', resources),
  };
}

function queueOptions(config: Config, context: WorkerContext, pgPool: pg.Pool): RunnerOptions {
  return {
    pgPool,
    noHandleSignals: true,
    pollInterval: 1000,
    gracefulShutdownAbortTimeout: config.graceMs,
    logger: queueLogger,
    preset: {
      // No time is won by it, but a batch that cannot be written is an error that is caught; a single job's is not.
      worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 },
      plugins: [
        {
          name: 's3_connector',
          worker: {
            hooks: { startWorker: (_, { worker }) => context.liveness.nameQueue(worker.workerPool.id) },
          },
        },
      ],
    },
  };
}
