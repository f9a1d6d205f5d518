import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileGlob } from '../src/glob.ts';
import { compareKeys } from '../src/keys.ts';

const cases: [pattern: string, prefix: string, delimiter: '/' | undefined, yes: string[], no: string[]][] = [
  [
    'data/*',
    'data/',
    '/',
    ['data/a.csv', 'data/.hidden', 'data/a b\n.csv'],
    ['data/x/a.csv', 'data/', 'other/a.csv'],
  ],
  ['data/', 'data/', '/', ['data/a.csv'], ['data/x/a.csv', 'data/']],
  ['data/**', 'data/', undefined, ['data/a', 'data/x/y/a.csv', 'data/x/.y/a'], ['data/x/', 'date/a']],
  ['data/**/*.csv', 'data/', undefined, ['data/a.csv', 'data/x/y/a.csv'], ['data/a.csv.gz', 'data/x/']],
  ['**', '', undefined, ['a', 'a/b'], ['a/']],
  [
    'data/202?-[01][0-9].{csv,csv.gz}',
    'data/202',
    '/',
    ['data/2026-01.csv', 'data/2025-12.csv.gz'],
    ['data/2026-21.csv', 'data/2026-01.zip'],
  ],
  ['data/x.csv', 'data/x.csv', '/', ['data/x.csv'], ['data/xxcsv', 'data/x.csv2']],
  [
    'year=*/month=*/*.parquet',
    'year=',
    undefined,
    ['year=2026/month=01/a.parquet'],
    ['year=2026/a.parquet', 'year=2026/month=1/x/a.parquet'],
  ],
  ['a(b)/c+d/@e!|$^.*', 'a(b)/c+d/@e!|$^.', '/', ['a(b)/c+d/@e!|$^.csv'], ['ab/cd/e.csv']],
  ['a/\\*/b?', 'a/', undefined, ['a/*/b1'], ['a/x/b1', 'a/*/b']],
  ['é/😀*', 'é/😀', '/', ['é/😀x'], ['e/😀x']],
  ['{x,y/z}/a.csv', '', undefined, ['x/a.csv', 'y/z/a.csv'], ['z/a.csv']],
];

for (const [pattern, prefix, delimiter, yes, no] of cases) {
  test(`the glob ${JSON.stringify(pattern)}`, () => {
    const glob = compileGlob(pattern);
    assert.equal(glob.prefix, prefix);
    assert.equal(glob.delimiter, delimiter);
    for (const key of yes) assert.ok(glob.matches(key), `matches ${JSON.stringify(key)}`);
    for (const key of no) assert.ok(!glob.matches(key), `does not match ${JSON.stringify(key)}`);
    for (const key of yes) assert.ok(key.startsWith(glob.prefix), `${JSON.stringify(key)} is listed`);
  });
}

test('keys are ordered by UTF-8 bytes, where UTF-16 would differ', () => {
  assert.ok(compareKeys('\uff5e', '😀') < 0);
  assert.ok('\uff5e' > '😀', 'JavaScript orders these two the other way round');
});
