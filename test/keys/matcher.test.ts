import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileMatcher, type KeyRules } from '../../src/matcher.ts';
import { testDatabase } from '../support/database.ts';

const db = await testDatabase();

interface Case extends KeyRules {
  taken: string[];
  hidden: string[];
  excluded: string[];
}

const CASES: (Partial<Case> & { pattern: string })[] = [
  {
    pattern: '**',
    taken: ['a', 'a_b/c.d', 'a/b_', 'a/b.csv', '_day=1/a', 'a/_day=1/b', 'a/_day=1/_hour=2/b', 'a/_x=1.csv'],
    hidden: [
      '_a',
      '.a',
      '_/a',
      './a',
      'a/_b',
      'a/.b',
      'a/_temporary/0/task=1/b.csv',
      '_a/day=1/b',
      'a/.day=1/b',
      'a\n/_b',
      'a/_b\nc',
    ],
  },
  {
    pattern: '**/*.csv',
    taken: ['a/day=1/b.csv'],
    hidden: ['_SUCCESS.csv', 'a/.b.csv', '_delta_log/0.csv'],
  },
  { pattern: '_logs/**', taken: ['_logs/a', '_logs/x/a'], hidden: ['_logs/_a', '_logs/x/.a'] },
  { pattern: '_logs/.x/_a*', taken: ['_logs/.x/_a', '_logs/.x/_ab'], hidden: [] },
  { pattern: 'a/_*', taken: ['a/_', 'a/_b.csv'], hidden: [] },
  { pattern: 'a/_*/b/**', taken: ['a/_x/b/c'], hidden: ['a/_x/b/_c'] },
  { pattern: 'a.b(c)+[d]*', taken: ['a.b(c)+d', 'a.b(c)+d_'], hidden: [] },
  { pattern: '_a/', taken: ['_a/b'], hidden: ['_a/_b'] },
  { pattern: '_a/.b.csv', taken: ['_a/.b.csv'], hidden: [] },
  { pattern: 'é😀/**', taken: ['é😀/b'], hidden: ['é😀/_b', 'é😀/x/.b'] },
  {
    pattern: 'a/**',
    exclude: ['**/*.crc', 'a/tmp/**', 'a/[xy].csv'],
    taken: ['a/b.csv', 'a/tmp2/b.csv', 'a/z.csv', 'a/b.crc.csv'],
    excluded: ['a/b.crc', 'a/tmp/b.csv', 'a/tmp/c/d', 'a/x.csv'],
    hidden: ['a/.b.crc', 'a/tmp/_b'],
  },
  {
    pattern: 'a/**',
    include_hidden: true,
    exclude: ['**/_SUCCESS'],
    taken: ['a/_b', 'a/.b', 'a/_temporary/b'],
    excluded: ['a/_SUCCESS', 'a/b/_SUCCESS'],
  },
];

const VERDICTS = ['taken', 'hidden', 'excluded'] as const;
const rulesOf = ({ pattern, exclude = null, include_hidden = false }: (typeof CASES)[number]): KeyRules => ({
  pattern,
  exclude,
  include_hidden,
});

test('a key is taken, hidden or excluded; what the pattern does not match is neither', () => {
  for (const one of CASES) {
    const matcher = compileMatcher(rulesOf(one));
    for (const verdict of VERDICTS) {
      for (const key of one[verdict] ?? []) {
        assert.equal(matcher.judge(key), verdict, JSON.stringify({ ...rulesOf(one), key }));
        assert.equal(matcher.matches(key), verdict === 'taken');
      }
    }
    assert.equal(matcher.judge('b/_c/'), 'unmatched');
  }
  assert.equal(compileMatcher(rulesOf({ pattern: 'a/*' })).judge('_b'), 'unmatched');
});

test('SQL takes the keys that TypeScript takes', async () => {
  const words = ['a', 'b', '_', '.', '=', '/', 'a/', '/_', '/.', '_x=1/', 'é', '\n'];
  const texts = Array.from({ length: 3000 }, (_, n) => {
    const picks = [n % 12, Math.floor(n / 12) % 12, (n * 7 + 3) % 12, Math.floor(n / 144) % 12];
    return picks.map((pick) => words[pick]).join('');
  });
  const pairs = CASES.flatMap((one) => {
    const rules = rulesOf(one);
    const matcher = compileMatcher(rules);
    const keys = [
      ...VERDICTS.flatMap((verdict) => one[verdict] ?? []),
      ...texts,
      ...texts.map((key) => matcher.prefix + key),
    ];
    return keys.map((key) => ({ ...rules, key, taken: matcher.matches(key) }));
  });
  assert.ok(pairs.filter(({ taken }) => taken).length > 5000);
  const rows = CASES.map((one, n) => ({
    name: `c${n}`,
    bucket: 'some-bucket',
    file_format: 'csv',
    target_table: 't',
    ...rulesOf(one),
  }));
  await db.query(
    `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, exclude, include_hidden)
      select name, bucket, pattern, file_format, target_table, exclude, include_hidden
      from jsonb_populate_recordset(null::s3_connector.connectors, $1)`,
    [JSON.stringify(rows)],
  );
  const differences = await db.query(
    `select x.* from jsonb_to_recordset($1) as x (pattern text, exclude text[], include_hidden boolean, key text, taken boolean)
      join s3_connector.connectors c using (pattern, include_hidden)
      where c.exclude is not distinct from x.exclude and taken <> s3_connector_private.takes_key(c, key)`,
    [JSON.stringify(pairs)],
  );
  assert.deepEqual(differences, []);
});
