/** Retries a worker's start while the database is unavailable. */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../backoff.ts';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { passingError } from '../sql_errors.ts';

const GIVE_UP_AFTER_MS = 60_000;
const BACKOFF = { firstMs: 200, longestMs: 5000 };

/**
 * Returns what `start` returns. Passing errors of the database are logged, and `start` is retried: a server that restarts
 * does not end the worker.
 * @throws lasting errors; a passing error after a minute
 */
export async function untilStarted<T>(start: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + GIVE_UP_AFTER_MS;
  for (let failures = 0; ; failures++) {
    const wait = backoffMs(BACKOFF, failures);
    try {
      return await start();
    } catch (error) {
      const passing = passingError(error);
      if (!passing || Date.now() + wait > deadline) throw passing ?? error;
      log.warn('not started yet, trying again', { code: passing.code, error: describeError(passing) });
    }
    await delay(wait);
  }
}
