/** The "rescue": frees the files and jobs of dead workers. */
import { sql } from 'kysely';
import type { Control } from '../db/control.ts';
import { describeError } from '../errors.ts';
import { at } from '../fault_points.ts';
import { log } from '../log.ts';
import { repeatUntilAborted } from '../waiting.ts';

/**
 * How often a worker looks for dead ones, in milliseconds. Their files must be free within a minute, and the lock of a lost
 * machine is released after 30 seconds (src/db/connections.ts).
 */
const LOOK_MS = 10_000;

/**
 * Frees files and jobs when this worker starts, then at an interval. It is a timer and not a job, so that no queue can delay
 * it. It waits for no row lock, and several workers may do it at once.
 */
export class Rescue {
  readonly #db: Control['db'];
  readonly #end = new AbortController();
  #looking: Promise<void> | undefined;

  constructor({ db }: Control) {
    this.#db = db;
  }

  /** Resolves after the first look. */
  async start(): Promise<void> {
    await this.#look();
    this.#looking = repeatUntilAborted(LOOK_MS, this.#end.signal, () => this.#look());
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#looking;
  }

  async #look(): Promise<void> {
    try {
      const free = sql<{ files: number }>`select s3_connector_private.rescue_files() as files`;
      const { rows } = await at('rescue', () => free.execute(this.#db));
      const { files } = rows[0]!;
      if (files > 0) log.warn('files of dead workers queued again', { files });
    } catch (error) {
      log.warn('rescue failed', { error: describeError(error) });
    }
  }
}
