import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { describeSettings } from '../../docs/describe_settings.ts';

const ROOT = new URL('../../', import.meta.url);

test('docs/settings.md equals what npm run docs generates from the table of settings', async () => {
  assert.equal(await readFile(new URL('docs/settings.md', ROOT), 'utf8'), describeSettings());
});
