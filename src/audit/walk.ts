/**
 * The walk of an "audit": lists the keys behind the marker and compares them with the files, one page at a time. It can stop
 * after any page.
 */
import { at } from '../fault_points.ts';
import type { Glob } from '../glob.ts';
import { compareKeys, laterKey } from '../keys.ts';
import { compileMatcher } from '../matcher.ts';
import type { ListPage, Source, SourceObject } from '../sources/source.ts';
import type { WorkerContext } from '../task.ts';
import type { Audit } from './audit.ts';
import { requireListed } from './require_listed.ts';

interface WalkLimits {
  /** The walk stops after the page with which the audit has made so many LIST requests. */
  maxRequests: number;
  signal: AbortSignal;
}

/** `finished`; `stopped`: by its limits, to be continued; `ended`: by somebody else, or its connector was paused or deleted. */
type WalkEnd = 'finished' | 'stopped' | 'ended';

/** What is compared at once: a page, or its first part. */
interface Part {
  objects: SourceObject[];
  /** The last key of the part, or a later one that precedes all further keys. */
  position: string;
}

/**
 * Walks from the audit's position to its marker, and finishes the audit. Checks that a listing that starts after the marker,
 * like a poll's, begins with the same key that follows the marker in this one.
 * @throws ConnectorError `list_incomplete`; the listing's errors
 */
export async function walk(
  { sources }: WorkerContext,
  audit: Audit,
  { maxRequests, signal }: WalkLimits,
): Promise<WalkEnd> {
  const { connector, marker, lists } = audit;
  const glob = compileMatcher(connector);
  const source = sources.open(connector, lists);
  let following: string | undefined;
  if (marker !== null) {
    for await (const page of listRest(source, audit, glob)) {
      // Only empty pages so far: a walk that stopped here would start at the same place and stop there again.
      if (page.lastKey === null) continue;
      const isLast = compareKeys(page.lastKey, marker) > 0;
      const stops = !isLast && (signal.aborted || lists.requests >= maxRequests);
      const { objects, position } = stops ? cutAtRandom(page) : { ...page, position: page.lastKey };
      const behind = objects.filter(({ key }) => compareKeys(key, marker) <= 0);
      const matching = behind.filter(({ key }) => glob.matches(key));
      const passed = { position: isLast ? marker : position, keysListed: behind.length };
      const goesOn = await at('compare_page', () => audit.compare(matching, passed));
      if (!goesOn) return 'ended';
      if (stops) return 'stopped';
      following = page.objects.find(({ key }) => compareKeys(key, marker) > 0 && glob.matches(key))?.key;
      if (isLast) break;
    }
  }
  if (!(await at('compare_end', () => audit.compare([], { position: null, keysListed: 0 })))) return 'ended';
  if (marker !== null && following !== undefined) await requireListed(source, glob, marker, following);
  await at('finish_audit', () => audit.finish());
  return 'finished';
}

function listRest(
  source: Source,
  { connector, position }: Audit,
  { prefix, delimiter }: Glob,
): AsyncIterable<ListPage> {
  return source.list({ prefix, delimiter, startAfter: laterKey(connector.start_after, position) });
}

/**
 * Returns a part of a page that ends at a random key in its second half, after which the next walk starts. Servers that leave
 * keys out do it near the start of a listing, and polls start where pages end. So each walk starts elsewhere.
 */
function cutAtRandom({ objects, lastKey }: ListPage): Part {
  const half = Math.ceil(objects.length / 2);
  const count = half + Math.floor(Math.random() * (objects.length - half));
  return { objects: objects.slice(0, count), position: objects[count - 1]?.key ?? lastKey! };
}
