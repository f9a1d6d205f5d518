/**
 * Chooses the "sample": files across the whole listing that decide the types of a new table. A bucket of a few thousand keys is listed
 * wholly. Of a larger one, the first pages are listed, and then single pages at ever later places, up to the end.
 */
import type { Connector } from '../db/schema.ts';
import { compareKeys } from '../keys.ts';
import { listMatching } from '../list.ts';
import { compileMatcher, type Matcher } from '../matcher.ts';
import { isArchived } from '../sources/archived.ts';
import type { Source, SourceObject } from '../sources/source.ts';

/** Files of a sample, with the first one. */
export const SAMPLE_FILES = 20;

/** LIST requests for the first keys, 1,000 each; and for later places. */
const FIRST_REQUESTS = 4;
const LATER_REQUESTS = 16;

/** The keys that a sample is chosen from. */
export interface SpreadKeys {
  /** Matching objects in key order. */
  objects: SourceObject[];
  /** Whether these are all. */
  complete: boolean;
}

/** Lists keys across a bucket, with some LIST requests. */
export async function listSpread(
  source: Pick<Source, 'list'>,
  connector: Connector,
  signal: AbortSignal,
): Promise<SpreadKeys> {
  const matcher = compileMatcher(connector);
  const first = await listPages(source, matcher, connector.start_after, FIRST_REQUESTS);
  signal.throwIfAborted();
  if (first.reachedEnd || first.lastKey === null)
    return { objects: first.objects, complete: first.reachedEnd };
  const later = await listLater(source, matcher, first.lastKey, signal);
  const byKey = new Map([...first.objects, ...later].map((object) => [object.key, object]));
  return { objects: [...byKey.values()].sort((a, b) => compareKeys(a.key, b.key)), complete: false };
}

/** Bisects the keys after one, until a page reaches the end. Returns what it saw on the way. */
async function listLater(
  source: Pick<Source, 'list'>,
  matcher: Matcher,
  from: string,
  signal: AbortSignal,
): Promise<SourceObject[]> {
  const seen: SourceObject[] = [];
  let last = from;
  // Nothing of the prefix is beyond it.
  let beyond = `${matcher.prefix}${LAST_CHARACTER}`;
  for (let requests = 0; requests < LATER_REQUESTS; ) {
    const middle = keyBetween(last, beyond);
    if (middle === null) break;
    const page = await listPages(source, matcher, middle, 1);
    signal.throwIfAborted();
    requests += page.requests;
    seen.push(...page.objects);
    if (page.lastKey === null) beyond = middle;
    else if (page.reachedEnd) break;
    else last = page.lastKey;
  }
  return seen;
}

async function listPages(
  source: Pick<Source, 'list'>,
  matcher: Matcher,
  startAfter: string | null,
  maxRequests: number,
) {
  const limits = { places: Number.POSITIVE_INFINITY, youngerThan: null, maxRequests };
  const { objects, lastKey, requests, stoppedBy } = await listMatching(source, matcher, startAfter, limits);
  return { objects, lastKey, requests: Math.max(requests, 1), reachedEnd: stoppedBy === 'end' };
}

const FIRST_CHARACTER = ' ';
const LAST_CHARACTER = '~';
/** Where digits, capitals and small letters end: names seldom mix them at one place, and so half of each bisection is saved. */
const CLASS_ENDS = [':', '[', '{'];

/** Returns a key between two, made of ASCII characters; null if there is none. */
export function keyBetween(low: string, high: string): string | null {
  let at = 0;
  while (at < low.length && low[at] === high[at]) at++;
  for (; at <= low.length; at++) {
    const start = low.slice(0, at);
    const from = low.charCodeAt(at) || FIRST_CHARACTER.charCodeAt(0);
    const to = endOf(from, start, high, at);
    const middle = (from + to + 1) >> 1;
    if (middle > from && middle <= LAST_CHARACTER.charCodeAt(0)) {
      const key = start + String.fromCharCode(middle);
      if (compareKeys(key, low) > 0 && compareKeys(key, high) < 0) return key;
    }
  }
  return null;
}

/** Returns up to which character a place of a key is bisected. */
function endOf(from: number, start: string, high: string, at: number): number {
  if (high.startsWith(start) && high.length > at && high.charCodeAt(at) > from) {
    const limit = high.charCodeAt(at);
    return limit === LAST_CHARACTER.charCodeAt(0) ? classEnd(from) : limit;
  }
  return classEnd(from);
}

function classEnd(from: number): number {
  const end = CLASS_ENDS.find((character) => character.charCodeAt(0) > from) ?? LAST_CHARACTER;
  return end.charCodeAt(0);
}

/** Returns up to so many objects that can be read, spread evenly, with the last one; without `key`, which is read anyway. */
export function spreadOver(
  { objects }: SpreadKeys,
  key: string,
  { count, maxFileBytes }: { count: number; maxFileBytes: number },
): SourceObject[] {
  const readable = objects.filter(
    (object) =>
      object.key !== key && object.sizeBytes > 0 && object.sizeBytes <= maxFileBytes && !isArchived(object),
  );
  if (readable.length <= count) return readable;
  return Array.from(
    { length: count },
    (_, i) => readable[Math.ceil(((i + 1) * readable.length) / count) - 1]!,
  );
}
