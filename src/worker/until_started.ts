import { setTimeout as delay } from 'node:timers/promises';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { passingTrouble } from '../sql_errors.ts';

/** How long trouble is waited out, and between two tries the first pause and the longest, in milliseconds. */
const PATIENCE_MS = 60_000;
const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5000;

/**
 * Starts something that needs the database. Trouble with it that may pass is logged, and the start is tried again: a server
 * that restarts is no reason to end.
 * @throws what will not pass, and what has not passed within a minute
 */
export async function untilStarted<T>(start: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      return await start();
    } catch (error) {
      const trouble = passingTrouble(error);
      if (!trouble || Date.now() + wait > deadline) throw trouble ?? error;
      log.warn('not started yet, trying again', { code: trouble.code, error: describeError(trouble) });
    }
    await delay(wait);
  }
}
