/** Retries a query of the bookkeeping until the database answers. */
import pg from 'pg';
import { backoffMs } from '../backoff.ts';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { isPassingSqlstate } from '../sql_errors.ts';
import { waitOrAbort } from '../waiting.ts';

const BACKOFF = { firstMs: 100, longestMs: 5000 };

/**
 * Returns what `ask` returns, and retries passing errors. `ask` must be safe to repeat, because an answer may be lost.
 * @throws lasting errors; any error once the signal is aborted
 */
export async function untilAnswered<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    const over = signal.aborted;
    try {
      return await ask();
    } catch (error) {
      if (over || !mayPass(error)) throw error;
      log.warn('the database did not answer, asking again', { error: describeError(error) });
    }
    await waitOrAbort(backoffMs(BACKOFF, failures), signal);
  }
}

/** Returns whether the error may be over by itself. An error that the server did not send is one of the connection. */
function mayPass(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || isPassingSqlstate(error.code ?? '');
}
