/** Lists the keys of a bucket that match the pattern. */
import type { Glob } from './glob.ts';
import { compareKeys } from './keys.ts';
import { RecentNames } from './list/recent_names.ts';
import type { Ending, ListPage, Source, SourceObject } from './sources/source.ts';

export interface ListLimits {
  /** The page that has more matching objects than these is the last one. */
  places: number;
  /** Objects that were modified later than this are too young; null: none is. */
  youngerThan: Date | null;
  /** If they come one after the other. While several ranges are listed side by side, each request counts as its share of one. */
  maxRequests: number;
  /** Matching objects up to this key are behind. They take no places, and the young ones are left out. */
  marker?: string | null;
  /** Returns whether a page that ends with this key is the last one. */
  isEnough?: (lastKey: string) => boolean;
  /** The page with this key, or a later one, is the last one. */
  until?: string;
  /** Whether ranges of keys may be listed side by side if the listing turns out long. */
  sideBySide?: boolean;
  /** How an earlier listing ended. Null: nothing is known. */
  ending?: Ending | null;
}

export interface Listing {
  /** Matching objects in key order: all of the pages that were listed. */
  objects: SourceObject[];
  /** Matching objects up to the marker, in key order. */
  behind: SourceObject[];
  /** Whether a matching object behind the marker was left out, because it is too young. */
  leftYoung: boolean;
  keysListed: number;
  keysMatched: number;
  requests: number;
  /**
   * `end`: the end of the bucket; `full`: more objects than places; `young`: an object that must age first; `budget`:
   * all `maxRequests` are used; `enough`: see `isEnough`.
   */
  stoppedBy: 'end' | 'full' | 'young' | 'budget' | 'enough';
  /** The last key or folder that was looked at; null if there was none. The next listing can continue there. */
  lastKey: string | null;
  names: RecentNames;
  /** See ListPage: those of the last page. */
  uncrowded: readonly string[] | undefined;
}

/** Lists whole pages until the places are full, an object is too young, the bucket ends, or the requests are used. */
export async function listMatching(
  source: Pick<Source, 'list'>,
  glob: Glob,
  startAfter: string | null,
  limits: ListLimits,
): Promise<Listing> {
  const { marker = null, isEnough, until, ending } = limits;
  const listing = emptyListing(startAfter);
  const { prefix, delimiter } = glob;
  const budget = new Budget(limits);
  const ahead = limits.sideBySide ? { until, pages: () => budget.pagesLeft(listing) } : undefined;
  for await (const page of source.list({
    prefix,
    delimiter,
    startAfter,
    ahead,
    ending: ending ?? undefined,
  })) {
    listing.requests += page.requests;
    budget.note(page);
    listing.keysListed += page.objects.length;
    listing.uncrowded = page.uncrowded;
    const tooYoung = addPage(listing, page, { glob, marker, youngerThan: limits.youngerThan });
    if (listing.objects.length > limits.places) return { ...listing, stoppedBy: 'full' };
    if (tooYoung) return { ...listing, stoppedBy: 'young' };
    // Only after a key was listed: otherwise the next listing would start at the same place and stop there again.
    if (listing.lastKey === null) continue;
    if (isEnough?.(listing.lastKey)) return { ...listing, stoppedBy: 'enough' };
    if (until !== undefined && compareKeys(listing.lastKey, until) >= 0)
      return { ...listing, stoppedBy: 'enough' };
    if (budget.isUsed(page)) return { ...listing, stoppedBy: 'budget' };
  }
  return listing;
}

/** How long a listing may go on: so long as `maxRequests` take one after the other. */
class Budget {
  readonly #limits: ListLimits;
  #used = 0;
  #pages = 0;
  #sideBySide = 1;

  constructor(limits: ListLimits) {
    this.#limits = limits;
  }

  note({ requests, sideBySide = 1 }: ListPage): void {
    this.#pages += 1;
    this.#used += requests / sideBySide;
    this.#sideBySide = sideBySide;
  }

  /** Returns whether the listing stops. Pages that were listed ahead are used first. */
  isUsed({ sideBySide }: ListPage): boolean {
    const { maxRequests } = this.#limits;
    return this.#used >= (sideBySide === undefined ? maxRequests : 2 * maxRequests);
  }

  /** Returns about how many more pages there is time for, and places for their objects. */
  pagesLeft({ objects }: Listing): number {
    const { maxRequests, places } = this.#limits;
    const timely = (maxRequests - this.#used) * this.#sideBySide;
    return objects.length === 0
      ? timely
      : Math.min(timely, ((places - objects.length) / objects.length) * this.#pages);
  }
}

/** Returns a listing that has not begun. */
export function emptyListing(startAfter: string | null): Listing {
  return {
    objects: [],
    behind: [],
    leftYoung: false,
    keysListed: 0,
    keysMatched: 0,
    requests: 0,
    stoppedBy: 'end',
    lastKey: null,
    names: new RecentNames(startAfter),
    uncrowded: undefined,
  };
}

/** Adds a page up to the first object ahead of the marker that is too young. Returns whether there is one. */
function addPage(
  listing: Listing,
  page: ListPage,
  { glob, marker, youngerThan }: { glob: Glob; marker: string | null; youngerThan: Date | null },
): boolean {
  const isYoung = ({ lastModified }: SourceObject) => youngerThan !== null && lastModified > youngerThan;
  const matching = page.objects.filter(({ key }) => glob.matches(key));
  const behind = matching.filter(({ key }) => marker !== null && compareKeys(key, marker) <= 0);
  const ahead = matching.slice(behind.length);
  const young = ahead.find(isYoung);
  const taken = young ? ahead.slice(0, ahead.indexOf(young)) : ahead;
  listing.leftYoung ||= behind.some(isYoung);
  listing.behind.push(...behind.filter((object) => !isYoung(object)));
  listing.objects.push(...taken);
  listing.keysMatched += behind.length + taken.length;
  listing.names.addPage(page, { until: young?.key, lastMatch: (taken.at(-1) ?? behind.at(-1))?.key });
  listing.lastKey = young ? (listing.names.last ?? listing.lastKey) : page.lastKey;
  return young !== undefined;
}
