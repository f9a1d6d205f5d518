import { type Kysely, sql } from 'kysely';
import pg from 'pg';
import { queryAll } from './db/query_all.ts';
import type { ColumnMapping, Connector, Database, File, FileStatus } from './db/schema.ts';
import { type ConnectorError, describeError } from './errors.ts';
import type { RowCounts } from './reconcile.ts';
import type { SourceObject } from './sources/source.ts';

/** A file whose attempt has begun, and what its connector says about importing it. */
export interface StartedFile {
  file: File;
  connector: Connector;
  mappings: ColumnMapping[];
}

/**
 * Begins an attempt; undefined where there is nothing to do (imported, being imported, paused, cancelled, dropped).
 * @param liveAttempts ids of the attempts at the file that this worker is making
 */
export async function startAttempt(
  db: Kysely<Database>,
  fileId: number,
  workerId: number,
  liveAttempts: number[],
): Promise<StartedFile | undefined> {
  const { rows } = await sql<StartedFile>`
    select * from s3_connector_private.begin_import(${fileId}, ${workerId}, ${liveAttempts}::bigint[])`.execute(
    db,
  );
  const [started] = rows;
  if (!started) return undefined;
  const { file } = started;
  // JSON has no times.
  return { ...started, file: { ...file, last_modified: new Date(file.last_modified) } };
}

/**
 * Records the success of an attempt and commits, on the connection that holds its rows: one message, as nobody needs
 * an answer between the two.
 * @param notice what connector_status is to show; undefined: what it shows
 * @returns whether the connector has a backlog
 * @throws what PostgreSQL refuses, with SQLSTATE S3C01 where the file was cancelled, dropped or taken over meanwhile
 */
export async function commitSuccess(
  client: pg.ClientBase,
  file: File,
  counts: RowCounts,
  notice: string | null | undefined,
): Promise<boolean> {
  const { read, imported, rejected, skipped } = counts;
  const values = [file.id, file.attempt_id, read, imported, rejected, skipped];
  const statements = [
    `select s3_connector_private.record_success(${values.map(Number).join(', ')}) as backlog`,
    // As late as may be: polls, and people who steer the connector, wait for its row until the end.
    ...(notice === undefined ? [] : [setNotice(file.connector_name, notice)]),
    'commit',
  ];
  const [recorded] = await queryAll<{ backlog: boolean }>(client, statements);
  return recorded!.rows[0]!.backlog;
}

function setNotice(connectorName: string, notice: string | null): string {
  const value = notice === null ? 'null' : pg.escapeLiteral(notice);
  return `select s3_connector_private.set_notice(${pg.escapeLiteral(connectorName)}, ${value})`;
}

/** Records a failed attempt; null where it is no longer the file's, as after a commit whose answer was lost. */
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
 * Takes back an attempt that failed because the bucket as a whole cannot be read; null where it is no longer the file's.
 * @param outage what the bucket itself answered
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

/** A message may quote what PostgreSQL's text cannot hold. */
function toText(message: string): string {
  return message.replaceAll('\0', '\\0');
}

/** Notes the version of an object that took the listed one's place, for the next attempt to fetch. */
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

/** Queues a poll where the connector has a backlog and enough free places. */
export async function refill(db: Kysely<Database>, connectorName: string): Promise<void> {
  await sql`select s3_connector_private.refill(${connectorName})`.execute(db);
}
