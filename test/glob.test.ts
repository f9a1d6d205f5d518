import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileGlob } from '../src/glob.ts';
import { compareKeys } from '../src/keys.ts';
import { GLOB_CASES } from './support/glob_cases.ts';

for (const [pattern, prefix, delimiter, yes, no] of GLOB_CASES) {
  test(`the glob ${JSON.stringify(pattern)} matches as expected`, () => {
    const glob = compileGlob(pattern);
    assert.equal(glob.prefix, prefix);
    assert.equal(glob.delimiter, delimiter);
    for (const key of yes) assert.ok(glob.matches(key), `matches ${JSON.stringify(key)}`);
    for (const key of no) assert.ok(!glob.matches(key), `does not match ${JSON.stringify(key)}`);
    for (const key of yes) assert.ok(key.startsWith(glob.prefix), `${JSON.stringify(key)} is listed`);
  });
}

test('keys are ordered by UTF-8 bytes, where UTF-16 would give another order', () => {
  assert.ok(compareKeys('\uff5e', '😀') < 0);
  assert.ok('\uff5e' > '😀', 'JavaScript orders these two the other way round');
});
