/** Frees "lost jobs" and "lost attempts": the database gave them to this worker, but its answer was lost. */
import type { WorkerEvents } from 'graphile-worker';
import { sql } from 'kysely';
import type { Control } from '../db/control.ts';
import { untilAnswered } from '../db/until_answered.ts';
import { describeError } from '../errors.ts';
import { reach } from '../fault_points.ts';
import { log } from '../log.ts';
import { waitOrAbort } from '../waiting.ts';
import type { Attempts } from './attempts.ts';
import type { Liveness } from './liveness.ts';

/** How long to wait for answers that may still arrive, in milliseconds. */
const LATE_ANSWERS_MS = 5000;

/**
 * Frees jobs that are locked in this worker's name, but do not run, and files whose attempts it does not know of. While the worker
 * lives, nobody else would free them.
 */
export class LostJobs {
  readonly #running = new Set<string>();
  readonly #closed = new AbortController();
  readonly #db: Control['db'];
  readonly #liveness: Liveness;
  readonly #attempts: Attempts;
  #looking: Promise<void> | undefined;
  #lookAgain = false;

  constructor({ db }: Control, liveness: Liveness, attempts: Attempts) {
    this.#db = db;
    this.#liveness = liveness;
    this.#attempts = attempts;
  }

  /** Follows which jobs of a queue run. */
  follow(events: WorkerEvents): void {
    events.on('job:start', ({ job }) => this.#running.add(job.id));
    events.on('job:complete', ({ job }) => this.#running.delete(job.id));
  }

  /** Call it when a job or an attempt may have been lost. Calls during a look share the next one. */
  look(): void {
    this.#lookAgain = true;
    this.#looking ??= this.#lookUntilDone().finally(() => {
      this.#looking = undefined;
    });
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#looking;
  }

  async #lookUntilDone(): Promise<void> {
    while (this.#lookAgain && !this.#closed.signal.aborted) {
      this.#lookAgain = false;
      await this.#look();
    }
  }

  async #look(): Promise<void> {
    const { signal } = this.#closed;
    await waitOrAbort(LATE_ANSWERS_MS, signal);
    if (signal.aborted) return;
    await untilAnswered(signal, async () => {
      await reach('free_lost');
      const { rows } = await sql<{ jobs: number; files: number; held: number }>`
        select s3_connector_private.free_lost_jobs(
            ${this.#liveness.poolIds}::text[], ${[...this.#running]}::bigint[]
          ) as jobs, a.freed as files, a.held
        from s3_connector_private.free_lost_attempts(
          ${this.#liveness.workerId}, ${this.#attempts.ids}::bigint[]
        ) a`.execute(this.#db);
      const { jobs, files, held } = rows[0]!;
      if (jobs > 0) log.warn('lost jobs freed', { jobs });
      if (files > 0) log.warn('files of lost attempts queued again', { files });
      if (held > 0) this.#lookAgain = true;
    }).catch((error) => log.warn('lost jobs not freed', { error: describeError(error) }));
  }
}
