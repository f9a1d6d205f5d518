import { sql } from 'kysely';
import { enqueue, type PollStart, recordFailedPoll } from '../src/enqueue.ts';
import { type ConnectorError, describeError } from '../src/errors.ts';
import { faultPoint } from '../src/fault_points.ts';
import { compileGlob } from '../src/glob.ts';
import { type Listing, listMatching } from '../src/list.ts';
import { log } from '../src/log.ts';
import { countPoll } from '../src/metrics/counters.ts';
import { askBucket, endOutage, findOutage, noteOutage } from '../src/outage.ts';
import { defineTask, type WorkerContext } from '../src/task.ts';

/** LIST requests in one go (1,000 keys each); a longer scan goes on in the next poll, from its scan position. */
const MAX_REQUESTS = 100;

/** One look at one connector's bucket: list -> enqueue. */
export default defineTask<{ connector_name: string }>(async ({ connector_name }, worker) => {
  const poll = await startPoll(worker, connector_name);
  if (!poll) return;
  const fields = { connector: connector_name };
  if (poll.inOutage) {
    const outage = await askBucket(worker, poll.start.connector);
    if (outage) return await fail(worker, poll, outage, outage);
    await endOutage(worker.control.db, connector_name);
    log.info('the bucket answers again', fields);
  }
  if (poll.places <= 0) return;
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
    await fail(worker, poll, error, await findOutage(worker, poll.start.connector, error));
  }
});

async function fail(
  { control }: WorkerContext,
  { start }: Poll,
  error: unknown,
  outage: ConnectorError | undefined,
): Promise<void> {
  const { name } = start.connector;
  countPoll(name, 'failure');
  log.error('poll failed', { connector: name, error: describeError(error) });
  await control.db.transaction().execute(async (db) => {
    await recordFailedPoll(db, start, error);
    if (outage) await noteOutage(db, name, outage);
  });
}

interface Poll {
  start: PollStart;
  places: number;
  youngerThan: Date;
  /** Whether the bucket could not be read when it was last asked. */
  inOutage: boolean;
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
      sql<boolean>`exists (select from s3_connector_private.outages o where o.connector_name = name)`.as(
        'in_outage',
      ),
    ])
    .where('name', '=', name)
    .where('state', '=', 'running')
    .executeTakeFirst();
  if (!connector || (connector.places <= 0 && !connector.in_outage)) return undefined;
  const progress = await db
    .selectFrom('s3_connector_private.progress')
    .selectAll()
    .where('connector_name', '=', name)
    .executeTakeFirstOrThrow();
  return {
    start: { connector, progress, startedAt: connector.started_at },
    places: connector.places,
    youngerThan: connector.younger_than,
    inOutage: connector.in_outage,
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
