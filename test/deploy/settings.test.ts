import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { COMMANDS } from '../../src/cli/commands.ts';

const ROOT = new URL('../../', import.meta.url);

test("README's table of settings has every setting of a worker", async () => {
  const readme = await readFile(new URL('README.md', ROOT), 'utf8');
  const table = readme.split('## Settings of a worker')[1]!.split('\n## ')[0]!;
  const told = new Set([...table.matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(([, name]) => name));
  const { settings } = COMMANDS.find(({ name }) => name === 'start')!;
  for (const [name] of settings.filter(([setting]) => setting !== 'AWS_...')) assert.ok(told.has(name), name);
});

test("README's links into deploy/ and to its files lead somewhere", async () => {
  const readme = await readFile(new URL('README.md', ROOT), 'utf8');
  const links = [...readme.matchAll(/\]\(((?:deploy|docs|Docker|docker)[^)#]*)\)/g)].map(([, path]) => path!);
  assert.ok(links.length >= 8);
  for (const path of links) await assert.doesNotReject(access(new URL(path, ROOT)), path);
});
