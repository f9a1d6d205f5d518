import { sql } from 'kysely';
import { settleIn } from '../src/db/home.ts';
import { defineTask } from '../src/task.ts';

/** Every minute: frees what dead workers held, queues a poll for each connector that is due, sums up the totals. */
export default defineTask(async (_payload, { control }) => {
  await settleIn(control.db);
  await sql`select s3_connector_private.rescue_files()`.execute(control.db);
  await sql`select s3_connector_private.enqueue_due_polls()`.execute(control.db);
  await sql`select s3_connector_private.fold_totals()`.execute(control.db);
});
