import { compareKeys } from '../keys.ts';
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

export type AskForPage = (request: ListRequest) => Promise<S3Page>;

/** A part of a listing: one LIST request and what its tokens lead to. */
interface Stretch {
  prefix: string;
  startAfter: string | null;
  /** The stretch is the key of this name alone. */
  only?: true;
}

/**
 * Lists page after page, in key order.
 *
 * With `aroundCrowds` as from a server that may leave keys out of a page that starts in a crowded folder. A folder is "crowded"
 * if keys that begin with its name sort before it: `a/b-old/1` before `a/b/`. To begin after `a/b/1`, MinIO walks over all of
 * `a/b-old/`, counts it against the size of the page, passes over the rest of `a/b/`, and may say that the page is the last
 * one. It does so for start-after, and for its own tokens once it has lost the listing that they belong to. It is right where
 * the prefix is the folder itself. So a crowded folder is listed by itself, before what follows it. Whether the folders of
 * start-after are crowded takes a request each.
 * @throws ConnectorError `list_out_of_order`, `list_goes_round`; what `ask` throws
 */
export async function* listPages(
  ask: AskForPage,
  options: ListOptions,
  { aroundCrowds }: { aroundCrowds: boolean },
): AsyncGenerator<ListPage> {
  const order = new ListingOrder(options.startAfter);
  const { prefix, delimiter, startAfter } = options;
  const folders = aroundCrowds && startAfter !== null ? foldersBetween(prefix, startAfter) : [];
  let requests = 0;
  const countingAsk: AskForPage = (request) => {
    requests += 1;
    return ask(request);
  };
  let crowded = await findCrowded(countingAsk, folders);
  let lastKey: string | null = null;
  const stretches = stretchesOf(options, crowded);
  for (let stretch = stretches.shift(); stretch; stretch = stretches.shift()) {
    order.startAfter(stretch.startAfter);
    let token: string | undefined;
    do {
      const page = await askFor(countingAsk, stretch, delimiter, token);
      const before = { position: order.position, crowded };
      lastKey = order.pass(page, { prefix: stretch.prefix, token }) ?? lastKey;
      yield { objects: page.objects, lastKey, requests };
      requests = 0;
      token = page.next;
      if (!aroundCrowds) continue;
      crowded = crowdedAt(prefix, order.position, page.objects, before);
      const within = foldersBetween(stretch.prefix, order.position ?? '').filter((folder) =>
        crowded.includes(folder),
      );
      if (token === undefined || within.length === 0) continue;
      const rest = { prefix: stretch.prefix, delimiter, startAfter: order.position };
      stretches.unshift(...stretchesOf(rest, within));
      token = undefined;
    } while (token !== undefined);
  }
}

async function askFor(
  ask: AskForPage,
  { prefix, startAfter, only }: Stretch,
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

/** The folders that a key is in, below the prefix, the outermost first. */
function foldersBetween(prefix: string, key: string): string[] {
  if (!key.startsWith(prefix)) return [];
  const folders: string[] = [];
  for (let at = key.indexOf('/', prefix.length); at !== -1; at = key.indexOf('/', at + 1)) {
    folders.push(key.slice(0, at + 1));
  }
  return folders;
}

/** Asks which of these folders are crowded. */
async function findCrowded(ask: AskForPage, folders: string[]): Promise<string[]> {
  const isCrowded = await Promise.all(
    folders.map(async (folder) => {
      const first = await findFirst(ask, nameOf(folder));
      return first !== undefined && compareKeys(first, folder) < 0;
    }),
  );
  return folders.filter((_, index) => isCrowded[index]);
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

/** Which of the folders of the last key of a page are crowded: what was listed before the first key in each says so. */
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

/** A listing in stretches, none of which starts in a crowded folder below its own prefix. */
function stretchesOf({ prefix, delimiter, startAfter }: ListOptions, crowded: string[]): Stretch[] {
  const stretches: Stretch[] = [];
  let after = startAfter;
  for (const folder of crowded.toReversed()) {
    // With a delimiter nothing in the folder is listed.
    if (delimiter === undefined) stretches.push({ prefix: folder, startAfter: after });
    // The first name after all keys of the folder, as `0` is the next character after `/`. start-after would leave out its key.
    after = `${nameOf(folder)}0`;
    stretches.push({ prefix: after, startAfter: null, only: true });
  }
  stretches.push({ prefix, startAfter: after });
  return stretches;
}

function nameOf(folder: string): string {
  return folder.slice(0, -1);
}
