import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { isPassingSqlstate } from '../sql_errors.ts';

const LONGEST_WAIT_MS = 5000;

/**
 * Asks the database until it answers. What it is asked to do must be safe to do twice, as an answer may be lost.
 * @throws what is wrong for good; any trouble once the signal is aborted
 */
export async function untilAnswered<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let wait = 100; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    const over = signal.aborted;
    try {
      return await ask();
    } catch (error) {
      if (over || !mayPass(error)) throw error;
      log.warn('the database did not answer, asking again', { error: describeError(error) });
    }
    await delay(wait, undefined, { signal }).catch(() => {});
  }
}

/** An error that does not come from the server is one of the connection. */
function mayPass(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || isPassingSqlstate(error.code ?? '');
}
