/**
 * Chooses what a poll lists. While there is a backlog, it lists on from the scan position. Otherwise three places matter: around
 * the marker, the end of the bucket, and the "tail", the keys between the two. If the tail fits on the first page, one LIST
 * request sees all three. If not, a poll looks where matching keys arrived last, and now and then everywhere.
 */
import type { Glob } from '../glob.ts';
import { compareKeys, laterKey } from '../keys.ts';
import { emptyListing, type Listing, type ListLimits, listMatching } from '../list.ts';
import type { Ending, Source } from '../sources/source.ts';

/** Where listings start, as the polls before have left it. */
export interface ListStart {
  /** Null: before every key. */
  marker: string | null;
  /** Nothing that matches is before it. */
  startAfter: string | null;
  /** Where a scan goes on that has not reached the end of the bucket. */
  scanPosition: string | null;
  /** Whether keys between the marker and the scan position wait in upcoming_keys. They are listed again. */
  hasUpcoming: boolean;
  window: Window;
  /** Whether somebody waits for this poll: it looks around the marker and at the end of the bucket. */
  isAsked: boolean;
  /** Whether a long tail is to be walked: the poll looks everywhere. */
  walkIsDue: boolean;
  /** How an earlier poll's listing ended, not long ago. Null: nothing is known. */
  ending: Ending | null;
}

/** Where a poll without a backlog lists. */
export interface Window {
  /** Some hundred names before the marker; empty: before every key. */
  lookBehind: string;
  /** Some hundred names before the end of the bucket; null: a listing from `lookBehind` reaches the end. */
  endPosition: string | null;
  /** How far the walk of the tail has come; null: it starts again. */
  tailPosition: string | null;
  /** Whether the last key that matched, beside a long tail, was at the end of the bucket, and not just after the marker. */
  arrivesAtEnd: boolean;
}

export interface PollListing extends Omit<Listing, 'names' | 'uncrowded'> {
  /** Where the scan goes on; null if there is no more. */
  scanPosition: string | null;
  window: Window;
  /** Whether it walked on in a long tail. */
  hasWalked: boolean;
  /** How it ended; null: what is known stays known. */
  ending: Ending | null;
}

/** How often polls walk on in a long tail, and look also where keys do not arrive. */
export const WALK_EVERY_SECONDS = 300;
/** Pages of one walk. A tail of 300,000 keys takes eight and a half hours. */
const WALKED_PAGES = 3;

type Limits = Pick<ListLimits, 'places' | 'youngerThan' | 'maxRequests'>;
type List = (startAfter: string | null, limits?: Partial<ListLimits>) => Promise<Listing>;

/** Lists for a poll: all keys after the marker that it can find, and those just behind it. */
export async function listForPoll(
  source: Source,
  glob: Glob,
  start: ListStart,
  limits: Limits,
): Promise<PollListing> {
  const list: List = (startAfter, more) =>
    listMatching(source, glob, startAfter, { ...limits, marker: start.marker, sideBySide: true, ...more });
  const isScanning = start.scanPosition !== null || start.hasUpcoming;
  return isScanning ? await scan(list, start) : await look(list, start, limits);
}

async function scan(
  list: List,
  { marker, scanPosition, hasUpcoming, window }: ListStart,
): Promise<PollListing> {
  const listing = await list((hasUpcoming ? marker : laterKey(marker, scanPosition)) || null);
  return withPositions(listing, windowAfter(window, listing));
}

async function look(list: List, start: ListStart, limits: Limits): Promise<PollListing> {
  const { marker, window, ending } = start;
  const { endPosition } = window;
  const around = looksAround(start)
    ? await list(window.lookBehind || null, {
        ending,
        ...(endPosition === null ? {} : { isEnough: isBetween(marker, endPosition) }),
      })
    : { ...emptyListing(marker), stoppedBy: 'enough' as const, lastKey: marker };
  if (endPosition === null || around.stoppedBy !== 'enough') {
    const reachedEnd = around.stoppedBy === 'end';
    return withPositions(around, windowAfter(reachedEnd ? { ...window, endPosition: null } : window, around));
  }
  return await lookBeyond(list, start, around, endPosition, limits);
}

/** Returns whether a poll lists the keys around the marker. Before the first match, nothing is behind it, and the walk lists what follows. */
function looksAround(start: ListStart): boolean {
  const { marker, isAsked, walkIsDue, window } = start;
  const { endPosition, arrivesAtEnd } = window;
  if (endPosition === null) return true;
  if (hasNoMatch(start)) return false;
  return isAsked || walkIsDue || !arrivesAtEnd || marker === null || compareKeys(marker, endPosition) >= 0;
}

function hasNoMatch({ marker, startAfter }: ListStart): boolean {
  return marker === null || marker === startAfter;
}

