/** Counts what `check` and `preview` see in a bucket and people would miss: keys that are left out, and objects that give no rows. */

import type { Matcher } from '../matcher.ts';
import { isArchived } from '../sources/archived.ts';
import type { Source, SourceObject } from '../sources/source.ts';

/** `hidden` and `excluded`: keys that match the pattern. `archived` and `empty`: among those that the connector takes. */
export interface Census {
  hidden: number;
  excluded: number;
  archived: number;
  empty: number;
}

/** Returns a source whose listings are counted, page by page, and the counts so far. */
export function countedSource(
  source: Source,
  matcher: Matcher,
): { source: Pick<Source, 'list'>; census: Census } {
  const census: Census = { hidden: 0, excluded: 0, archived: 0, empty: 0 };
  const list: Source['list'] = async function* (options) {
    for await (const page of source.list(options)) {
      for (const object of page.objects) count(census, object, matcher);
      yield page;
    }
  };
  return { source: { list }, census };
}

function count(census: Census, object: SourceObject, matcher: Matcher): void {
  const verdict = matcher.judge(object.key);
  if (verdict === 'hidden' || verdict === 'excluded') census[verdict] += 1;
  if (verdict !== 'taken') return;
  if (isArchived(object)) census.archived += 1;
  if (object.sizeBytes === 0) census.empty += 1;
}

const WORDS: Record<keyof Census, string> = {
  hidden: 'hidden (a part of the key begins with _ or a dot)',
  excluded: 'left out by exclude',
  archived: 'archived',
  empty: 'empty',
};

/** Returns the counts that are not 0 as a text; null if all are 0. */
export function describeCensus(census: Census): string | null {
  const words = Object.entries(WORDS) as [keyof Census, string][];
  const counts = words.filter(([what]) => census[what] > 0).map(([what, word]) => `${census[what]} ${word}`);
  return counts.length === 0 ? null : `of the keys listed, ${counts.join(', ')}`;
}
