import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { describeSettings } from '../../docs/describe_settings.ts';

const ROOT = new URL('../../', import.meta.url);

test('docs/settings.md is what npm run docs makes of the table of settings', async () => {
  assert.equal(await readFile(new URL('docs/settings.md', ROOT), 'utf8'), describeSettings());
});

test("README's links into deploy/ and to its files lead somewhere", async () => {
  const readme = await readFile(new URL('README.md', ROOT), 'utf8');
  const links = [...readme.matchAll(/\]\(((?:deploy|docs|Docker|docker)[^)#]*)\)/g)].map(([, path]) => path!);
  assert.ok(links.length >= 8);
  for (const path of links) await assert.doesNotReject(access(new URL(path, ROOT)), path);
});
