/** Lists a bucket page by page, also on servers that leave keys out near a "crowded" folder. */
import { compareKeys, laterKey } from '../keys.ts';
import type { S3Page } from './s3_listing.ts';
import { ListingOrder } from './s3_order.ts';
import type { ListOptions, ListPage, SourceObject } from './source.ts';

/** One LIST request. */
export interface ListRequest {
  prefix: string;
  delimiter?: string | undefined;
  startAfter?: string | undefined;
  token?: string | undefined;
  maxKeys?: number | undefined;
}

export type AskForPage = (request: ListRequest, signal?: AbortSignal) => Promise<S3Page>;

export interface WalkOptions {
  /** See `listPages`. */
  aroundCrowds: boolean;
  /** By folder, whether it is crowded: what the walks of one listing have found out so far. */
  crowds?: Map<string, Promise<boolean>>;
}

/** A part of a listing: one LIST request and the pages that follow by its tokens. */
interface Span {
  prefix: string;
  startAfter: string | null;
  /** The span is only the key of this name. */
  only?: true;
}

/**
 * Yields the pages of a listing, in key order.
 *
 * `aroundCrowds` works around servers that may leave keys out of a page that starts in a crowded folder. A folder is "crowded"
 * if keys that begin with its name sort before it: `a/b-old/1` before `a/b/`. To start after `a/b/1`, MinIO walks over all of
 * `a/b-old/`, counts it against the size of the page, skips the rest of `a/b/`, and may end the listing there. It does so for
 * start-after, and for its own tokens once it has lost their listing. It is correct if the prefix is the folder itself.
 *
 * So a crowded folder is listed by itself, before the keys after it. Finding out whether the folders of start-after are
 * crowded costs one request each. With `ending`, nobody asks again if the first page has the same end as the listing before:
 * then no name is new, and nothing depends on it.
 * @throws ConnectorError `list_out_of_order`, `list_goes_round`; the errors of `ask`
 */
export async function* listPages(
  ask: AskForPage,
  options: ListOptions,
  { aroundCrowds, crowds = new Map() }: WalkOptions,
): AsyncGenerator<ListPage> {
  const order = new ListingOrder(options.startAfter);
  const { prefix, delimiter, startAfter, ending } = options;
  const folders = aroundCrowds && startAfter !== null ? foldersBetween(prefix, startAfter) : [];
  let requests = 0;
  const countingAsk: AskForPage = (request) => {
    requests += 1;
    return ask(request);
  };
  const find = () => findCrowded(countingAsk, folders, crowds);
  let isAssumed = folders.length > 0 && (ending?.uncrowded.includes(folders.at(-1)!) ?? false);
  let crowded = isAssumed ? [] : await find();
  let uncrowded = innermost(folders, crowded);
  let lastKey: string | null = null;
  let spans = spansOf(options, crowded);
  for (let span = spans.shift(); span; span = spans.shift()) {
    order.startAfter(span.startAfter);
    let token: string | undefined;
    do {
      const page = await askFor(countingAsk, span, delimiter, token);
      if (isAssumed && !endsAt(page, ending!.lastName)) {
        isAssumed = false;
        crowded = await find();
        uncrowded = innermost(folders, crowded);
        if (crowded.length > 0) {
          spans = spansOf(options, crowded);
          break;
        }
      }
      const before = { position: order.position, crowded };
      lastKey = order.pass(page, { prefix: span.prefix, token }) ?? lastKey;
      if (aroundCrowds) crowded = crowdedAt(prefix, order.position, page.objects, before);
      const { objects, folders: subfolders } = page;
      const last = innermost(foldersBetween(prefix, order.position ?? ''), crowded);
      yield {
        ...{ objects, folders: subfolders, truncated: page.next !== undefined, lastKey, requests },
        ...(aroundCrowds && !isAssumed ? { uncrowded: [...uncrowded, ...last] } : {}),
      };
      requests = 0;
      token = page.next;
      if (!aroundCrowds) continue;
      const within = foldersBetween(span.prefix, order.position ?? '').filter((folder) =>
        crowded.includes(folder),
      );
      if (token === undefined || within.length === 0) continue;
      const rest = { prefix: span.prefix, delimiter, startAfter: order.position };
      spans.unshift(...spansOf(rest, within));
      token = undefined;
    } while (token !== undefined);
  }
}

