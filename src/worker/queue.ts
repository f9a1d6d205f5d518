/** Runs graphile-worker. Everything that depends on its private parts is here, and in sql/2_lifecycle/02_queue.sql. */
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

/** The schema of the queue's tables. Not graphile_worker, which another application of the database may use. */
export const QUEUE_SCHEMA = 's3_connector_queue';

/** The channel on which graphile-worker announces migrations. A breaking one ends older workers, of any schema. */
const MIGRATIONS = 'worker:migrate';
const LISTENS_FOR_MIGRATIONS = new RegExp(`\\bLISTEN "${MIGRATIONS}";`);

/**
 * Brings the queue's tables to the version of graphile-worker that we run, with our tasks: graphile-worker would add them when a
 * worker starts, in a commit that may not be flushed, and it reads their ids only once.
 */
export async function migrateQueue(databaseUrl: string, tasks: string[]): Promise<void> {
  const pgPool = new SessionPool(databaseUrl, 'migrate', { max: 2 });
  pgPool.on('connect', keepApart);
  try {
    await runMigrations({ pgPool, schema: QUEUE_SCHEMA, noHandleSignals: true, preset: {} });
    await pgPool.query(
      `insert into ${QUEUE_SCHEMA}._private_tasks (identifier) select unnest($1::text[]) on conflict do nothing`,
      [tasks],
    );
  } finally {
    await pgPool.end();
  }
}

/**
 * Stops a connection of graphile-worker from announcing migrations and from listening for them. Otherwise our migrations would
 * end the workers of another application's queue, and theirs would end ours. Our workers use src/db/schema_version.ts.
 */
export function keepApart(client: pg.PoolClient): void {
  const ask = client.query.bind(client) as (...query: unknown[]) => unknown;
  client.query = ((query: unknown, ...rest: unknown[]) => {
    const [values] = rest;
    if (Array.isArray(values) && values[0] === MIGRATIONS) return Promise.resolve({ rows: [] });
    return ask(typeof query === 'string' ? query.replace(LISTENS_FOR_MIGRATIONS, '') : query, ...rest);
  }) as pg.PoolClient['query'];
}

/** Returns whether a query of this name takes a job. */
export function takesJob(queryName: string | undefined): boolean {
  return /^get_job/.test(queryName ?? '');
}

/** The lowest and the highest priority of some jobs. */
export type Priorities = readonly [lowest: number, highest: number];

/** A condition of graphile-worker's query for a job, which occurs there once. */
const AVAILABLE = 'jobs.is_available = true';

/**
 * Returns the query for a job, limited to jobs of these priorities. The index is ordered by priority, so the query would
 * otherwise read past the jobs of all other shares: 34 ms if 100,000 wait.
 */
export function narrow(query: pg.QueryConfig, [lowest, highest]: Priorities): pg.QueryConfig {
  const text = query.text.replace(
    AVAILABLE,
    `${AVAILABLE} and jobs.priority between ${lowest} and ${highest}`,
  );
  // A name for each text: a connection prepares a query once by its name, and all shares use it.
  return { ...query, name: `${query.name} ${lowest}`, text };
}

/** Returns the query for a job, limited to jobs that have none of these flags. */
export function withoutFlags(query: pg.QueryConfig, flags: readonly string[]): pg.QueryConfig {
  const values = [...query.values!, flags];
  const text = query.text.replace(
    AVAILABLE,
    `${AVAILABLE} and (jobs.flags ?| $${values.length}::text[]) is not true`,
  );
  return { ...query, name: `${query.name} flags`, text, values };
}

/** Returns whether a query may be sent again if its answer is lost: it writes how a job ended, or looks up the ids of tasks. */
export function isSafeToRepeat({ name, text }: pg.QueryConfig): boolean {
  return /^(complete|fail)_job/.test(name ?? '') || /\._private_tasks as tasks\b/.test(text);
}

export interface QueueOptions {
  pool: pg.Pool;
  tasks: TaskList;
  /** How many jobs run at the same time. */
  places: number;
  /** How often each idle place looks for jobs without a notification, in milliseconds. */
  lookEveryMs: number;
  crontab: ParsedCronItem[];
  /** Returns the flags of jobs that it must not take. */
  forbiddenFlags: () => string[];
  /** How long running jobs may take to finish after the stop, in milliseconds. */
  graceMs: number;
  /** Called before the first job is taken, with the name with which jobs will be locked. */
  onPool: (poolId: string) => Promise<void>;
  /** Called with the queue's emitter of events before the first event. */
  onEvents: (events: WorkerEvents) => void;
}

/** A running queue, with its own events. */
export interface Queue {
  readonly runner: Runner;
  readonly events: WorkerEvents;
}

/** Starts to take jobs. */
export async function startQueue(options: QueueOptions): Promise<Queue> {
  const { pool, tasks, places, lookEveryMs, crontab, forbiddenFlags, graceMs, onPool, onEvents } = options;
  const events: WorkerEvents = new EventEmitter();
  onEvents(events);
  // No place takes a job before the name is recorded: without it, the job could not be freed after a death.
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
    forbiddenFlags,
    gracefulShutdownAbortTimeout: graceMs,
    events,
    logger: queueLogger,
    noHandleSignals: true,
    preset: {
      // Delays of 0 gain no time, but graphile-worker catches the error of a batch, and not that of a single job.
      worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 },
      plugins: [
        {
          name: 's3_connector',
          worker: { hooks: { startWorker: (_, { worker }) => nameOnce(worker.workerPool.id) } },
        },
      ],
    },
  });
  return { runner, events };
}
