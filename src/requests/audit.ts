/** The "audit": compares the keys behind the marker with the tracked files. */
import { sql } from 'kysely';
import { ConnectorError } from '../errors.ts';
import type { Glob } from '../glob.ts';
import { compareKeys } from '../keys.ts';
import { compileMatcher } from '../matcher.ts';
import type { Source, SourceObject } from '../sources/source.ts';
import type { WorkerContext } from '../task.ts';
import { jsonb, type Request } from './request.ts';

/** How many keys an audit has read. */
export interface Audited {
  keysListed: number;
  keysMatched: number;
}

/**
 * Compares all matching keys, from start_after up to the marker, with the files, one page at a time. Then checks that a listing
 * that starts after the marker, like a poll's, begins with the same key that follows the marker in this one.
 * @throws ConnectorError `list_incomplete`; the listing's errors
 */
export async function auditKeys(request: Request, worker: WorkerContext): Promise<Audited> {
  const audited = { keysListed: 0, keysMatched: 0 };
  const marker = await readMarker(worker, request);
  if (marker === null) return audited;
  const { connector, signal } = request;
  const glob = compileMatcher(connector);
  const isBehind = (key: string) => compareKeys(key, marker) <= 0;
  const listing = { prefix: glob.prefix, delimiter: glob.delimiter, startAfter: connector.start_after };
  const source = worker.sources.open(connector);
  for await (const page of source.list(listing)) {
    signal.throwIfAborted();
    const behind = page.objects.filter((object) => isBehind(object.key));
    const matching = behind.filter((object) => glob.matches(object.key));
    audited.keysListed += behind.length;
    audited.keysMatched += matching.length;
    if (matching.length > 0) await compare(worker, request, matching);
    const beyond = page.objects.find(({ key }) => !isBehind(key) && glob.matches(key));
    if (beyond) await requireListed(source, glob, marker, beyond.key);
    if (page.lastKey !== null && !isBehind(page.lastKey)) break;
  }
  return audited;
}

/** Checks that a listing from the marker has the key. Otherwise it would never be imported, while the connector seems caught up. */
async function requireListed(source: Source, glob: Glob, marker: string, key: string): Promise<void> {
  const listing = { prefix: glob.prefix, delimiter: glob.delimiter, startAfter: marker };
  for await (const page of source.list(listing)) {
    if (page.objects.some((object) => object.key === key)) return;
    if (page.lastKey !== null && compareKeys(page.lastKey, key) >= 0) break;
  }
  if (await exists(source, key)) throw incomplete(marker, key);
}

async function exists(source: Source, key: string): Promise<boolean> {
  try {
    await source.head(key);
    return true;
  } catch (error) {
    if (error instanceof ConnectorError && error.code === 'object_missing') return false;
    throw error;
  }
}

function incomplete(marker: string, key: string): ConnectorError {
  return new ConnectorError(
    'list_incomplete',
    `the server's LIST answers leave keys out: ${key} comes after the marker ${marker}, and a LIST that starts after the marker does not have it`,
    {
      hint: "Polls will not find it either. Report it to the server's operator. Until it is fixed, try a pattern whose literal start is the key's own folder.",
    },
  );
}

async function readMarker({ control }: WorkerContext, { connector }: Request): Promise<string | null> {
  const progress = await control.db
    .selectFrom('s3_connector_private.progress')
    .select('marker')
    .where('connector_name', '=', connector.name)
    .executeTakeFirst();
  return progress?.marker ?? null;
}

async function compare(worker: WorkerContext, request: Request, objects: SourceObject[]): Promise<void> {
  const rows = objects.map((object) => ({
    key: object.key,
    etag: object.etag,
    size_bytes: object.sizeBytes,
    last_modified: object.lastModified,
  }));
  await sql`select s3_connector_private.compare_keys(${request.id}, ${jsonb(rows)})`.execute(
    worker.control.db,
  );
}
