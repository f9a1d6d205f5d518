/** Detects a connection pooler that does not fit a worker. */
import { ConnectorError, describeError } from '../errors.ts';
import { withinTime } from '../waiting.ts';
import { openSession, type Session } from './connections.ts';

/** How long to wait for a place in a pooler, in milliseconds. */
const PLACE_MS = 5000;
/** How often two sessions are compared. Several times, because other clients use the pooler at the same time. */
const ROUNDS = 5;

/**
 * Refuses a pooler that does not give a worker its own sessions, or not enough of them. Without a pooler it costs one
 * connection.
 * @param needed how many connections the worker opens
 * @throws ConnectorError `no_connection`, `pooler_mode`, `too_few_connections`
 */
export async function refuseUnfitPooler(databaseUrl: string, needed: number): Promise<void> {
  const session = await open(databaseUrl);
  const { isDirect } = session;
  await session.end();
  if (!isDirect) await tryConnections(databaseUrl, needed);
}

/**
 * Tests whether sessions keep their backends, then opens as many connections as a worker needs.
 * @throws ConnectorError `no_connection`, `pooler_mode`, `too_few_connections`
 */
export async function tryConnections(databaseUrl: string, needed: number): Promise<void> {
  await refuseSharedBackends(databaseUrl);
  const opened = await Promise.allSettled(Array.from({ length: needed }, () => open(databaseUrl)));
  const sessions = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  await Promise.all(sessions.map((session) => session.end()));
  const refused = opened.find((one) => one.status === 'rejected');
  if (refused) throw tooFew(needed, sessions.length, refused.reason);
}

/** Refuses transaction mode, in which a session outside of a transaction loses its backend to another one. */
async function refuseSharedBackends(databaseUrl: string): Promise<void> {
  const sessions: Session[] = [];
  try {
    const one = await open(databaseUrl);
    sessions.push(one);
    const other = await open(databaseUrl);
    sessions.push(other);
    for (let round = 0; round < ROUNDS; round++) {
      const before = await backendOf(one);
      // The transaction keeps its backend, which is mostly the one that was used last.
      await within(other.query('begin'));
      if ((await backendOf(other)) === before || (await backendOf(one)) !== before) throw sharesBackends();
      await within(other.query('rollback'));
    }
  } catch (error) {
    throw refusesTransactions(error) ? sharesBackends() : error;
  } finally {
    await Promise.all(sessions.map((session) => session.end()));
  }
}

async function backendOf(session: Session): Promise<number> {
  const { rows } = await within(
    session.query<{ backend: number }>('select pg_catalog.pg_backend_pid() as backend'),
  );
  return rows[0]!.backend;
}

function open(databaseUrl: string): Promise<Session> {
  return openSession(databaseUrl, 'probe', { openMs: PLACE_MS });
}

/** Returns the answer, or fails after PLACE_MS: a full pooler does not answer. */
function within<T>(answer: Promise<T>): Promise<T> {
  return withinTime(PLACE_MS, answer, noAnswer);
}

function noAnswer(): ConnectorError {
  return new ConnectorError('no_connection', `no answer from the database within ${PLACE_MS / 1000} s`, {
    passing: true,
  });
}

/** Returns whether the error is PgBouncer's in statement mode. */
function refusesTransactions(error: unknown): boolean {
  return (error as { code?: string }).code === '08P01';
}

function sharesBackends(): ConnectorError {
  return new ConnectorError(
    'pooler_mode',
    'DATABASE_URL leads to a pooler in transaction or statement mode: a connection does not keep its server session',
    {
      hint: "Name the server's own host and port in DATABASE_URL, or those of a pooler in session mode. A worker's lock, LISTEN and settings need their own session.",
    },
  );
}

function tooFew(needed: number, opened: number, reason: unknown): ConnectorError {
  return new ConnectorError(
    'too_few_connections',
    `the worker needs ${needed} connections at once, of which ${opened} could be opened: ${describeError(reason)}`,
    {
      // Another worker may be doing the same at this moment.
      passing: true,
      hint: "Raise the pooler's pool size, or the server's max_connections, or lower WORKER_CONCURRENCY: a worker needs 3 x WORKER_CONCURRENCY + 33.",
      cause: reason,
    },
  );
}
