/**
 * Chooses what a poll lists. While there is a backlog, it lists on from the scan position. Otherwise it looks at three places:
 * around the marker, at the end of the bucket, and at one page of the "tail", the keys between the two. If the tail fits on the
 * first page, one LIST request sees all three.
 */
import type { Glob } from '../glob.ts';
import { compareKeys, laterKey } from '../keys.ts';
import { emptyListing, type Listing, type ListLimits, listMatching } from '../list.ts';
import type { Source } from '../sources/source.ts';

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
}

/** Where a poll without a backlog lists. */
export interface Window {
  /** Some hundred names before the marker; empty: before every key. */
  lookBehind: string;
  /** Some hundred names before the end of the bucket; null: a listing from `lookBehind` reaches the end. */
  endPosition: string | null;
  /** How far the walk of the tail has come; null: it starts again. */
  tailPosition: string | null;
}

export interface PollListing extends Omit<Listing, 'names'> {
  /** Where the scan goes on; null if there is no more. */
  scanPosition: string | null;
  window: Window;
}

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
    listMatching(source, glob, startAfter, { ...limits, marker: start.marker, ...more });
  const isScanning = start.scanPosition !== null || start.hasUpcoming;
  return isScanning ? await scan(list, start) : await look(list, start, limits);
}

async function scan(
  list: List,
  { marker, scanPosition, hasUpcoming, window }: ListStart,
): Promise<PollListing> {
  const listing = await list(hasUpcoming ? marker : laterKey(marker, scanPosition));
  return withPositions(listing, windowAfter(window, listing));
}

async function look(list: List, start: ListStart, limits: Limits): Promise<PollListing> {
  const { marker, startAfter, window } = start;
  const { endPosition } = window;
  // Before the first match, nothing is behind the marker.
  const isFirst = endPosition !== null && (marker === null || marker === startAfter);
  const around = isFirst
    ? { ...emptyListing(marker), stoppedBy: 'enough' as const, lastKey: marker }
    : await list(
        window.lookBehind || null,
        endPosition === null ? {} : { isEnough: isBetween(marker, endPosition) },
      );
  if (endPosition === null || around.stoppedBy !== 'enough') {
    const reachedEnd = around.stoppedBy === 'end';
    return withPositions(around, windowAfter(reachedEnd ? { ...window, endPosition: null } : window, around));
  }
  return await lookBeyond(list, start, around, endPosition, limits);
}

/** Lists the end of the bucket, and one page of the tail. If a key matches there, lists all keys up to it. */
async function lookBeyond(
  list: List,
  { window }: ListStart,
  around: Listing,
  endPosition: string,
  limits: Limits,
): Promise<PollListing> {
  const end = await list(endPosition);
  const tail = await list(tailStart(window.tailPosition, around.lastKey, endPosition), {
    isEnough: () => true,
  });
  const isWalked = tail.lastKey === null || compareKeys(tail.lastKey, endPosition) >= 0;
  const next: Window = {
    lookBehind: around.names.beforeMatch ?? window.lookBehind,
    endPosition: end.names.beforeLast ?? endPosition,
    tailPosition: isWalked ? null : tail.lastKey,
  };
  const seen = add(around, { ...end, objects: [] }, { ...tail, objects: [] });
  const found = end.objects.at(-1) ?? tail.objects.at(-1);
  if (found === undefined) return withPositions(seen, next);
  // The marker passes only keys that were listed now: one that arrived in the tail since its last walk would be late.
  const rest = await list(around.lastKey, {
    places: limits.places - around.objects.length,
    maxRequests: Math.max(limits.maxRequests - seen.requests, 1),
    isEnough: (lastKey) => compareKeys(lastKey, found.key) >= 0,
  });
  return withPositions(add(seen, rest), { ...next, lookBehind: rest.names.beforeMatch ?? next.lookBehind });
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
    return { lookBehind: beforeLast, endPosition: null, tailPosition: null };
  return {
    lookBehind: beforeMatch ?? window.lookBehind,
    endPosition: beforeLast,
    tailPosition: window.tailPosition,
  };
}

function withPositions({ names: _, ...listing }: Listing, window: Window): PollListing {
  const goesOn = listing.stoppedBy === 'full' || listing.stoppedBy === 'budget';
  return { ...listing, scanPosition: goesOn ? listing.lastKey : null, window };
}
