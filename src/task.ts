/** Defines "tasks", the functions that run jobs, and the context that they share. */
import type { JobHelpers, Task } from 'graphile-worker';
import type pg from 'pg';
import type { Config } from './config.ts';
import type { Control } from './db/control.ts';
import type { EncoderThread } from './formats/encoder/encoder_thread.ts';
import type { FormatTools } from './formats/format.ts';
import type { Reader } from './formats/parquet/reader_process.ts';
import type { Pool } from './formats/pool.ts';
import type { Bundling } from './import/bundling.ts';
import type { RefusedSessions } from './import/session.ts';
import type { S3Sources } from './sources/s3.ts';
import type { Attempts } from './worker/attempts.ts';
import type { BacklogPolls } from './worker/backlog_polls.ts';
import type { Liveness } from './worker/liveness.ts';
import type { LostJobs } from './worker/lost_jobs.ts';

/** Everything that one worker process shares between its jobs. */
export interface WorkerContext {
  readonly config: Config;
  /** Aborted as soon as the worker stops. Jobs that run get their own signal, and time to finish. */
  readonly stopping: AbortSignal;
  /** This worker's own spool directory. */
  readonly spoolDir: string;
  readonly control: Control;
  /** Connections of the login for imports, one for each import that runs. */
  readonly copyPool: pg.Pool;
  /** A connection of the same login, which cancels their statements. */
  readonly cancelPool: pg.Pool;
  readonly refusedSessions: RefusedSessions;
  readonly sources: S3Sources;
  /** Processes that read Parquet. */
  readonly readers: Pool<Reader>;
  /** Its only member reads files that did not fit into the memory of a reader; null: it would have no more memory. */
  readonly largeReaders: Pool<Reader> | null;
  /** Readers that also sort; null for requests, which need no order. */
  readonly sorters: Pool<Reader> | null;
  /** Threads that encode large CSV files. */
  readonly encoders: Pool<EncoderThread>;
  readonly runBytes: number;
  readonly openDuckdbFile: FormatTools['openDuckdbFile'];
  readonly liveness: Liveness;
  readonly attempts: Attempts;
  readonly bundling: Bundling;
  readonly lostJobs: LostJobs;
  readonly backlogPolls: BacklogPolls;
}

export type TaskFunction<Payload> = (
  payload: Payload,
  worker: WorkerContext,
  helpers: JobHelpers,
) => Promise<void>;

/** The export of a file in tasks/. The worker calls it with its context when it starts. */
export type TaskDefinition = (worker: WorkerContext) => Task;

/** Defines a task. Its identifier is the name of its file. */
export function defineTask<Payload>(run: TaskFunction<Payload>): TaskDefinition {
  return (worker) => (payload, helpers) => run(payload as Payload, worker, helpers);
}
