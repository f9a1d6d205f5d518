import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileGlob } from '../../src/glob.ts';
import { testDatabase } from '../support/database.ts';
import { GLOB_CASES } from '../support/glob_cases.ts';

const db = await testDatabase();

interface Pair {
  pattern: string;
  key: string;
  matches: boolean;
}

/** The pairs on which SQL and TypeScript differ. */
const differences = (pairs: Pair[]) =>
  db.query(
    `select x.*, s3_connector_private.glob_regex(pattern) as regex
      from jsonb_to_recordset($1) as x (pattern text, key text, matches boolean)
      where matches <> (key ~ s3_connector_private.glob_regex(pattern) and key !~ '/$')`,
    [JSON.stringify(pairs)],
  );

test('SQL matches globs as TypeScript does: fixed cases', async () => {
  const pairs = GLOB_CASES.flatMap(([pattern, , , yes, no]) => [
    ...yes.map((key) => ({ pattern, key, matches: true })),
    ...no.map((key) => ({ pattern, key, matches: false })),
  ]);
  assert.deepEqual(await differences(pairs), []);
});

test('SQL matches globs as TypeScript does: random cases', async () => {
  const pick = random(20_260_101);
  const words = (from: string[], most: number) =>
    Array.from({ length: 1 + pick(most) }, () => from[pick(from.length)]).join('');
  const pairs = Array.from({ length: 20_000 }, () => {
    const pattern = words([...'aabb/-(|+"é', '**/', '/**', '*', '?', '[ab]', '[^a]', '{a,b}', '{*/,}'], 5);
    const key = pattern
      .replaceAll(/\{([^,]*),[^}]*\}/g, '$1')
      .replaceAll(/\*\*?|\?|\[[^\]]*\]/g, () => words(['', 'a', 'b', 'c', '/', 'a/b'], 1));
    return { pattern, key, matches: compileGlob(pattern).matches(key) };
  }).filter(({ pattern, key }) => !pattern.startsWith('/') && key !== '');
  assert.ok(pairs.filter(({ matches }) => matches).length > 1_000);
  assert.deepEqual(await differences(pairs), []);
});

/** Whole numbers below a bound, the same ones in every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
