/** Writes the begin and the result of an attempt to the database. */
import { type Kysely, sql } from 'kysely';
import pg from 'pg';
import type { Attempt } from './attempt.ts';
import { queryAll } from './db/query_all.ts';
import type { Database, File, FileStatus } from './db/schema.ts';
import { type ConnectorError, describeError } from './errors.ts';
import type { RowCounts } from './reconcile.ts';
import type { SourceObject } from './sources/source.ts';

/**
 * Begins an attempt. Returns undefined if there is nothing to do (imported, being imported, paused, cancelled, dropped).
 * @param runningAttempts ids of the attempts at the file that this worker runs
 */
export async function startAttempt(
  db: Kysely<Database>,
  fileId: number,
  workerId: number,
  runningAttempts: number[],
): Promise<Omit<Attempt, 'signal'> | undefined> {
  const { rows } = await sql<Omit<Attempt, 'signal'>>`
    select * from s3_connector_private.begin_import(${fileId}, ${workerId}, ${runningAttempts}::bigint[])`.execute(
    db,
  );
  const [started] = rows;
  if (!started) return undefined;
  const { file } = started;
  // JSON has no type for times.
  return { ...started, file: { ...file, last_modified: new Date(file.last_modified) } };
}

/**
 * Records the success of an attempt and commits, on the connection that holds its rows. One message does both, which
 * saves a round trip.
 * @param first statements that are sent before, in the same message
 * @param notice what `connector_status` shows from now on; undefined leaves it unchanged
 * @returns whether the connector has a backlog
 * @throws PostgreSQL's errors; SQLSTATE S3C01 if the file was cancelled, dropped or taken over meanwhile
 */
export async function commitSuccess(
  client: pg.ClientBase,
  file: File,
  counts: RowCounts,
  notice: string | null | undefined,
  first: string[],
): Promise<boolean> {
  const { read, imported, rejected, skipped } = counts;
  const values = [file.id, file.attempt_id, read, imported, rejected, skipped];
  const statements = [
    ...first,
    `select s3_connector_private.record_success(${values.map(Number).join(', ')}) as backlog`,
    // Last, because it locks the connector's row: polls and people's commands wait for that lock until the commit.
    ...(notice === undefined ? [] : [setNotice(file.connector_name, notice)]),
    'commit',
  ];
  const results = await queryAll<{ backlog: boolean }>(client, statements);
  return results[first.length]!.rows[0]!.backlog;
}

function setNotice(connectorName: string, notice: string | null): string {
  const value = notice === null ? 'null' : pg.escapeLiteral(notice);
  return `select s3_connector_private.set_notice(${pg.escapeLiteral(connectorName)}, ${value})`;
}

/** Records a failed attempt. Returns null if the attempt has lost its file, for example by a commit whose answer was lost. */
export async function recordFailure(
  db: Kysely<Database>,
  file: File,
  error: ConnectorError,
): Promise<FileStatus | null> {
  const { rows } = await sql<{ status: FileStatus | null }>`
    select s3_connector_private.fail_attempt(
      ${file.id}, ${file.attempt_id}, ${error.code}, ${toText(describeError(error))}, ${error.passing}
    ) as status`.execute(db);
  return rows[0]?.status ?? null;
}

/**
 * Postpones an attempt that failed because the whole bucket cannot be read, so that it does not count. Returns null if the
 * attempt has lost its file.
 * @param outage the error of the bucket itself
 */
export async function postponeAttempt(
  db: Kysely<Database>,
  file: File,
  error: ConnectorError,
  outage: ConnectorError,
): Promise<FileStatus | null> {
  const { rows } = await sql<{ status: FileStatus | null }>`
    select s3_connector_private.postpone_attempt(
      ${file.id}, ${file.attempt_id}, ${error.code}, ${toText(describeError(error))}, ${outage.code}, ${toText(describeError(outage))}
    ) as status`.execute(db);
  return rows[0]?.status ?? null;
}

/** Replaces NUL bytes, which PostgreSQL's `text` cannot hold and a message may quote. */
function toText(message: string): string {
  return message.replaceAll('\0', '\\0');
}

/** Records the version of an object that replaced the listed one, so that the next attempt fetches it. */
export async function recordNewVersion(
  db: Kysely<Database>,
  file: File,
  object: SourceObject,
): Promise<void> {
  await sql`
    select s3_connector_private.refresh_object(
      ${file.id}, ${object.etag}, ${object.sizeBytes}, ${object.lastModified.toISOString()}::timestamptz
    )`.execute(db);
}

/** Queues a poll if the connector has a backlog and enough free places in the queue. */
export async function pollBacklog(db: Kysely<Database>, connectorName: string): Promise<void> {
  await sql`select s3_connector_private.refill(${connectorName})`.execute(db);
}
