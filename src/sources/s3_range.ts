/** A "range" of a listing that is listed side by side with others: the keys after its start, up to its border. */
import { at } from '../fault_points.ts';
import { compareKeys } from '../keys.ts';
import type { Span } from './s3_borders.ts';
import type { ListPage } from './source.ts';

/** Opens the listing of a range. */
export type OpenListing = (signal: AbortSignal) => AsyncGenerator<ListPage>;

/**
 * `border`: everything up to the border is listed; `end`: the server says that nothing follows; `failed`: its error is thrown
 * where the listing would come to it.
 */
export type RangeEnd = 'border' | 'end' | 'failed';

export class Range {
  /** Pages that were listed and not taken, in key order. */
  readonly held: ListPage[] = [];
  /** The range after it, which starts after `border`. */
  next: Range | undefined;
  /** The last key of the range; null: none. */
  border: string | null = null;
  ended: RangeEnd | undefined;
  error: unknown;
  /** Its first key or folder; undefined while it has none. */
  firstName: string | undefined;
  /** The last page, as the server answered. */
  lastPage: ListPage | undefined;
  /** Pages since the border was set. */
  pages = 0;
  /** Whether the next range does not begin with the name that follows the border in this one. */
  isContradicted = false;
  /** Resolves once the first name is known, or that there is none. */
  readonly begun: Promise<void>;
  readonly #begin: () => void;
  readonly #listing: AsyncGenerator<ListPage>;
  readonly #controller = new AbortController();

  constructor(open: OpenListing) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.begun = promise;
    this.#begin = resolve;
    this.#listing = open(this.#controller.signal);
  }

  /** Lists one more page. Never throws: see `error`. */
  async fetch(): Promise<void> {
    try {
      await at('list_range', () => this.#fetchPage(), 'source');
    } catch (error) {
      this.error = error;
      this.ended = 'failed';
    }
    if (this.ended) this.#begin();
  }

  /** Returns the keys of the last page; undefined if they do not show how dense the keys are. */
  get span(): Span | undefined {
    const { objects, folders, truncated } = this.lastPage ?? { objects: [], folders: [] };
    const [first, last] = [objects[0]?.key, objects.at(-1)?.key];
    if (!truncated || folders.length > 0 || first === undefined || last === undefined) return undefined;
    return { first, last, pages: 1 };
  }

  /** Ends its requests. The listing ends when the last of them has. */
  close(): Promise<unknown> {
    this.#begin();
    this.#controller.abort();
    return this.#listing.return(undefined).catch(() => {});
  }

  async #fetchPage(): Promise<void> {
    const { value: page, done } = await this.#listing.next();
    if (done) {
      this.ended = 'end';
      return;
    }
    this.pages += 1;
    this.lastPage = page;
    this.firstName ??= firstAfter(page, null);
    if (this.firstName !== undefined) this.#begin();
    const following = this.border === null ? undefined : firstAfter(page, this.border);
    if (following !== undefined) {
      await this.next?.begun;
      this.isContradicted = this.next?.firstName !== following;
    }
    if (following === undefined || this.isContradicted) {
      this.held.push(page);
      return;
    }
    this.held.push(upTo(page, this.border!));
    this.ended = 'border';
    await this.#listing.return(undefined);
  }
}

/** Returns the first key or folder of a page after a key. */
function firstAfter({ objects, folders }: ListPage, key: string | null): string | undefined {
  const isAfter = (name: string) => key === null || compareKeys(name, key) > 0;
  const object = objects.find((one) => isAfter(one.key))?.key;
  const folder = folders.find(isAfter);
  if (object === undefined || folder === undefined) return object ?? folder;
  return compareKeys(object, folder) < 0 ? object : folder;
}

/** Returns the part of a page up to a key. */
function upTo(page: ListPage, border: string): ListPage {
  const objects = page.objects.filter(({ key }) => compareKeys(key, border) <= 0);
  const folders = page.folders.filter((folder) => compareKeys(folder, border) <= 0);
  const [object, folder] = [objects.at(-1)?.key, folders.at(-1)];
  const lastKey =
    object === undefined || (folder !== undefined && compareKeys(folder, object) > 0) ? folder : object;
  return { ...page, objects, folders, truncated: false, lastKey: lastKey ?? null };
}
