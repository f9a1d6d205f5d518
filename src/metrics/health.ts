/** The "health" of a worker, for `/healthz`. */
import { sql } from 'kysely';
import { openSession } from '../db/connections.ts';
import { ConnectorError, describeError } from '../errors.ts';
import type { WorkerContext } from '../task.ts';
import { withinTime } from '../waiting.ts';
import type { QueueWatch } from './queue_watch.ts';

/** How long a check may wait for the database, in milliseconds. */
const ANSWER_MS = 5000;

/** Each check is `ok`, or says what is wrong. */
export interface Health {
  healthy: boolean;
  checks: { database: string; lock: string; queue: string };
}

const OK = 'ok';

/** Returns whether the worker reaches the database and can write there, holds its advisory lock, and runs its queues. */
export async function readHealth(worker: WorkerContext, queues: readonly QueueWatch[]): Promise<Health> {
  const problem =
    queues.length === 0
      ? 'the queue has not started yet'
      : queues.map((watch) => watch.problem()).find((found) => found !== undefined);
  const checks = { ...(await checkDatabase(worker)), queue: problem ?? OK };
  return { healthy: Object.values(checks).every((check) => check === OK), checks };
}

async function checkDatabase(worker: WorkerContext): Promise<Pick<Health['checks'], 'database' | 'lock'>> {
  try {
    const [lock] = await withinTime(
      ANSWER_MS,
      Promise.all([holdsLock(worker), refuseReadOnly(worker)]),
      late,
    );
    return { database: OK, lock: lock ? OK : 'the session with the advisory lock is lost' };
  } catch (error) {
    return {
      database: `no answer: ${describeError(error)}`,
      lock: 'not known while the database does not answer',
    };
  }
}

/** Throws if the database is read-only. Opens a new session, because older ones keep an earlier setting. */
async function refuseReadOnly({ config }: WorkerContext): Promise<void> {
  try {
    const session = await openSession(config.databaseUrl, 'health', { openMs: ANSWER_MS });
    await session.end();
  } catch (error) {
    // The worker still works if the server has no place for one more session.
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

function late(): Error {
  return new Error(`none within ${ANSWER_MS / 1000} s`);
}
