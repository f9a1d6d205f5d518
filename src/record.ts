/** Writes the begin and the result of an attempt to the database. */
import { type Kysely, sql } from 'kysely';
import type { Attempt } from './attempt.ts';
import { type BoundStatement, queryAll } from './db/query_all.ts';
import type { Database, File, FileStatus } from './db/schema.ts';
import { type ConnectorError, describeError } from './errors.ts';
import type { ImportTransaction } from './import/transaction.ts';
import type { RowCounts } from './reconcile.ts';
import type { SourceObject } from './sources/source.ts';
import { explainDenial, runDeferred } from './table/role.ts';

/** What to begin. */
export interface AttemptToStart {
  fileId: number;
  workerId: number;
  /** Ids of the attempts at the file that this worker runs. */
  runningAttempts: number[];
  /** How many files may be imported together. */
  mostFiles: number;
  /** Connectors whose files are not imported together. */
  alone: string[];
}

/**
 * Begins an attempt, and others at small files that follow: a bundle, in key order. Returns none if there is nothing to do
 * (imported, being imported, paused, cancelled, dropped).
 */
export async function startAttempts(
  db: Kysely<Database>,
  { fileId, workerId, runningAttempts, mostFiles, alone }: AttemptToStart,
): Promise<Omit<Attempt, 'signal'>[]> {
  const { rows } = await sql<Omit<Attempt, 'signal' | 'timeoutMs'> & { timeout_ms: number }>`
    select * from s3_connector_private.begin_import(
      ${fileId}, ${workerId}, ${runningAttempts}::bigint[], ${mostFiles}, ${alone}::text[]
    )`.execute(db);
  const [first] = rows;
  if (!first) return [];
  const { connector, mappings, timeout_ms: timeoutMs } = first;
  // JSON has no type for times.
  return rows.map(({ file, token }) => {
    const last_modified = new Date(file.last_modified);
    return { file: { ...file, last_modified }, connector, mappings, token, timeoutMs };
  });
}

/**
 * Ends the transaction of an import: records the success of its attempt and commits. A dry run rolls back instead.
 * @param fileNotice what was suspicious in the file; null: nothing
 * @returns whether the connector has a backlog
 * @throws PostgreSQL's errors; SQLSTATE S3C01 if the file was cancelled, dropped or taken over meanwhile
 */
export async function recordSuccess(
  transaction: ImportTransaction,
  attempt: Attempt,
  counts: RowCounts,
  fileNotice: string | null,
): Promise<boolean> {
  const { client, table } = transaction;
  const { owner } = attempt.connector;
  // Without a table and without old rows, no row can have a deferred trigger.
  const deferred = table === null && attempt.file.replaces === null ? [] : runDeferred(owner);
  const first = attempt.dryRun ? deferred : [...deferred, requireVersion(attempt)];
  const last = attempt.dryRun ? ['rollback'] : commitStatements(attempt, counts, transaction, fileNotice);
  try {
    // One message saves a round trip.
    const results = await queryAll<{ backlog: boolean }>(client, [...first, ...last]);
    return attempt.dryRun ? false : results[first.length]!.rows[0]!.backlog;
  } catch (error) {
    throw explainDenial(error, owner);
  }
}

/** How one file of a bundle ended. */
export interface BundledResult {
  attempt: Attempt;
  counts: RowCounts;
  fileNotice: string | null;
}

/**
 * Ends the transaction of a bundle: records the success of each attempt, in the order of the results, and commits.
 * @returns whether the connector has a backlog
 * @throws PostgreSQL's errors; SQLSTATE S3C01 if a file was cancelled, dropped or taken over meanwhile
 */
export async function recordSuccesses(
  { client }: ImportTransaction,
  results: BundledResult[],
): Promise<boolean> {
  const rows = results.map(({ attempt: { file, token }, counts, fileNotice }) => {
    const { read, imported, rejected, skipped } = counts;
    const { id: file_id, attempt_id, etag, size_bytes } = file;
    const version = { etag, size_bytes };
    return { file_id, attempt_id, token, ...version, read, imported, rejected, skipped, notice: fileNotice };
  });
  const first = runDeferred(results[0]!.attempt.connector.owner);
  const record = {
    text: 'select s3_connector_import.record_successes($1) as backlog',
    values: [JSON.stringify(rows)],
  };
  const done = await queryAll<{ backlog: boolean }>(client, [...first, record, 'commit']);
  return done[first.length]!.rows[0]!.backlog;
}

