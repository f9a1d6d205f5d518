/** The task of a "poll": one look at a connector's bucket, list -> enqueue. */
import { sql } from 'kysely';
import { lookForRestored } from '../src/archived.ts';
import { untilAnswered } from '../src/db/until_answered.ts';
import { enqueue, type PollStart, recordFailedPoll } from '../src/enqueue.ts';
import { type ConnectorError, describeError, locate } from '../src/errors.ts';
import { at } from '../src/fault_points.ts';
import { listForPoll, type PollListing, WALK_EVERY_SECONDS } from '../src/list/poll_listing.ts';
import { log } from '../src/log.ts';
import { compileMatcher } from '../src/matcher.ts';
import { countPoll } from '../src/metrics/counters.ts';
import { askBucket, endOutage, findOutage, noteOutage } from '../src/outage.ts';
import type { Ending } from '../src/sources/source.ts';
import { toImportError } from '../src/sql_errors.ts';
import { defineTask, type WorkerContext } from '../src/task.ts';
import { inSpan, spanOf } from '../src/telemetry.ts';

/** LIST requests of one poll, 1,000 keys each. The next poll continues from the scan position. */
const MAX_REQUESTS = 100;
/** How long a poll trusts what an earlier one has found out about folders, in seconds. */
const TRUST_SECONDS = 300;

export default defineTask<{ connector_name: string }>(async ({ connector_name }, worker, { abortSignal }) => {
  let poll: Poll | undefined;
  let outage: ConnectorError | undefined;
  try {
    poll = await at('start_poll', () => startPoll(worker, connector_name));
    if (poll?.inOutage) outage = await lookForEndOfOutage(worker, poll.start);
    if (outage) throw outage;
    if (poll && poll.places > 0) {
      await listAndEnqueue(worker, poll);
      const { connector } = poll.start;
      await lookForRestored(worker.control.db, connector, worker.sources.open(connector));
    }
  } catch (cause) {
    outage ??= poll && (await findOutage(worker, poll.start.connector, cause, { lists: poll.start.lists }));
    await fail(worker, connector_name, poll?.start, { cause, outage }, abortSignal);
  }
});

async function listAndEnqueue(worker: WorkerContext, poll: Poll): Promise<void> {
  const { name } = poll.start.connector;
  const listing = await inSpan(
    'list',
    spanOf(poll.start.connector),
    () => at('list', () => list(worker, poll), 'source'),
    ({ keysListed }) => ({ keys: keysListed }),
  );
  const enqueued = await at('enqueue', () => enqueue(worker.control.db, poll.start, listing));
  countPoll(name, 'success');
  log.info('polled', {
    connector: name,
    listed: listing.keysListed,
    matched: listing.keysMatched,
    enqueued,
    stoppedBy: listing.stoppedBy,
  });
}

/** Returns the bucket's error if it still cannot be read. Otherwise ends the outage. */
async function lookForEndOfOutage(
  worker: WorkerContext,
  { connector, lists }: PollStart,
): Promise<ConnectorError | undefined> {
  const outage = await askBucket(worker, connector, { lists });
  if (outage) return outage;
  await at('end_outage', () => endOutage(worker.control.db, connector.name));
  log.info('the bucket answers again', { connector: connector.name });
  return undefined;
}

async function fail(
  worker: WorkerContext,
  name: string,
  start: PollStart | undefined,
  { cause, outage }: { cause: unknown; outage: ConnectorError | undefined },
  shutdown: AbortSignal,
): Promise<void> {
  const error = locate(toImportError(cause), '');
  countPoll(name, 'failure');
  // Only unexpected errors are for developers.
  const stack = error.code === 'unexpected' && cause instanceof Error ? cause.stack : undefined;
  log.error('poll failed', { connector: name, code: error.code, error: describeError(error), stack });
  const record = () =>
    worker.control.db.transaction().execute(async (db) => {
      await at('record_failed_poll', () => recordFailedPoll(db, name, start, error));
      if (outage) await at('note_outage', () => noteOutage(db, name, outage));
    });
  await untilAnswered(shutdown, () => at('commit_failed_poll', record));
}

