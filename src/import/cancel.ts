/** Cancels the statements of an import when its signal is aborted. */
import type pg from 'pg';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { waitOrAbort } from '../waiting.ts';

const REPEAT_MS = 200;

/**
 * Cancels a backend's statements from when the signal is aborted until the returned function is called.
 *
 * The cancel goes over another connection, because a backend that waits for a lock does not read from its own. It is
 * repeated, because a cancel between two statements does nothing.
 * @param pool of the backend's own login: PostgreSQL lets no other role cancel it
 * @returns a function that stops it, and resolves when no cancel is under way
 */
export function cancelOnAbort(pool: pg.Pool, backend: number, signal: AbortSignal): () => Promise<void> {
  let cancelling: { ended: AbortController; done: Promise<void> } | undefined;
  const start = () => {
    const ended = new AbortController();
    cancelling = { ended, done: repeat(ended.signal) };
  };
  const repeat = async (ended: AbortSignal) => {
    while (!ended.aborted) {
      await pool
        .query('select pg_cancel_backend($1)', [backend])
        .catch((error) => log.warn('cancelling failed', { backend, error: describeError(error) }));
      await waitOrAbort(REPEAT_MS, ended);
    }
  };
  if (signal.aborted) start();
  else signal.addEventListener('abort', start, { once: true });
  return async () => {
    signal.removeEventListener('abort', start);
    cancelling?.ended.abort();
    await cancelling?.done;
  };
}
