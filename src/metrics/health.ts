import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { openSession } from '../db/connections.ts';
import { ConnectorError, describeError } from '../errors.ts';
import type { WorkerContext } from '../task.ts';
import type { QueueWatch } from './queue_watch.ts';

/** How long a probe may wait for the database. */
const ANSWER_MS = 5000;

/** What is looked at: `ok`, or why not. */
export interface Health {
  healthy: boolean;
  checks: { database: string; lock: string; queue: string };
}

const OK = 'ok';

/** Whether this worker works: it reaches the database and may write there, holds its lock, so that others know it alive, and its queues run. */
export async function readHealth(worker: WorkerContext, queues: readonly QueueWatch[]): Promise<Health> {
  const trouble =
    queues.length === 0
      ? 'the queue has not started yet'
      : queues.map((watch) => watch.trouble()).find((found) => found !== undefined);
  const checks = { ...(await checkDatabase(worker)), queue: trouble ?? OK };
  return { healthy: Object.values(checks).every((check) => check === OK), checks };
}

async function checkDatabase(worker: WorkerContext): Promise<Pick<Health['checks'], 'database' | 'lock'>> {
  try {
    const [lock] = await withinTime(Promise.all([holdsLock(worker), refuseReadOnly(worker)]));
    return { database: OK, lock: lock ? OK : 'the session with the advisory lock is lost' };
  } catch (error) {
    return {
      database: `no answer: ${describeError(error)}`,
      lock: 'not known while the database does not answer',
    };
  }
}

/** Older sessions may go on to write where a database was made read-only for new ones. */
async function refuseReadOnly({ config }: WorkerContext): Promise<void> {
  try {
    const session = await openSession(config.databaseUrl, 'health', { openMs: ANSWER_MS });
    await session.end();
  } catch (error) {
    // That the server has no place for another session keeps the worker from nothing.
    if (error instanceof ConnectorError && error.code === 'database_read_only') throw error;
  }
}

async function holdsLock({ control, liveness }: WorkerContext): Promise<boolean> {
  const { rows } = await sql<{ alive: boolean }>`
    select exists (
      select from s3_connector_private.alive_workers() as a (id) where a.id = ${liveness.workerId}
    ) as alive`.execute(control.db);
  return rows[0]!.alive;
}

async function withinTime<T>(answer: Promise<T>): Promise<T> {
  // Whoever lost the race must not be an error that nobody waits for.
  answer.catch(() => {});
  const ended = new AbortController();
  const timeout = delay(ANSWER_MS, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`none within ${ANSWER_MS / 1000} s`);
  });
  timeout.catch(() => {});
  return await Promise.race([answer, timeout]).finally(() => ended.abort());
}
