import { sql } from 'kysely';
import { compileGlob } from '../glob.ts';
import { compareKeys } from '../keys.ts';
import type { SourceObject } from '../sources/source.ts';
import type { WorkerContext } from '../task.ts';
import { jsonb, type Request } from './request.ts';

/** How much an audit has looked at. */
export interface Audited {
  keysListed: number;
  keysMatched: number;
}

/** Compares all that matches, from start_after up to the marker, with the files: a page of the listing at a time. */
export async function auditKeys(request: Request, worker: WorkerContext): Promise<Audited> {
  const audited = { keysListed: 0, keysMatched: 0 };
  const marker = await readMarker(worker, request);
  if (marker === null) return audited;
  const { connector, signal } = request;
  const glob = compileGlob(connector.pattern);
  const isBehind = (key: string) => compareKeys(key, marker) <= 0;
  const listing = { prefix: glob.prefix, delimiter: glob.delimiter, startAfter: connector.start_after };
  for await (const page of worker.sources.open(connector).list(listing)) {
    signal.throwIfAborted();
    const behind = page.objects.filter((object) => isBehind(object.key));
    const matching = behind.filter((object) => glob.matches(object.key));
    audited.keysListed += behind.length;
    audited.keysMatched += matching.length;
    if (matching.length > 0) await compare(worker, request, matching);
    if (page.lastKey !== null && !isBehind(page.lastKey)) break;
  }
  return audited;
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
