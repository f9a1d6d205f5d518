import { type Kysely, sql } from 'kysely';
import type { Connector, Database } from './db/schema.ts';
import { ConnectorError, describeError } from './errors.ts';
import { compileGlob } from './glob.ts';
import type { WorkerContext } from './task.ts';

/**
 * What a source says where it may mean all of the bucket. `object_missing` is among them: a proxy with nothing behind it
 * answers 404 to whatever it is asked.
 */
const MAY_MEAN_THE_BUCKET = new Set([
  'access_denied',
  'assume_role_denied',
  'bad_credentials',
  'bad_role',
  'bucket_missing',
  'credentials_expired',
  'endpoint_not_allowed',
  'fetch_timeout',
  'no_credentials',
  'no_external_id',
  'object_missing',
  'source_unavailable',
  'sts_unavailable',
  'wrong_region',
]);

/**
 * Tells an outage, trouble of the bucket as a whole, from trouble of one object or one page: asks the bucket itself.
 * @param trouble what failed
 * @returns what the bucket answers; undefined: it can be read, or the trouble is none of the source
 */
export async function findOutage(
  worker: WorkerContext,
  connector: Connector,
  trouble: unknown,
  signal?: AbortSignal,
): Promise<ConnectorError | undefined> {
  return mayMeanTheBucket(trouble) ? await askBucket(worker, connector, signal) : undefined;
}

/**
 * Asks the bucket for one key that the connector may list.
 * @returns what is wrong with the bucket as a whole; undefined: it can be read, or nobody waits for the answer any more
 */
export async function askBucket(
  { sources }: WorkerContext,
  { pattern, ...connector }: Connector,
  signal?: AbortSignal,
): Promise<ConnectorError | undefined> {
  const { prefix, delimiter } = compileGlob(pattern);
  try {
    await sources.open(connector).probe({ prefix, delimiter, signal });
  } catch (answer) {
    if (mayMeanTheBucket(answer) && !signal?.aborted) return answer;
  }
  return undefined;
}

function mayMeanTheBucket(error: unknown): error is ConnectorError {
  return error instanceof ConnectorError && MAY_MEAN_THE_BUCKET.has(error.code);
}

/** Notes that a poll met an outage. */
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

/** Lets the connector's files go on. */
export async function endOutage(db: Kysely<Database>, connectorName: string): Promise<void> {
  await sql`select s3_connector_private.end_outage(${connectorName})`.execute(db);
}