interface Poll {
  start: PollStart;
  places: number;
  youngerThan: Date | null;
  /** Whether the bucket could not be read last time. */
  inOutage: boolean;
  /** Whether keys beyond the places are kept from the last listing. */
  hasUpcoming: boolean;
  /** Where a listing around the marker starts. */
  lookBehind: string;
  /** Whether somebody asked for a poll since the last one. */
  isAsked: boolean;
  walkIsDue: boolean;
  /** How the last listing ended, if that was not long ago. */
  ending: Ending | null;
}

/** Returns undefined if there is nothing to do: the connector is deleted or paused, or all its places are taken. */
async function startPoll(
  { control: { db }, liveness }: WorkerContext,
  name: string,
): Promise<Poll | undefined> {
  const connector = await db
    .selectFrom('s3_connector.connectors')
    .selectAll()
    .select([
      sql<number>`max_tracked_files - s3_connector_private.tracked_files(name)`.as('places'),
      sql<Date | null>`case when min_object_age > '0' then now() - min_object_age end`.as('younger_than'),
      sql<Date>`now()`.as('started_at'),
      sql<boolean>`exists (select from s3_connector_private.outages o where o.connector_name = name)`.as(
        'in_outage',
      ),
      sql<boolean>`s3_connector_private.belongs_elsewhere(owner, ${liveness.workerId})`.as('elsewhere'),
    ])
    .where('name', '=', name)
    .where('state', '=', 'running')
    .executeTakeFirst();
  if (connector?.elsewhere) {
    // This worker did not know yet that another one runs for the owner.
    await sql`select s3_connector_private.add_poll_job(${name}, now() + interval '5 seconds')`.execute(db);
    return undefined;
  }
  if (!connector || (connector.places <= 0 && !connector.in_outage)) return undefined;
  const progress = await db
    .selectFrom('s3_connector_private.progress')
    .selectAll()
    .select([
      sql<string>`s3_connector_private.look_behind_start(connector_name)`.as('look_behind_start'),
      sql<boolean>`exists (select from s3_connector_private.upcoming_keys u where u.connector_name = progress.connector_name)`.as(
        'has_upcoming',
      ),
      sql<boolean>`poll_asked_at > last_poll_at is true`.as('is_asked'),
      sql<boolean>`tail_walked_at > now() - ${WALK_EVERY_SECONDS} * interval '1 second' is not true`.as(
        'walk_is_due',
      ),
      sql<Ending | null>`case when ended_at > now() - ${TRUST_SECONDS} * interval '1 second' then ending end`.as(
        'recent_ending',
      ),
    ])
    .where('connector_name', '=', name)
    .executeTakeFirstOrThrow();
  return {
    start: { connector, progress, startedAt: connector.started_at, lists: { requests: 0 } },
    places: connector.places,
    youngerThan: connector.younger_than,
    inOutage: connector.in_outage,
    hasUpcoming: progress.has_upcoming,
    lookBehind: progress.look_behind_start,
    isAsked: progress.is_asked,
    walkIsDue: progress.walk_is_due,
    // If keys were left out, it would stop without them.
    ending: connector.stop_when_caught_up ? null : progress.recent_ending,
  };
}

async function list(
  { sources }: WorkerContext,
  { start, places, youngerThan, hasUpcoming, lookBehind, isAsked, walkIsDue, ending }: Poll,
): Promise<PollListing> {
  const { connector, progress, lists } = start;
  return await listForPoll(
    sources.open(connector, lists),
    compileMatcher(connector),
    {
      marker: progress.marker,
      startAfter: connector.start_after,
      scanPosition: progress.scan_position,
      hasUpcoming,
      window: {
        lookBehind,
        endPosition: progress.end_position,
        tailPosition: progress.tail_position,
        arrivesAtEnd: progress.arrives_at_end,
      },
      isAsked,
      walkIsDue,
      ending,
    },
    { places, youngerThan, maxRequests: MAX_REQUESTS },
  );
}
