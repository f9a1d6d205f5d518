import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { anchors, localLinks, readPages } from './markdown.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const pages = await readPages();

test('links between pages lead to an existing file and heading', () => {
  let links = 0;
  for (const page of pages) {
    for (const link of localLinks(page)) {
      links++;
      const [file, anchor] = link.split('#');
      const path = file ? join(page.path, '..', file) : page.path;
      assert.ok(existsSync(join(ROOT, path)), `${page.path}: ${link}`);
      if (anchor === undefined) continue;
      const target = pages.find((other) => other.path === path);
      assert.ok(target && anchors(target).has(anchor), `${page.path}: ${link} has no such heading`);
    }
  }
  assert.ok(links > 10);
});

test('tests that README names exist', () => {
  const readme = pages.find(({ path }) => path === 'README.md')!;
  const named = [...readme.text.matchAll(/`(test\/[^`*]*)`/g)].map(([, path]) => path!);
  assert.ok(named.length > 10);
  assert.deepEqual(
    named.filter((path) => !existsSync(join(ROOT, path))),
    [],
  );
});
