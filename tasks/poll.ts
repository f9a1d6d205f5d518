import { sql } from 'kysely';
import { untilAnswered } from '../src/db/until_answered.ts';
import { enqueue, type PollStart, recordFailedPoll } from '../src/enqueue.ts';
import { describeError, locate } from '../src/errors.ts';
import { faultPoint } from '../src/fault_points.ts';
import { compileGlob } from '../src/glob.ts';
import { type Listing, listMatching } from '../src/list.ts';
import { log } from '../src/log.ts';
import { countPoll } from '../src/metrics/counters.ts';
import { toDatabaseError } from '../src/sql_errors.ts';
import { defineTask, type WorkerContext } from '../src/task.ts';

/** LIST requests in one go (1,000 keys each); a longer scan goes on in the next poll, from its scan position. */
const MAX_REQUESTS = 100;

/** One look at one connector's bucket: list -> enqueue. */
export default defineTask<{ connector_name: string }>(async ({ connector_name }, worker, { abortSignal }) => {
  const fields = { connector: connector_name };
  let poll: Poll | undefined;
  try {
    poll = await startPoll(worker, connector_name);
    if (!poll) return;
    const listing = await list(worker, poll);
    faultPoint('listed');
    const enqueued = await enqueue(worker.control.db, poll.start, listing);
    faultPoint('enqueued');
    if (listing.stoppedBy === 'budget') await pollAgain(worker, connector_name);
    countPoll(connector_name, 'success');
    log.info('polled', {
      ...fields,
      listed: listing.keysListed,
      matched: listing.keysMatched,
      enqueued,
      stoppedBy: listing.stoppedBy,
    });
  } catch (trouble) {
    const error = locate(toDatabaseError(trouble), '');
    countPoll(connector_name, 'failure');
    // Only what nobody foresaw needs a developer's eyes.
    const stack = error.code === 'unexpected' && trouble instanceof Error ? trouble.stack : undefined;
    log.error('poll failed', { ...fields, code: error.code, error: describeError(error), stack });
    await untilAnswered(abortSignal, () =>
      recordFailedPoll(worker.control.db, connector_name, poll?.start, error),
    );
  }
});

interface Poll {
  start: PollStart;
  places: number;
  youngerThan: Date;
}

/** Undefined where there is nothing to do: the connector is gone or paused, or all its places are taken. */
async function startPoll({ control: { db } }: WorkerContext, name: string): Promise<Poll | undefined> {
  const connector = await db
    .selectFrom('s3_connector.connectors')
    .selectAll()
    .select([
      sql<number>`max_tracked_files - s3_connector_private.tracked_files(name)`.as('places'),
      sql<Date>`now() - min_object_age`.as('younger_than'),
      sql<Date>`now()`.as('started_at'),
    ])
    .where('name', '=', name)
    .where('state', '=', 'running')
    .executeTakeFirst();
  if (!connector || connector.places <= 0) return undefined;
  const progress = await db
    .selectFrom('s3_connector_private.progress')
    .selectAll()
    .where('connector_name', '=', name)
    .executeTakeFirstOrThrow();
  return {
    start: { connector, progress, startedAt: connector.started_at },
    places: connector.places,
    youngerThan: connector.younger_than,
  };
}

async function list({ sources }: WorkerContext, { start, places, youngerThan }: Poll): Promise<Listing> {
  const { connector, progress } = start;
  return await listMatching(
    sources.open(connector),
    compileGlob(connector.pattern),
    { marker: progress.marker, scanPosition: progress.scan_position },
    { places, youngerThan, maxRequests: MAX_REQUESTS },
  );
}

async function pollAgain({ control }: WorkerContext, name: string): Promise<void> {
  await sql`select s3_connector_private.add_poll_job(${name})`.execute(control.db);
}
