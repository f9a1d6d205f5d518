/**
 * Lists a long prefix in "ranges" of keys, several side by side, and yields their pages in key order. So a first scan does not
 * wait for one LIST answer after the other.
 */
import { ConnectorError } from '../errors.ts';
import { compareKeys, laterKey } from '../keys.ts';
import { guessBorder } from './s3_borders.ts';
import { Range } from './s3_range.ts';
import { type AskForPage, listPages, type WalkOptions } from './s3_walk.ts';
import type { Ahead, ListOptions, ListPage } from './source.ts';

/** So many pages are listed one by one. A steady poll has fewer. */
const PAGES_BEFORE = 4;
/** How long a range should be. Each costs about one request more: the keys after its border are listed twice. */
const RANGE_PAGES = 12;
const MAX_RANGES = 12;
/** What the pages that are listed ahead may take in memory, about. */
const MAX_HELD_BYTES = 48 << 20;
/** What an object takes in memory, without its key. */
const OBJECT_BYTES = 300;

/**
 * Yields the pages of a listing, in key order. With `ahead`, it lists ranges side by side once the listing turns out long, as far
 * as the caller will read.
 *
 * Borders between ranges are guessed from how dense the keys are, and ranges that turn out long are split again. Each range is
 * a listing of its own. Where one passes its border, its next name must be the first name of the next range. If it is not, the
 * server does not start where it is asked to, or a key has arrived: the rest is listed one by one. So it is after a passing error,
 * because the server may refuse so many requests at a time.
 * @throws ConnectorError the errors of `listPages`
 */
export async function* listInOrder(
  ask: AskForPage,
  options: ListOptions,
  walk: WalkOptions,
): AsyncGenerator<ListPage> {
  if (!options.ahead) return yield* listPages(ask, options, walk);
  const listing = new RangedListing(ask, options, { ...walk, crowds: new Map() }, options.ahead);
  try {
    yield* listing.pages();
  } finally {
    await listing.close();
  }
}

class RangedListing {
  readonly #ask: AskForPage;
  readonly #options: ListOptions;
  readonly #walk: WalkOptions;
  readonly #ahead: Ahead;
  /** In key order. The pages of the first one are yielded. */
  readonly #ranges: Range[] = [];
  readonly #fetching = new Map<Range, Promise<void>>();
  /** What dropped ranges still do. */
  readonly #closing: (Promise<unknown> | undefined)[] = [];
  /** Whether the next pages are listed before the caller asks for them. */
  #listsAhead = false;
  #maySplit = true;
  /** LIST requests that are not yielded with a page yet. */
  #requests = 0;
  #pages = 0;
  #splits = 0;
  /** Of the pages that were yielded, as `lastKey` of a page. */
  #lastKey: string | null = null;
  /** The last keys of the last pages that were yielded. */
  #passed: string[] = [];
  /** By how much ranges have turned out shorter than guessed. */
  #scale = 1;

  constructor(ask: AskForPage, options: ListOptions, walk: WalkOptions, ahead: Ahead) {
    this.#ask = ask;
    this.#options = options;
    this.#walk = walk;
    this.#ahead = ahead;
  }