/** Looks at the end of the bucket and walks on in the tail, as far as it is time for that. If a key matches there, lists all keys up to it. */
async function lookBeyond(
  list: List,
  start: ListStart,
  around: Listing,
  endPosition: string,
  limits: Limits,
): Promise<PollListing> {
  const { window, isAsked, walkIsDue } = start;
  const looksAtEnd = isAsked || walkIsDue || window.arrivesAtEnd || around.requests === 0;
  const end = looksAtEnd ? await list(endPosition, { ending: start.ending }) : emptyListing(around.lastKey);
  const walk = walkIsDue ? await walkTail(list, window, around.lastKey, endPosition) : undefined;
  const next: Window = {
    lookBehind: around.names.beforeMatch ?? window.lookBehind,
    endPosition: end.names.beforeLast ?? endPosition,
    tailPosition: walk ? walk.position : window.tailPosition,
    arrivesAtEnd: end.objects.length > 0 || (window.arrivesAtEnd && around.objects.length === 0),
  };
  const others = [end, ...(walk ? [walk.listing] : [])];
  const seen = add(around, ...others.map((listing) => ({ ...listing, objects: [] })));
  const found = others.find(({ objects }) => objects.length > 0)?.objects.at(-1);
  const hasWalked = walk !== undefined;
  if (found === undefined) {
    // A scan starts before the tail, because the marker passes what a scan has passed.
    return {
      ...withPositions(seen, next),
      ending: endingOf(end),
      scanPosition: goesOn(end) ? (around.lastKey ?? '') : null,
      hasWalked,
    };
  }
  // The marker passes only keys that were listed now: one that arrived in the tail since its last walk would be late. After that
  // no poll looks around the old marker.
  const isUnseen = around.requests === 0 && !hasNoMatch(start);
  const rest = await list(isUnseen ? window.lookBehind || null : around.lastKey, {
    places: limits.places - around.objects.length,
    maxRequests: Math.max(limits.maxRequests - seen.requests, 1),
    until: found.key,
  });
  const lookBehind = rest.names.beforeMatch ?? next.lookBehind;
  return {
    ...withPositions(add(seen, rest), { ...next, lookBehind }),
    ending: endingOf(end),
    hasWalked,
  };
}

/** Lists some pages of the tail. The position is where the next walk goes on; null: at the start of the tail. */
async function walkTail(
  list: List,
  { tailPosition }: Window,
  from: string | null,
  endPosition: string,
): Promise<{ listing: Listing; position: string | null }> {
  let pages = 0;
  const isPast = (key: string) => compareKeys(key, endPosition) >= 0;
  const listing = await list(tailStart(tailPosition, from, endPosition), {
    isEnough: (lastKey) => {
      pages += 1;
      return pages >= WALKED_PAGES || isPast(lastKey);
    },
  });
  const isWalked = listing.lastKey === null || isPast(listing.lastKey);
  return { listing, position: isWalked ? null : listing.lastKey };
}

function isBetween(marker: string | null, endPosition: string): (key: string) => boolean {
  return (key) => (marker === null || compareKeys(key, marker) > 0) && compareKeys(key, endPosition) < 0;
}

function tailStart(tailPosition: string | null, from: string | null, endPosition: string): string | null {
  const start = laterKey(tailPosition, from);
  return start !== null && compareKeys(start, endPosition) < 0 ? start : from;
}

/** Returns a listing with what others saw. It goes on where the last one stopped. */
function add(first: Listing, ...others: Listing[]): Listing {
  return others.reduce(
    (sum, other) => ({
      ...other,
      stoppedBy: sum.stoppedBy === 'young' && !goesOn(other) ? 'young' : other.stoppedBy,
      objects: [...sum.objects, ...other.objects],
      behind: [...sum.behind, ...other.behind],
      leftYoung: sum.leftYoung || other.leftYoung,
      keysListed: sum.keysListed + other.keysListed,
      keysMatched: sum.keysMatched + other.keysMatched,
      requests: sum.requests + other.requests,
    }),
    first,
  );
}

/** Moves the window to the end of a listing, if that is longer than a window. Otherwise the next listing from the old place still is on one page. */
function windowAfter(window: Window, { names }: Listing): Window {
  const { beforeLast, beforeMatch } = names;
  if (beforeLast === undefined) return window;
  const isTailLong = window.endPosition !== null && beforeMatch === undefined;
  if (names.sinceMatch <= names.window / 2 && !isTailLong)
    return { ...window, lookBehind: beforeLast, endPosition: null, tailPosition: null };
  return { ...window, lookBehind: beforeMatch ?? window.lookBehind, endPosition: beforeLast };
}

function withPositions(ended: Listing, window: Window): PollListing {
  const { names: _, uncrowded: __, ...listing } = ended;
  const scanPosition = goesOn(listing) ? listing.lastKey : null;
  return { ...listing, scanPosition, window, hasWalked: false, ending: endingOf(ended) };
}

function endingOf({ stoppedBy, names, uncrowded }: Listing): Ending | null {
  if (stoppedBy !== 'end' || uncrowded === undefined || names.last === undefined) return null;
  return { uncrowded, lastName: names.last };
}

function goesOn({ stoppedBy }: Pick<Listing, 'stoppedBy'>): boolean {
  return stoppedBy === 'full' || stoppedBy === 'budget';
}
