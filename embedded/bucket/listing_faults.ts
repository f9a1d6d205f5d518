/** Wrong ways to list a bucket, as some S3-compatible servers do it. Tests order them as faults. */
import { compareKeys, firstIndex } from './keys.ts';
import { type ListingOptions, listPage, type Page } from './listing.ts';

/** Makes one page of a LIST, correct or not. */
export type Lister = (sortedKeys: readonly string[], options: ListingOptions) => Page;

/** Sorts by UTF-16 units, as a server in JavaScript or Java may: U+10000 and up come before U+E000. */
export const byUtf16Units: Lister = (sortedKeys, { prefix, after, maxKeys }) => {
  const keys = sortedKeys.filter((key) => key.startsWith(prefix) && key > after).sort();
  return pageOf(keys, maxKeys);
};

/** Swaps two adjacent keys. */
export const unsorted: Lister = (sortedKeys, options) => {
  const page = listPage(sortedKeys, options);
  const middle = page.keys.length >> 1;
  const pair = page.keys.slice(Math.max(middle - 1, 0), middle + 1).reverse();
  return { ...page, keys: page.keys.toSpliced(Math.max(middle - 1, 0), pair.length, ...pair) };
};

/** Ignores start-after. */
export const ignoringStartAfter: Lister = (sortedKeys, options) =>
  listPage(sortedKeys, options.byToken ? options : { ...options, after: '' });

/** Returns the first page for every token. */
export const leadingBack: Lister = (sortedKeys, options) =>
  listPage(sortedKeys, options.byToken ? { ...options, after: '' } : options);

/** Skips the next page at every token. */
export const droppingPages: Lister = (sortedKeys, options) => {
  const page = listPage(sortedKeys, options);
  if (page.next === undefined) return page;
  return { ...page, next: listPage(sortedKeys, { ...options, after: page.next }).next ?? page.next };
};

/** Returns a page without entries, with a token that continues at the same place. */
export const emptyPage: Lister = (_, { after }) => ({ keys: [], commonPrefixes: [], next: `${after}\u0001` });

/** Returns half a page, and reports that the listing is complete. */
export const endingEarly: Lister = (sortedKeys, options) => {
  const page = listPage(sortedKeys, options);
  return { ...page, keys: page.keys.slice(0, Math.ceil(page.keys.length / 2)), next: undefined };
};

/**
 * Starts after `after` as MinIO does without a cached listing: it walks the folders on the path to `after`. Keys in
 * sibling folders (`a/b-old/*` for `a/b/1`) count towards a limit, and MinIO skips folders once it reaches the limit.
 */
export const countingSiblings: Lister = (sortedKeys, options) => {
  const { prefix, delimiter, after, maxKeys } = options;
  if (after === '' || after < prefix || (delimiter !== '' && delimiter !== '/'))
    return listPage(sortedKeys, options);
  const limit = maxKeys + 1;
  const walked = walk(sortedKeys, options, limit + 4 + (limit >> 4));
  return pageOf(
    walked.filter((name) => name.startsWith(prefix) && compareKeys(name, after) > 0),
    maxKeys,
    delimiter,
  );
};

/** Returns the names that MinIO's walk visits: keys and, with a delimiter, folders. */
function walk(
  sortedKeys: readonly string[],
  { prefix, delimiter, after }: ListingOptions,
  limit: number,
): string[] {
  const names: string[] = [];
  let count = 0;
  const isFull = () => count >= limit;
  const enter = (folder: string) => {
    if (delimiter === '') scan(folder);
    else names.push(folder);
  };
  const scan = (folder: string) => {
    if (isFull()) return;
    const pending: string[] = [];
    for (const { name, isKey, isFolder } of childrenOf(sortedKeys, folder, after)) {
      if (isFull()) return;
      while (pending.length > 0 && compareKeys(pending.at(-1)!, name) < 0) enter(pending.pop()!);
      if (isKey) {
        names.push(name);
        count += 1;
      }
      if (isFolder) pending.push(`${name}/`);
    }
    while (pending.length > 0 && !isFull()) enter(pending.pop()!);
  };
  scan(prefix.slice(0, prefix.lastIndexOf('/') + 1));
  return names;
}

interface Child {
  name: string;
  isKey: boolean;
  isFolder: boolean;
}

/** Returns the entries of a folder, from the entry on the path to `after` onwards. */
function childrenOf(sortedKeys: readonly string[], folder: string, after: string): Child[] {
  const children = new Map<string, Child>();
  const start = firstIndex(sortedKeys, (key) => compareKeys(key, folder) >= 0);
  for (let index = start; sortedKeys[index]?.startsWith(folder); index += 1) {
    const key = sortedKeys[index]!;
    const slash = key.indexOf('/', folder.length);
    const name = slash === -1 ? key : key.slice(0, slash);
    const child = children.get(name) ?? { name, isKey: false, isFolder: false };
    if (slash === -1) child.isKey = true;
    else child.isFolder = true;
    children.set(name, child);
  }
  const forward = after.startsWith(folder) ? after.slice(folder.length).replace(/\/.*$/s, '') : '';
  return [...children.values()]
    .filter(({ name }) => compareKeys(`${name.slice(folder.length)}/`, forward) >= 0)
    .sort((a, b) => compareKeys(a.name, b.name));
}

function pageOf(names: string[], maxKeys: number, delimiter = ''): Page {
  const listed = names.slice(0, maxKeys);
  const isFolder = (name: string) => delimiter !== '' && name.endsWith(delimiter);
  return {
    keys: listed.filter((name) => !isFolder(name)),
    commonPrefixes: listed.filter(isFolder),
    next: names.length > maxKeys ? listed.at(-1) : undefined,
  };
}