async function askFor(
  ask: AskForPage,
  { prefix, startAfter, only }: Span,
  delimiter: string | undefined,
  token: string | undefined,
): Promise<S3Page> {
  if (!only) return await ask({ prefix, delimiter, startAfter: startAfter ?? undefined, token });
  const { objects, next } = await ask({ prefix, token, maxKeys: 1 });
  const isThere = objects.length > 0;
  return {
    objects: objects.filter(({ key }) => key === prefix),
    folders: [],
    next: isThere ? undefined : next,
  };
}

/** Returns the innermost of folders within each other, unless one of them is crowded. */
function innermost(folders: string[], crowded: string[]): string[] {
  return crowded.length === 0 ? folders.slice(-1) : [];
}

/** Returns whether a page is the last one, and this is its last name. */
function endsAt({ objects, folders, next }: S3Page, name: string): boolean {
  return next === undefined && laterKey(objects.at(-1)?.key ?? null, folders.at(-1) ?? null) === name;
}

/** Returns the folders of a key below the prefix, the outermost first. */
function foldersBetween(prefix: string, key: string): string[] {
  if (!key.startsWith(prefix)) return [];
  const folders: string[] = [];
  for (let at = key.indexOf('/', prefix.length); at !== -1; at = key.indexOf('/', at + 1)) {
    folders.push(key.slice(0, at + 1));
  }
  return folders;
}

/** Returns which of these folders are crowded. */
async function findCrowded(
  ask: AskForPage,
  folders: string[],
  crowds: Map<string, Promise<boolean>>,
): Promise<string[]> {
  const isCrowded = await Promise.all(
    folders.map((folder) => {
      const known = crowds.get(folder) ?? findWhetherCrowded(ask, folder);
      crowds.set(folder, known);
      // A request that failed tells nothing.
      known.catch(() => crowds.delete(folder));
      return known;
    }),
  );
  return folders.filter((_, index) => isCrowded[index]);
}

async function findWhetherCrowded(ask: AskForPage, folder: string): Promise<boolean> {
  const first = await findFirst(ask, nameOf(folder));
  return first !== undefined && compareKeys(first, folder) < 0;
}

async function findFirst(ask: AskForPage, prefix: string): Promise<string | undefined> {
  const order = new ListingOrder(null);
  let token: string | undefined;
  do {
    const page = await ask({ prefix, token, maxKeys: 1 });
    order.pass(page, { prefix, token });
    if (page.objects.length > 0) return page.objects[0]!.key;
    token = page.next;
  } while (token !== undefined);
  return undefined;
}

/** Returns which folders of a page's last key are crowded. It depends on the key before the first key in each. */
function crowdedAt(
  prefix: string,
  position: string | null,
  objects: SourceObject[],
  before: { position: string | null; crowded: string[] },
): string[] {
  if (position === null || position === before.position) return before.crowded;
  return foldersBetween(prefix, position).filter((folder) => {
    if (before.position?.startsWith(folder)) return before.crowded.includes(folder);
    const previous = objects.findLast(({ key }) => compareKeys(key, folder) < 0)?.key ?? before.position;
    return previous?.startsWith(nameOf(folder)) ?? false;
  });
}

/** Splits a listing into spans, none of which starts in a crowded folder below its own prefix. */
function spansOf({ prefix, delimiter, startAfter }: ListOptions, crowded: string[]): Span[] {
  const spans: Span[] = [];
  let after = startAfter;
  for (const folder of crowded.toReversed()) {
    // With a delimiter, nothing in the folder is listed.
    if (delimiter === undefined) spans.push({ prefix: folder, startAfter: after });
    // The first name after all keys of the folder: `0` is the next character after `/`. start-after would skip a key of this name.
    after = `${nameOf(folder)}0`;
    spans.push({ prefix: after, startAfter: null, only: true });
  }
  spans.push({ prefix, startAfter: after });
  return spans;
}

function nameOf(folder: string): string {
  return folder.slice(0, -1);
}
