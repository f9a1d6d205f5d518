/** Tells an "outage", an error of the bucket as a whole, from an error of one object or one page. */
import { type Kysely, sql } from 'kysely';
import type { Connector, Database } from './db/schema.ts';
import { ConnectorError, describeError } from './errors.ts';
import { at } from './fault_points.ts';
import { compileGlob } from './glob.ts';
import type { ListCount } from './sources/source.ts';
import type { WorkerContext } from './task.ts';

/**
 * Codes that may mean the whole bucket. `object_missing` is one of them: a proxy without a server behind it answers 404 to
 * every request.
 */
const MAY_MEAN_THE_BUCKET = new Set([
  'access_denied',
  'account_refused',
  'addressing_refused',
  'assume_role_denied',
  'bad_credentials',
  'bad_role',
  'bucket_missing',
  'clock_wrong',
  'credentials_expired',
  'credentials_unavailable',
  'endpoint_not_allowed',
  'fetch_timeout',
  'no_credentials',
  'no_external_id',
  'object_missing',
  'request_not_supported',
  'request_refused',
  'source_unavailable',
  'sts_unavailable',
  'wrong_region',
]);

interface AskOptions {
  signal?: AbortSignal;
  /** Gets the LIST requests. */
  lists?: ListCount;
}

/**
 * Asks the bucket itself, if an error may mean the whole bucket.
 * @param cause the error
 * @returns the bucket's error; undefined if it can be read, or the error is not one of the source
 */
export async function findOutage(
  worker: WorkerContext,
  connector: Connector,
  cause: unknown,
  options: AskOptions,
): Promise<ConnectorError | undefined> {
  return mayMeanTheBucket(cause) ? await askBucket(worker, connector, options) : undefined;
}

/**
 * Asks the bucket for one key that the connector may list.
 * @returns the bucket's error; undefined if it can be read, or the signal was aborted
 */
export async function askBucket(
  { sources }: WorkerContext,
  { pattern, ...connector }: Connector,
  { signal, lists }: AskOptions,
): Promise<ConnectorError | undefined> {
  const { prefix, delimiter } = compileGlob(pattern);
  try {
    await at('probe', () => sources.open(connector, lists).probe({ prefix, delimiter, signal }), 'source');
  } catch (answer) {
    if (mayMeanTheBucket(answer) && !signal?.aborted) return answer;
  }
  return undefined;
}

function mayMeanTheBucket(error: unknown): error is ConnectorError {
  return error instanceof ConnectorError && MAY_MEAN_THE_BUCKET.has(error.code);
}

/** Records that a poll found an outage. */
export async function noteOutage(
  db: Kysely<Database>,
  connectorName: string,
  outage: ConnectorError,
): Promise<void> {
  await sql`
    select s3_connector_private.note_outage(${connectorName}, ${outage.code}, ${describeError(outage)}, false)`.execute(
    db,
  );
}

/** Ends the outage: the connector's files are imported again. */
export async function endOutage(db: Kysely<Database>, connectorName: string): Promise<void> {
  await sql`select s3_connector_private.end_outage(${connectorName})`.execute(db);
}
