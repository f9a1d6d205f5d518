import { setTimeout as delay } from 'node:timers/promises';
import type { TestDatabase } from '../support/database.ts';

/** While a test waits, runs the scheduled tasks of workers every second, and makes every retry due at once. */
export async function withJobsDue<T>(db: TestDatabase, work: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const everySecond = (async () => {
    while (!over.signal.aborted) {
      await db.query(`
        select s3_connector_private.rescue_files();
        select s3_connector_queue.add_job('poll_due', job_key => 'poll_due');
        select s3_connector_queue.reschedule_jobs(array(select id from s3_connector_queue.jobs where run_at > now()), now())`);
      await delay(1000, undefined, { signal: over.signal }).catch(() => {});
    }
  })();
  try {
    return await work();
  } finally {
    over.abort();
    await everySecond;
  }
}
