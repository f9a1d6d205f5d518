/** Remembers the last names of a listing, so that the next one can start shortly before its end. */
import { compareKeys } from '../keys.ts';
import type { ListPage } from '../sources/source.ts';

/** Most servers put up to 1,000 names on a page. The rest of the page is for keys that arrive until the next listing. */
const WINDOW = 900;
const KEPT = 2 * WINDOW;

export class RecentNames {
  /** Keys and folders, in key order. */
  #names: string[] = [];
  readonly #startAfter: string | null;
  /** Names on the largest page that the server cut; 0 if it cut none. */
  #pageSize = 0;
  /** How many names were listed. */
  count = 0;
  /** How many names follow the last key that matches; all, if none does. */
  sinceMatch = 0;
  /** The name from which half a window leads to the last key that matches; undefined if the listing has none. */
  beforeMatch: string | undefined;

  constructor(startAfter: string | null) {
    this.#startAfter = startAfter;
  }

  /**
   * Adds the names of a page.
   * @param until the name before which the listing stops; undefined for the whole page
   * @param lastMatch the page's last key that matches
   */
  addPage(
    page: ListPage,
    { until, lastMatch }: { until: string | undefined; lastMatch: string | undefined },
  ): void {
    const names = namesOf(page);
    if (page.truncated) this.#pageSize = Math.max(this.#pageSize, names.length);
    // A folder may be listed again for its later keys.
    const position = this.last ?? this.#startAfter;
    const isAfter = (name: string) => position === null || compareKeys(name, position) > 0;
    const added = (names[0] === undefined || isAfter(names[0]) ? names : names.filter(isAfter)).filter(
      (name) => until === undefined || compareKeys(name, until) < 0,
    );
    this.#names = [...this.#names.slice(-KEPT), ...added];
    this.count += added.length;
    this.sinceMatch += added.length;
    if (lastMatch === undefined) return;
    const matchAt = this.#names.lastIndexOf(lastMatch);
    this.sinceMatch = this.#names.length - 1 - matchAt;
    this.beforeMatch = this.#names[matchAt - Math.floor(this.window / 2)] ?? this.beforeMatch;
  }

  get last(): string | undefined {
    return this.#names.at(-1);
  }

  /** How many names one LIST answer holds, with room for new ones. */
  get window(): number {
    return this.#pageSize === 0 ? WINDOW : Math.min(WINDOW, Math.floor(this.#pageSize * 0.9));
  }

  /** The name from which a window leads to the last name; undefined if fewer were listed. */
  get beforeLast(): string | undefined {
    return this.#names[this.#names.length - 1 - this.window];
  }
}

function namesOf({ objects, folders }: ListPage): string[] {
  const keys = objects.map(({ key }) => key);
  return folders.length === 0 ? keys : [...keys, ...folders].sort(compareKeys);
}
