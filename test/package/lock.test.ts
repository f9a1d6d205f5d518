import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

interface Entry {
  version?: string;
  integrity?: string;
  resolved?: string;
  /** A symbolic link to a directory of the checkout. */
  link?: boolean;
}

const lock: { packages: Record<string, Entry> } = JSON.parse(
  await readFile(new URL('../../package-lock.json', import.meta.url), 'utf8'),
);
/** All but the project itself. */
const installed = Object.entries(lock.packages).filter(([path, { link }]) => path !== '' && !link);

test('every package of package-lock.json has a SHA-512 hash, also those of other platforms', () => {
  assert.ok(installed.length > 100);
  // Without a hash, npm installs what the registry serves under the version. npm leaves it out for a platform's package
  // that was not installed when the lock file was written.
  const gaps = installed
    .filter(([, { integrity }]) => !integrity?.startsWith('sha512-'))
    .map(([path, { version }]) => `npm view ${path.split('node_modules/').at(-1)}@${version} dist.integrity`);
  assert.deepEqual(gaps, [], 'Add what these commands print as "integrity".');
});

test('every package comes from the registry, not from another host', () => {
  assert.deepEqual(
    installed.filter(([, { resolved }]) => resolved && !resolved.startsWith('https://registry.npmjs.org/')),
    [],
  );
});
