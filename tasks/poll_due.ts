import { type Kysely, sql } from 'kysely';
import { settleIn } from '../src/db/home.ts';
import type { Database } from '../src/db/schema.ts';
import { defineTask } from '../src/task.ts';

/** How long one run forgets history; what is left is up to the next ones. */
const PRUNE_MS = 20_000;

/**
 * Every minute: frees what dead workers held, queues a poll for each connector that is due, sums up the totals, and
 * forgets what is old.
 */
export default defineTask(async (_payload, { control }, { abortSignal }) => {
  await settleIn(control.db);
  await sql`select s3_connector_private.rescue_files()`.execute(control.db);
  await sql`select s3_connector_private.enqueue_due_polls()`.execute(control.db);
  await sql`select s3_connector_private.fold_totals()`.execute(control.db);
  await prune(control.db, abortSignal);
});

/** A transaction a batch, so that nobody waits for long. */
async function prune(db: Kysely<Database>, shutdown: AbortSignal): Promise<void> {
  const deadline = Date.now() + PRUNE_MS;
  await sql`select s3_connector_private.prune_leftovers()`.execute(db);
  for (let pruned = 1; pruned > 0 && Date.now() < deadline && !shutdown.aborted; ) {
    const { rows } = await sql<{ pruned: number }>`
      select s3_connector_private.prune_history()::float8 as pruned`.execute(db);
    pruned = rows[0]!.pruned;
  }
}
