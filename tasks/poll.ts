import { sql } from 'kysely';
import { enqueue, type PollStart, recordFailedPoll } from '../src/enqueue.ts';
import { describeError } from '../src/errors.ts';
import { faultPoint } from '../src/fault_points.ts';
import { compileGlob } from '../src/glob.ts';
import { type Listing, listMatching } from '../src/list.ts';
import { log } from '../src/log.ts';
import { countPoll } from '../src/metrics/counters.ts';
import { defineTask, type WorkerContext } from '../src/task.ts';

/** LIST requests in one go (1,000 keys each); a longer scan goes on in the next poll, from its scan position. */
const MAX_REQUESTS = 100;

/** One look at one connector's bucket: list -> enqueue. */
export default defineTask<{ connector_name: string }>(async ({ connector_name }, worker) => {
  const poll = await startPoll(worker, connector_name);
  if (!poll) return;
  const fields = { connector: connector_name };
  try {
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
  } catch (error) {
    countPoll(connector_name, 'failure');
    log.error('poll failed', { ...fields, error: describeError(error) });
    await recordFailedPoll(worker.control.db, poll.start, error);
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
