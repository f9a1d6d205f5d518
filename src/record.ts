import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import type { Database, File, FileStatus } from './db/schema.ts';
import { ConnectorError, describeError } from './errors.ts';
import type { SourceObject } from './sources/source.ts';

/** Rows of a file: read = imported + rejected + skipped. */
export interface RowCounts {
  imported: number;
  rejected: number;
  skipped: number;
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
): Promise<File | undefined> {
  const { rows } = await sql<File>`
    select * from s3_connector_private.start_attempt(${fileId}, ${workerId}, ${liveAttempts}::bigint[])`.execute(
    db,
  );
  return rows[0];
}

/**
 * Records the success of an attempt on the connection, and in the transaction, that holds its rows.
 * @throws ConnectorError `attempt_superseded` where the file was cancelled, dropped or taken over meanwhile
 */
export async function recordSuccess(client: pg.ClientBase, file: File, counts: RowCounts): Promise<void> {
  const { rows } = await client.query<{ finished: boolean }>(
    'select s3_connector_private.finish_attempt($1, $2, $3, $4, $5, $6) as finished',
    [
      file.id,
      file.attempt_id,
      counts.imported + counts.rejected + counts.skipped,
      counts.imported,
      counts.rejected,
      counts.skipped,
    ],
  );
  if (!rows[0]?.finished) {
    throw new ConnectorError(
      'attempt_superseded',
      'the file was cancelled, dropped, or taken over by another worker; nothing was kept',
    );
  }
}

/**
 * Sets what connector_status shows as notice. As late in a transaction as may be: polls, and people who steer the
 * connector, wait for its row until the end.
 */
export async function recordNotice(
  client: pg.ClientBase,
  connectorName: string,
  notice: string | null,
): Promise<void> {
  await client.query('select s3_connector_private.set_notice($1, $2)', [connectorName, notice]);
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

/** Asks for a poll when the connector has a backlog and enough free places. */
export async function refill(db: Kysely<Database>, connectorName: string): Promise<void> {
  await sql`select s3_connector_private.refill(${connectorName})`.execute(db);
}
