import { EventEmitter } from 'node:events';
import {
  type ParsedCronItem,
  type Runner,
  run,
  runMigrations,
  type TaskList,
  type WorkerEvents,
} from 'graphile-worker';
import type pg from 'pg';
import { SessionPool } from '../db/connections.ts';
import { queueLogger } from './queue_log.ts';

// All that the worker knows of graphile-worker's private parts; sql/29_queue.sql is the same in SQL.

/** The schema of the queue's tables. Another application of the database may have its queue in graphile_worker. */
export const QUEUE_SCHEMA = 's3_connector_queue';

/** The channel on which graphile-worker announces migrations; older workers end at a breaking one. It names no schema. */
const MIGRATIONS = 'worker:migrate';
const LISTENS_FOR_MIGRATIONS = new RegExp(`\\bLISTEN "${MIGRATIONS}";`);

/** Brings the queue's tables to the version of graphile-worker that we run. */
export async function migrateQueue(databaseUrl: string): Promise<void> {
  const pgPool = new SessionPool(databaseUrl, 'migrate', { max: 2 });
  pgPool.on('connect', keepApart);
  try {
    await runMigrations({ pgPool, schema: QUEUE_SCHEMA, noHandleSignals: true, preset: {} });
  } finally {
    await pgPool.end();
  }
}

/**
 * Keeps a connection of graphile-worker from announcing migrations and from listening for them. Otherwise our migrations would end
 * the workers of another application's queue, and theirs would end ours. src/db/schema_version.ts tells our workers of ours.
 */
export function keepApart(client: pg.PoolClient): void {
  const ask = client.query.bind(client) as (...query: unknown[]) => unknown;
  client.query = ((query: unknown, ...rest: unknown[]) => {
    const [values] = rest;
    if (Array.isArray(values) && values[0] === MIGRATIONS) return Promise.resolve({ rows: [] });
    return ask(typeof query === 'string' ? query.replace(LISTENS_FOR_MIGRATIONS, '') : query, ...rest);
  }) as pg.PoolClient['query'];
}

/** Whether a query of this name takes a job. */
export function takesJob(queryName: string | undefined): boolean {
  return /^get_job/.test(queryName ?? '');
}

/** The lowest and the highest priority of some jobs. */
export type Priorities = readonly [lowest: number, highest: number];

/** What graphile-worker's look for a job has in it, and no other part of it. */
const AVAILABLE = 'jobs.is_available = true';

/**
 * Returns a look for a job that reads only the jobs of these priorities. The index is ordered by priority, so it would otherwise read
 * past the jobs of all other shares: 34 ms where 100,000 wait.
 */
export function narrow(query: pg.QueryConfig, [lowest, highest]: Priorities): pg.QueryConfig {
  const text = query.text.replace(
    AVAILABLE,
    `${AVAILABLE} and jobs.priority between ${lowest} and ${highest}`,
  );
  // A connection prepares a text once under its name, and is lent to all shares.
  return { ...query, name: `${query.name} ${lowest}`, text };
}

/** Whether a query may be sent again if its answer is lost: it writes how a job ended, or looks up the ids of tasks. */
export function isSafeToRepeat({ name, text }: pg.QueryConfig): boolean {
  return /^(complete|fail)_job/.test(name ?? '') || /\._private_tasks as tasks\b/.test(text);
}

/** What one queue of this process runs, and how. */
export interface QueueOptions {
  pool: pg.Pool;
  tasks: TaskList;
  /** Jobs side by side. */
  places: number;
  /** How often each idle place looks for a job that no notification told of, in milliseconds. */
  lookEveryMs: number;
  crontab: ParsedCronItem[];
  /** How long running jobs may take to finish after the stop, in milliseconds. */
  graceMs: number;
  /** Told, before the first job is taken, the name under which jobs will be locked. */
  onPool: (poolId: string) => Promise<void>;
  /** Given the queue's events before the first one comes. */
  onEvents: (events: WorkerEvents) => void;
}

/** A queue at work, with events of its own. */
export interface Queue {
  readonly runner: Runner;
  readonly events: WorkerEvents;
  readonly places: number;
}

/** Starts to take jobs. */
export async function startQueue(options: QueueOptions): Promise<Queue> {
  const { pool, tasks, places, lookEveryMs, crontab, graceMs, onPool, onEvents } = options;
  const events: WorkerEvents = new EventEmitter();
  onEvents(events);
  // No place takes a job before the name is known: what is locked under another could not be freed after a death.
  let named: Promise<void> | undefined;
  const nameOnce = (poolId: string) => {
    named ??= onPool(poolId);
    return named;
  };
  const runner = await run({
    pgPool: pool,
    schema: QUEUE_SCHEMA,
    taskList: tasks,
    concurrency: places,
    pollInterval: lookEveryMs,
    parsedCronItems: crontab,
    gracefulShutdownAbortTimeout: graceMs,
    events,
    logger: queueLogger,
    noHandleSignals: true,
    preset: {
      // No time is won by it, but a batch that cannot be written is an error that is caught; a single job's is not.
      worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 },
      plugins: [
        {
          name: 's3_connector',
          worker: { hooks: { startWorker: (_, { worker }) => nameOnce(worker.workerPool.id) } },
        },
      ],
    },
  });
  return { runner, events, places };
}
