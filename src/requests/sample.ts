/** Finds and reads a sample: the first file that a connector would import. */
import type pg from 'pg';
import { rollBack } from '../db/roll_back.ts';
import type { Connector } from '../db/schema.ts';
import { fetchFor } from '../fetch.ts';
import type { FilePart } from '../formats/format.ts';
import { FORMATS } from '../formats/registry.ts';
import { takeSession } from '../import/session.ts';
import { type Listing, listMatching } from '../list.ts';
import { compileMatcher } from '../matcher.ts';
import { type InferredTable, inferTable } from '../sample/infer_table.ts';
import { isArchived } from '../sources/archived.ts';
import type { Source, SourceObject } from '../sources/source.ts';
import { toImportError } from '../sql_errors.ts';
import type { WorkerContext } from '../task.ts';
import { type Census, countedSource } from './census.ts';
import type { Request } from './request.ts';

export interface FirstKeys extends Listing {
  census: Census;
}

/** Returns the first matching keys after start_after; the marker does not matter. */
export async function listFirst(
  source: Source,
  connector: Connector,
  limits: { places: number; maxRequests: number },
): Promise<FirstKeys> {
  const matcher = compileMatcher(connector);
  const counted = countedSource(source, matcher);
  const options = { ...limits, youngerThan: null };
  const listing = await listMatching(counted.source, matcher, connector.start_after, options);
  return { ...listing, objects: listing.objects.slice(0, limits.places), census: counted.census };
}

/** Returns the first file that is not empty; an archived one only if all are. */
export function sampleOf({ objects }: Listing): SourceObject | undefined {
  const filled = objects.filter((object) => object.sizeBytes > 0);
  return filled.find((object) => !isArchived(object)) ?? filled[0];
}

/** Fetches one byte of an object; nothing if it is empty. */
export async function readByte(
  source: Source,
  object: SourceObject,
  { offset, signal }: { offset: number; signal: AbortSignal },
): Promise<void> {
  const body = await source.open(object, { offset, signal, ...(object.sizeBytes > 0 ? { length: 1 } : {}) });
  for await (const _ of body);
}

/** The first part of a file, and the function that returns the columns of the table that it would make. */
export interface FirstPart {
  part: FilePart;
  /** Samples other files the first time; null as `inferTable`. */
  infer(): Promise<InferredTable | null>;
}

/** Fetches an object like an import, and runs a function with its first part; null if it has no rows. */
export async function withFirstPart<T>(
  worker: WorkerContext,
  request: Request,
  object: SourceObject,
  run: (first: FirstPart | null) => Promise<T>,
): Promise<T> {
  const { id, connector, signal } = request;
  const spoolName = `request.${id}`;
  const fetched = await fetchFor(worker, connector, object, { name: spoolName, signal });
  const { file } = fetched;
  try {
    for await (const part of FORMATS[connector.format.kind].parts(file, connector, worker, signal)) {
      let inferred: Promise<InferredTable | null> | undefined;
      const infer = () => {
        inferred ??= inferTable(worker, { ...request, key: object.key, file, spoolName }, part);
        return inferred;
      };
      return await run({ part, infer });
    }
    return await run(null);
  } finally {
    await fetched.remove();
  }
}

/** Runs a function in a transaction that is always rolled back. */
export async function rolledBack<T>(pool: pg.Pool, run: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const client = await takeSession(pool);
  try {
    await client.query('begin');
    return await run(client);
  } catch (error) {
    throw toImportError(error);
  } finally {
    client.release(await rollBack(client));
  }
}