  async *pages(): AsyncGenerator<ListPage> {
    this.#ranges.push(this.#open(this.#options.startAfter));
    for (let yielded = 1; ; yielded += 1) {
      const page = await this.#take();
      if (page === undefined) return;
      this.#lastKey = page.lastKey ?? this.#lastKey;
      const lastKey = this.#lastKey;
      if (lastKey !== null) this.#passed = [...this.#passed.slice(-2 * RANGE_PAGES), lastKey];
      const requests = this.#requests;
      this.#requests = 0;
      const isRanged = this.#ranges.length > 1;
      yield {
        ...page,
        lastKey,
        requests,
        ...(isRanged ? { sideBySide: Math.max(this.#listed.length, 1) } : {}),
      };
      if (yielded === PAGES_BEFORE) this.#goSideBySide();
    }
  }

  /** Ends all requests. */
  async close(): Promise<void> {
    this.#drop(0);
    await Promise.all(this.#closing);
  }

  /**
   * Lists again, one by one, after what was yielded.
   * @throws the error, unless it is passing and the requests were side by side
   */
  async #goOneByOne(error: unknown): Promise<void> {
    if (!this.#listsAhead || !(error instanceof ConnectorError && error.passing)) throw error;
    this.#maySplit = false;
    this.#listsAhead = false;
    await this.close();
    this.#ranges.push(this.#open(this.#lastKey ?? this.#options.startAfter));
  }

  /** Returns the next page in key order; undefined at the end. */
  async #take(): Promise<ListPage | undefined> {
    for (;;) {
      const [first] = this.#ranges;
      const page = first!.held.shift();
      if (page !== undefined) {
        this.#fetchAhead();
        return page;
      }
      if (first!.ended === 'failed') {
        await this.#goOneByOne(first!.error);
        continue;
      }
      // Later ranges may have keys that arrived since. Others may have arrived before those, so the next listing returns them all.
      if (first!.ended === 'end') return undefined;
      if (first!.ended === 'border') this.#ranges.shift();
      else await this.#fetch(first!);
    }
  }

  #goSideBySide(): void {
    if (this.#ahead.pages() < 2 * RANGE_PAGES) return;
    this.#listsAhead = true;
    this.#split(this.#ranges[0]!);
    this.#fetchAhead();
  }

  #open(startAfter: string | null): Range {
    const open = (signal: AbortSignal) => {
      const ask: AskForPage = (request) => {
        this.#requests += 1;
        return this.#ask(request, signal);
      };
      const ending = startAfter === this.#options.startAfter ? this.#options.ending : undefined;
      return listPages(ask, { ...this.#options, startAfter, ending }, this.#walk);
    };
    return new Range(open);
  }

  /** Lists one more page of a range, unless that is under way. */
  #fetch(range: Range): Promise<void> {
    const running = this.#fetching.get(range);
    if (running) return running;
    const fetched = range.fetch().then(() => {
      this.#fetching.delete(range);
      this.#note(range);
    });
    this.#fetching.set(range, fetched);
    return fetched;
  }

  #note(range: Range): void {
    this.#pages += 1;
    if (!this.#ranges.includes(range)) return;
    if (range.isContradicted) this.#dropAfter(range);
    else if (range.ended === 'border') this.#rescale(range);
    else if (this.#listsAhead && !range.ended) this.#split(range);
    this.#fetchAhead();
  }

  /** Goes on without the ranges after one. */
  #dropAfter(range: Range): void {
    this.#maySplit = false;
    range.isContradicted = false;
    range.border = null;
    range.next = undefined;
    this.#drop(this.#ranges.indexOf(range) + 1);
    this.#listsAhead = this.#ranges.length > 1;
  }

  #drop(from: number): void {
    for (const range of this.#ranges.splice(from))
      this.#closing.push(range.close(), this.#fetching.get(range));
  }

  /** The ranges that have not ended. */
  get #listed(): Range[] {
    return this.#ranges.filter(({ ended }) => !ended);
  }

  /** Lists on wherever pages are wanted that are not here yet. */
  #fetchAhead(): void {
    if (!this.#listsAhead) return;
    for (const range of this.#listed) if (this.#isWanted(range)) void this.#fetch(range);
  }

  #isWanted(range: Range): boolean {
    // The range before it waits until it has begun.
    if (range.firstName === undefined) return true;
    if (range === this.#ranges[0] ? range.held.length > 1 : this.#heldBytes() >= MAX_HELD_BYTES) return false;
    if (range.border !== null) return true;
    const { until } = this.#ahead;
    const last = range.lastPage?.lastKey ?? null;
    if (until !== undefined && last !== null && compareKeys(last, until) >= 0) return false;
    return this.#held + this.#fetching.size < this.#ahead.pages();
  }

  get #held(): number {
    return this.#ranges.reduce((sum, { held }) => sum + held.length, 0);
  }

  #heldBytes(): number {
    let bytes = 0;
    for (const { held } of this.#ranges)
      for (const { objects } of held)
        bytes += objects.length * (OBJECT_BYTES + (objects[0]?.key.length ?? 0));
    return bytes;
  }

  /** Begins a new range within or after a range, if that is long enough. */
  #split(range: Range): void {
    const listed = this.#listed;
    const planned = listed.reduce((sum, { pages }) => sum + Math.max(RANGE_PAGES - pages, 1), 0);
    if (!this.#maySplit || listed.length >= MAX_RANGES || this.#heldBytes() >= MAX_HELD_BYTES) return;
    if (planned + this.#held + RANGE_PAGES > this.#ahead.pages()) return;
    // However wrong the guesses are, they cost few requests.
    if (this.#splits > PAGES_BEFORE + this.#pages / 6) return;
    const border = this.#guess(range, 1);
    if (border === undefined || !this.#isWithin(range, border)) return;
    if (range.border !== null && !this.#isWithin(range, this.#guess(range, 1.5))) return;
    const next = this.#open(border);
    next.border = range.border;
    next.next = range.next;
    range.border = border;
    range.next = next;
    range.pages = 0;
    this.#ranges.splice(this.#ranges.indexOf(range) + 1, 0, next);
    this.#splits += 1;
  }

  /**
   * Returns the later of two guesses. The one by the last page alone stays in a folder whose numbers go on in the next folder,
   * the one by what was passed also sees the folders.
   */
  #guess({ span }: Range, ranges: number): string | undefined {
    if (span === undefined) return undefined;
    const { prefix } = this.#options;
    const after = ranges * RANGE_PAGES * this.#scale;
    // A page without a key is not counted.
    const [first = '', last = ''] = [this.#passed[0], this.#passed.at(-1)];
    const spans = [span, { first, last, pages: this.#passed.length - 1 }];
    const guesses = spans.map((one) => guessBorder(one, { from: span.last, after, prefix }));
    return laterKey(guesses[0] ?? null, guesses[1] ?? null) ?? undefined;
  }

  #isWithin({ border }: Range, key: string | undefined): boolean {
    const { until } = this.#ahead;
    return (
      key !== undefined &&
      (border === null || compareKeys(key, border) < 0) &&
      (until === undefined || compareKeys(key, until) < 0)
    );
  }

  #rescale({ pages }: Range): void {
    const step = RANGE_PAGES / Math.max(pages - 0.5, 0.5);
    this.#scale = clamp(this.#scale * clamp(step, 1 / 2), 1 / 16);
  }
}

/** Returns the value, or the nearest one between a limit and its inverse. */
function clamp(value: number, least: number): number {
  return Math.min(Math.max(value, least), 1 / least);
}
