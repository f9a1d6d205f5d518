/** Lists the keys of a bucket after the marker that match the pattern. */
import type { Glob } from './glob.ts';
import { laterKey } from './keys.ts';
import type { Source, SourceObject } from './sources/source.ts';

/** A listing starts after the later of the two. */
export interface ListStart {
  marker: string | null;
  scanPosition: string | null;
}

export interface ListLimits {
  /** The most matching objects to return. */
  places: number;
  /** Objects that were modified later than this are too young. */
  youngerThan: Date;
  maxRequests: number;
}

export interface Listing {
  /** Matching objects in key order, at most `places`. */
  objects: SourceObject[];
  keysListed: number;
  keysMatched: number;
  requests: number;
  /**
   * `end`: the end of the bucket; `full`: more objects than places; `young`: an object that must age first; `budget`:
   * all `maxRequests` are used.
   */
  stoppedBy: 'end' | 'full' | 'young' | 'budget';
  /** After `budget`, the last key that was looked at. The next listing continues there. */
  scanPosition: string | null;
}

/** Lists until the places are full, an object is too young, the bucket ends, or the requests are used. */
export async function listMatching(
  source: Pick<Source, 'list'>,
  glob: Glob,
  start: ListStart,
  limits: ListLimits,
): Promise<Listing> {
  const listing: Listing = {
    objects: [],
    keysListed: 0,
    keysMatched: 0,
    requests: 0,
    stoppedBy: 'end',
    scanPosition: null,
  };
  const startAfter = laterKey(start.marker, start.scanPosition);
  for await (const page of source.list({ prefix: glob.prefix, delimiter: glob.delimiter, startAfter })) {
    listing.requests += page.requests;
    listing.keysListed += page.objects.length;
    for (const object of page.objects) {
      if (!glob.matches(object.key)) continue;
      const stop = reasonToStop(object, listing, limits);
      if (stop) return { ...listing, stoppedBy: stop };
      listing.keysMatched += 1;
      listing.objects.push(object);
    }
    // Only after a key was listed: otherwise the next listing would start at the same place and stop there again.
    if (listing.requests >= limits.maxRequests && page.lastKey !== null) {
      return { ...listing, stoppedBy: 'budget', scanPosition: page.lastKey };
    }
  }
  return listing;
}

function reasonToStop(
  object: SourceObject,
  listing: Listing,
  limits: ListLimits,
): 'full' | 'young' | undefined {
  if (listing.objects.length >= limits.places) return 'full';
  if (object.lastModified > limits.youngerThan) return 'young';
  return undefined;
}
