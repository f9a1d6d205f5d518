/** Starts and stops a worker. */
import type { Config } from '../config.ts';
import { knownMigrations, migrate } from '../db/migrations.ts';
import { refuseUnfitPooler } from '../db/pooler.ts';
import { watchSchema } from '../db/schema_version.ts';
import { log } from '../log.ts';
import { QueueWatch } from '../metrics/queue_watch.ts';
import { openMetricsServer } from '../metrics/server.ts';
import type { WorkerContext } from '../task.ts';
import { openContext } from './context.ts';
import { type RunningShare, startQueues } from './queues.ts';
import { Rescue } from './rescue.ts';
import { Resources } from './resources.ts';
import { forEachUrl } from './sessions.ts';
import { untilStarted } from './until_started.ts';

/** A running worker. */
export interface Worker {
  readonly workerId: number;
  /** Settles when the worker has ended: by `stop`, or with a lasting error. */
  readonly ended: Promise<void>;
  /** Takes no more jobs. Running imports finish within the grace time, or roll back. */
  stop(): Promise<void>;
}

/** Migrates the database, then runs jobs until it is stopped. Resolves when it takes jobs. Retries passing errors for a while. */
export async function startWorker(config: Config): Promise<Worker> {
  return await untilStarted(() => startOnce(config));
}

async function startOnce(config: Config): Promise<Worker> {
  await forEachUrl(config, refuseUnfitPooler);
  await migrate(config.databaseUrl);
  const resources = new Resources();
  const stopping = new AbortController();
  try {
    const context = await openContext(config, stopping.signal, resources);
    const watches: QueueWatch[] = [];
    await serveMetrics(context, watches, resources);
    await startRescue(context, resources);
    const shares = await startQueues(context, resources);
    watches.push(...shares.map(({ share, queue }) => new QueueWatch(share, queue)));
    const newerSchema = Promise.withResolvers<never>();
    // If the worker is being stopped, nobody waits for it, and the rejection must not end the process.
    newerSchema.promise.catch(() => {});
    const endWatch = await watchSchema(context.control, await knownMigrations(), newerSchema.reject);
    resources.add(endWatch);
    return toWorker(context, shares, { stopping, newerSchema: newerSchema.promise }, resources);
  } catch (error) {
    stopping.abort();
    await resources.close();
    throw error;
  }
}

/** @param ends `stopping` is aborted by stop; `newerSchema` rejects when a newer version has migrated the database */
function toWorker(
  { liveness }: WorkerContext,
  shares: readonly RunningShare[],
  { stopping, newerSchema }: { stopping: AbortController; newerSchema: Promise<never> },
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
    ended: Promise.race([...shares.map(({ queue }) => queue.runner.promise), newerSchema]),
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** Starts the metrics server before the queues, so that a port conflict is reported before any job is taken. */
async function serveMetrics(
  context: WorkerContext,
  watches: readonly QueueWatch[],
  resources: Resources,
): Promise<void> {
  const { metrics } = context.config;
  if (metrics === null) return;
  const server = await openMetricsServer(context, watches, metrics);
  resources.add(() => server.close());
  log.info('serving metrics', { host: metrics.host, port: server.port });
}

async function startRescue({ control }: WorkerContext, resources: Resources): Promise<void> {
  const rescue = new Rescue(control);
  resources.add(() => rescue.close());
  await rescue.start();
}
