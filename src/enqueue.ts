/** Commits the result of a poll: the new files and their jobs, or the poll's failure. */
import { type Kysely, sql } from 'kysely';
import { objectsJson } from './db/objects_json.ts';
import type { Connector, Database, Progress } from './db/schema.ts';
import { type ConnectorError, describeError } from './errors.ts';
import type { PollListing } from './list/poll_listing.ts';
import { nextRun } from './schedule.ts';
import type { ListCount } from './sources/source.ts';

/** The state in which a poll began. It must be unchanged when the poll is committed. */
export interface PollStart {
  connector: Connector;
  progress: Progress;
  startedAt: Date;
  /** Counts the LIST requests of the poll. */
  lists: ListCount;
}

/**
 * Commits a listing in one transaction: the rows of files, a job for each, the marker, the upcoming and late keys, and the
 * `polls` row.
 * @returns how many files were enqueued; null, with nothing done, if the marker or the connector changed meanwhile
 */
export async function enqueue(
  db: Kysely<Database>,
  start: PollStart,
  listing: PollListing,
): Promise<number | null> {
  const { lookBehind, endPosition, tailPosition, arrivesAtEnd } = listing.window;
  const { late_keys, on_overwrite } = start.connector;
  const takesBehind = late_keys === 'import' || on_overwrite === 'reimport';
  const isYoung = listing.stoppedBy === 'young' || (listing.leftYoung && takesBehind);
  const listed = {
    rules: keyRules(start.connector),
    ...{ look_behind: lookBehind, end_position: endPosition, tail_position: tailPosition },
    arrives_at_end: arrivesAtEnd,
    tail_walked: listing.hasWalked,
    young: isYoung,
    ending: listing.ending,
  };
  const { rows } = await sql<{ enqueued: number | null }>`
    select s3_connector_private.commit_poll(
      ${start.connector.name}, ${start.progress.marker}, ${start.progress.scan_position},
      ${objectsJson(listing.objects)}::text::jsonb, ${listing.scanPosition}, ${listing.scanPosition !== null},
      ${nextPollAt(start)}::timestamptz, ${start.startedAt.toISOString()}::timestamptz,
      ${listing.keysListed}, ${listing.keysMatched}, ${start.lists.requests},
      ${objectsJson(listing.behind)}::text::jsonb, ${JSON.stringify(listed)}::text::jsonb
    ) as enqueued`.execute(db);
  return rows[0]?.enqueued ?? null;
}

/** The columns that decide which keys a poll lists, as `key_rules` in SQL. */
function keyRules({ bucket, endpoint, pattern, exclude, include_hidden }: Connector) {
  return { bucket, endpoint, pattern, exclude, include_hidden };
}

/**
 * Records a failed poll. The marker does not move.
 * @param start undefined if the poll failed before it was read: then the connector stays due
 */
export async function recordFailedPoll(
  db: Kysely<Database>,
  connectorName: string,
  start: PollStart | undefined,
  error: ConnectorError,
): Promise<void> {
  await sql`
    select s3_connector_private.fail_poll(
      ${connectorName}, ${start ? nextPollAt(start) : null}::timestamptz,
      ${start?.startedAt.toISOString() ?? null}::timestamptz, ${start?.lists.requests ?? 0}, ${error.code}, ${describeError(error)}
    )`.execute(db);
}

function nextPollAt(start: PollStart): string {
  return nextRun(start.connector.schedule, start.startedAt)?.toISOString() ?? 'infinity';
}
