import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const PAGE = new URL('../../docs/peers.md', import.meta.url);
const text = await readFile(PAGE, 'utf8');

/** A row of the page's tables. */
interface Row {
  references: string[];
  tests: { title: string; path: string }[];
}

const rows = [...text.matchAll(/^\| (?!---|what happened)(.*) \|$/gm)].map(([, cells]): Row => {
  const [, where, tests] = cells!.split(' | ');
  return {
    references: [...where!.matchAll(/\]\((https:[^)]+)\)/g)].map(([, url]) => url!),
    tests: [...tests!.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)].map(([, title, path]) => ({
      title: title!,
      path: path!,
    })),
  };
});

/** Returns the titles of a test file, each with an ellipsis for what it fills in. */
async function titlesOf(path: string): Promise<Set<string>> {
  const source = await readFile(new URL(path, PAGE), 'utf8');
  const calls = source.matchAll(/\b(?:test|it)\(\s*(["'`])((?:(?!\1)[^\\]|\\.)*)\1/g);
  return new Set(
    [...calls].map(([, , title]) => title!.replaceAll(/\$\{[^}]*\}/g, '…').replaceAll('\\', '')),
  );
}

test('every bug on the page of peers has a public reference and a test', () => {
  assert.ok(rows.length >= 40, `${rows.length} bugs`);
  for (const { references, tests } of rows) {
    assert.ok(references.length > 0 && tests.length > 0, JSON.stringify({ references, tests }));
    for (const url of references) assert.ok(URL.canParse(url), url);
  }
  assert.equal(new Set(rows.map((row) => JSON.stringify(row))).size, rows.length);
});

test('every test that the page of peers names exists', async () => {
  const named = rows.flatMap(({ tests }) => tests);
  const titles = new Map<string, Set<string>>();
  for (const { path } of named) if (!titles.has(path)) titles.set(path, await titlesOf(path));
  assert.deepEqual(
    named.filter(({ path, title }) => !titles.get(path)!.has(title)),
    [],
  );
});
