/** Selects one page of a LIST from the sorted keys of a bucket. */
import { compareKeys, firstIndex } from './keys.ts';

export interface ListingOptions {
  prefix: string;
  /** Empty: no delimiter. */
  delimiter: string;
  /** List only keys and common prefixes that sort after this. */
  after: string;
  /** Whether `after` is from a continuation token; else it is start-after. */
  byToken: boolean;
  maxKeys: number;
}

export interface Page {
  keys: string[];
  commonPrefixes: string[];
  /** The `after` of the next page. Undefined: this is the last page. */
  next: string | undefined;
}

/**
 * Returns one page. A common prefix counts as one entry and, like a key, is listed only if it sorts after `after`.
 * If `after` is inside a common prefix, the rest of that prefix is skipped:
 * "CommonPrefixes is filtered out from results if it is not lexicographically greater than the StartAfter value"
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
 */
export function listPage(sortedKeys: readonly string[], options: ListingOptions): Page {
  const { prefix, delimiter, after, maxKeys } = options;
  const page: Page = { keys: [], commonPrefixes: [], next: undefined };
  let room = maxKeys;
  let last = '';
  let index = firstIndex(sortedKeys, (key) => compareKeys(key, prefix) >= 0 && compareKeys(key, after) > 0);
  while (index < sortedKeys.length) {
    const key = sortedKeys[index] as string;
    if (!key.startsWith(prefix)) break;
    const common = commonPrefix(key, prefix, delimiter);
    if (common === undefined || compareKeys(common, after) > 0) {
      if (room === 0) return { ...page, next: maxKeys === 0 ? undefined : last };
      (common === undefined ? page.keys : page.commonPrefixes).push(common ?? key);
      last = common ?? key;
      room -= 1;
    }
    index = common === undefined ? index + 1 : endOfPrefix(sortedKeys, common, index);
  }
  return page;
}

function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '') return undefined;
  const index = key.indexOf(delimiter, prefix.length);
  return index < 0 ? undefined : key.slice(0, index + delimiter.length);
}

function endOfPrefix(sortedKeys: readonly string[], prefix: string, from: number): number {
  return firstIndex(sortedKeys, (key) => !key.startsWith(prefix) && compareKeys(key, prefix) > 0, from);
}