/** Checks that the version that was read is the one that the file names. */
function requireVersion({ file, read }: Attempt): BoundStatement {
  return {
    text: 'select s3_connector_import.require_version($1, $2, $3, $4)',
    values: [file.id, file.attempt_id, read?.etag ?? file.etag, read?.sizeBytes ?? file.size_bytes],
  };
}

function commitStatements(
  { file, token, connector }: Attempt,
  { read, imported, rejected, skipped, changes }: RowCounts,
  { notice, schemaChanges }: ImportTransaction,
  fileNotice: string | null,
): (string | BoundStatement)[] {
  const createdTable = notice !== undefined;
  const counts = [read, imported, rejected, skipped];
  // A file without rows changes none.
  const changed =
    changes ?? (connector.change_column === null ? null : { inserted: 0, updated: 0, deleted: 0 });
  const recordChanges = {
    text: 'select s3_connector_import.record_schema_changes($1, $2, $3, $4)',
    values: [file.id, file.attempt_id, token, JSON.stringify(schemaChanges)],
  };
  return [
    {
      text: 'select s3_connector_import.record_success($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) as backlog',
      values: [
        ...[file.id, file.attempt_id, token, ...counts, createdTable, notice ?? null, fileNotice],
        ...[changed?.inserted ?? null, changed?.updated ?? null, changed?.deleted ?? null],
      ],
    },
    ...(schemaChanges.length === 0 ? [] : [recordChanges]),
    'commit',
  ];
}

/** Records a failed attempt. Returns null if the attempt has lost its file, for example by a commit whose answer was lost. */
export async function recordFailure(
  db: Kysely<Database>,
  file: File,
  error: ConnectorError,
): Promise<FileStatus | null> {
  const { rows } = await sql<{ status: FileStatus | null }>`
    select s3_connector_private.fail_attempt(
      ${file.id}, ${file.attempt_id}, ${error.code}, ${describeError(error)}, ${error.passing}
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
      ${file.id}, ${file.attempt_id}, ${error.code}, ${describeError(error)}, ${outage.code}, ${describeError(outage)}
    ) as status`.execute(db);
  return rows[0]?.status ?? null;
}

/**
 * Takes back an attempt that got no session of the database, so that it does not count. Returns null if the attempt has lost
 * its file.
 * @param waitMs when the file is tried again, in milliseconds from now
 */
export async function returnAttempt(
  db: Kysely<Database>,
  file: File,
  error: ConnectorError,
  waitMs: number,
): Promise<FileStatus | null> {
  const { rows } = await sql<{ status: FileStatus | null }>`
    select s3_connector_private.return_attempt(
      ${file.id}, ${file.attempt_id}, ${error.code}, ${describeError(error)}, ${waitMs}::float8 * interval '1 millisecond'
    ) as status`.execute(db);
  return rows[0]?.status ?? null;
}

/** Ends attempts that were begun with a bundle and are not made now, so that they do not count. Their files are queued again. */
export async function giveBackAttempts(db: Kysely<Database>, attempts: Attempt[]): Promise<void> {
  const ids = attempts.map(({ file }) => file.attempt_id!);
  await sql`select s3_connector_private.give_back_attempts(${ids}::bigint[])`.execute(db);
}

/** Records the version of an object that replaced the listed one, so that the next attempt fetches it. */
export async function recordNewVersion(
  db: Kysely<Database>,
  file: File,
  object: SourceObject,
): Promise<void> {
  await sql`
    select s3_connector_private.refresh_object(
      ${file.id}, ${file.attempt_id}, ${object.etag}, ${object.sizeBytes}, ${object.lastModified.toISOString()}::timestamptz
    )`.execute(db);
}
