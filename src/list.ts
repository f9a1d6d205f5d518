import type { Glob } from './glob.ts';
import { laterKey } from './keys.ts';
import type { Source, SourceObject } from './sources/source.ts';

/** Where a listing starts: after the later of the two. */
export interface ListStart {
  marker: string | null;
  scanPosition: string | null;
}

export interface ListLimits {
  /** How many matching objects there is room for. */
  places: number;
  /** Objects modified after this are too young to be passed. */
  youngerThan: Date;
  maxRequests: number;
}

export interface Listing {
  /** Matching objects in key order, at most `places`. */
  objects: SourceObject[];
  keysListed: number;
  keysMatched: number;
  requests: number;
  /** `end`: nothing left; `full`: more than places; `young`: an object that must age first; `budget`: enough requests for one go. */
  stoppedBy: 'end' | 'full' | 'young' | 'budget';
  /** Where to go on after `budget`: the last key that was looked at. */
  scanPosition: string | null;
}

/** Lists a bucket after the marker until the places are full, the end is reached, or the requests are used up. */
export async function listMatching(
  source: Source,
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
    // Not before something was listed: from the same place the next go would come no further.
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
