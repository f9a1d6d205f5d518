/** Opens the sessions of imports and requests, and waits while the database refuses them. */
import type pg from 'pg';
import { type Backoff, backoffMs } from '../backoff.ts';
import { hintOfRefusal } from '../db/refusal.ts';
import { ConnectorError } from '../errors.ts';
import { reach } from '../fault_points.ts';
import { toImportError } from '../sql_errors.ts';

/** The database refused a session, so nothing of the file was tried, and the attempt does not count. */
export class SessionRefused extends ConnectorError {}

/**
 * Takes a session from the pool. The caller releases it.
 * @throws SessionRefused too many connections, a server that starts, a password that is not valid, a network failure
 */
export async function takeSession(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    await reach('take_session');
    return await pool.connect();
  } catch (error) {
    throw toRefusal(error);
  }
}

function toRefusal(error: unknown): unknown {
  const known = toImportError(error);
  if (!(known instanceof ConnectorError)) return known;
  return new SessionRefused(known.code, `the database refused a session: ${known.message}`, {
    passing: true,
    hint: known.hint ?? hintOfRefusal(error),
    cause: error,
  });
}

const BACKOFF: Backoff = { firstMs: 1000, longestMs: 60_000 };

/** The waits of a worker between refused sessions. Without them, one place would give back the whole queue, file by file. */
export class RefusedSessions {
  #failures = 0;
  #waitUntil = 0;

  /** @param pool a new session of it ends the backoff */
  constructor(pool: pg.Pool) {
    pool.on('connect', () => {
      this.#failures = 0;
    });
  }

  /** Returns how long to wait, in milliseconds. The backoff grows once per wait, even if several imports are refused in it. */
  nextWait(): number {
    const now = Date.now();
    if (now >= this.#waitUntil) this.#waitUntil = now + backoffMs(BACKOFF, this.#failures++);
    return this.#waitUntil - now;
  }
}
