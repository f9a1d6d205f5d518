/** Cancels the statements of an import when its signal is aborted. */
import type pg from 'pg';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { waitOrAbort } from '../waiting.ts';

const REPEAT_MS = 200;
/** After so many cancels the backend is ended: code of an owner may catch a cancel. */
const CANCELS = 5;

/**
 * Cancels a backend's statements from when the signal is aborted until the returned function is called.
 *
 * The cancel goes over another connection, because a backend that waits for a lock does not read from its own. It is
 * repeated, because a cancel between two statements does nothing. A backend that goes on is terminated.
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
    for (let cancels = 0; !ended.aborted; cancels++) {
      const stop = cancels < CANCELS ? 'pg_cancel_backend' : 'pg_terminate_backend';
      await pool
        .query(`select ${stop}($1)`, [backend])
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
