import { setTimeout as delay } from 'node:timers/promises';
import type { TestDatabase } from '../support/database.ts';

/** While the work goes on, does every second what the crontab does every minute, and lets no retry wait for its time. */
export async function hurried<T>(db: TestDatabase, work: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const everySecond = (async () => {
    while (!over.signal.aborted) {
      await db.query(`
        select graphile_worker.add_job('poll_due', job_key => 'poll_due');
        select graphile_worker.reschedule_jobs(array(select id from graphile_worker.jobs where run_at > now()), now())`);
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
