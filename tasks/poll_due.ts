/** The housekeeping task, which runs every minute. */
import { type Kysely, sql } from 'kysely';
import { pauseIfCopied } from '../src/db/database_copy.ts';
import type { Database } from '../src/db/schema.ts';
import { describeError } from '../src/errors.ts';
import { at } from '../src/fault_points.ts';
import { log } from '../src/log.ts';
import { nextRun } from '../src/schedule.ts';
import { defineTask } from '../src/task.ts';

/** How long one run deletes old history, in milliseconds. The next runs continue. */
const PRUNE_MS = 20_000;

type Db = Kysely<Database>;

/** Each runs again in a minute, so a failing one does not stop the others. */
const STEPS: [name: string, run: (db: Db, shutdown: AbortSignal) => Promise<unknown>][] = [
  ['due polls', (db) => sql`select s3_connector_private.enqueue_due_polls()`.execute(db)],
  ['audits', startAudits],
  ['freeing jobs', (db) => sql`select s3_connector_private.free_orphaned_jobs()`.execute(db)],
  ['waking connectors', (db) => sql`select s3_connector_private.wake_connectors()`.execute(db)],
  ['waking undos', (db) => sql`select s3_connector_private.wake_undos()`.execute(db)],
  ['totals', (db) => sql`select s3_connector_private.fold_totals()`.execute(db)],
  ['pruning', prune],
];

/**
 * Queues a poll for each connector that is due, starts and continues audits by schedule, adds jobs for files and undos that
 * have lost theirs, sums up the totals, and deletes old history.
 */
export default defineTask(async (_payload, { control: { db } }, { abortSignal }) => {
  await at('pause_if_copied', () => pauseIfCopied(db));
  for (const [step, run] of STEPS) {
    await at('housekeeping', () => run(db, abortSignal)).catch((error) =>
      log.error('housekeeping failed', { step, error: describeError(error) }),
    );
  }
});

async function startAudits(db: Db): Promise<void> {
  const { rows } = await sql<{ connector_name: string; audit_schedule: string; due_from: Date }>`
    select * from s3_connector_private.due_audits()`.execute(db);
  const due = rows.map(({ connector_name, audit_schedule, due_from }) => ({
    connector_name,
    next_audit_at: nextRun(audit_schedule, due_from)?.toISOString() ?? 'infinity',
  }));
  if (due.length > 0)
    await sql`select s3_connector_private.start_due_audits(${JSON.stringify(due)}::text::jsonb)`.execute(db);
  await sql`select s3_connector_private.continue_audits()`.execute(db);
}

/** Deletes in batches, each in its own transaction, so that nobody waits for long. */
async function prune(db: Db, shutdown: AbortSignal): Promise<void> {
  const deadline = Date.now() + PRUNE_MS;
  await sql`select s3_connector_private.prune_leftovers()`.execute(db);
  for (let pruned = 1; pruned > 0 && Date.now() < deadline && !shutdown.aborted; ) {
    const { rows } = await sql<{ pruned: number }>`
      select s3_connector_private.prune_history()::float8 as pruned`.execute(db);
    pruned = rows[0]!.pruned;
  }
}
