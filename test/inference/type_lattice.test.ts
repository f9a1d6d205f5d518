import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { joinKinds, TEXT, typeOf, UNKNOWN } from '../../src/formats/pg_text/text_kinds.ts';
import { compareKeys } from '../../src/keys.ts';
import { keyBetween } from '../../src/sample/spread.ts';
import { joinTypes } from '../../src/table/type_lattice.ts';

test('two types join to the narrowest type that keeps both', () => {
  const cases: [string, string, string][] = [
    ['smallint', 'integer', 'integer'],
    ['integer', 'bigint', 'bigint'],
    ['bigint', 'numeric', 'numeric'],
    ['real', 'double precision', 'double precision'],
    ['integer', 'real', 'double precision'],
    ['bigint', 'double precision', 'numeric'],
    ['numeric(10,2)', 'numeric(6,4)', 'numeric(12,4)'],
    ['numeric(10,2)', 'integer', 'numeric(12,2)'],
    ['numeric(10,2)', 'double precision', 'numeric'],
    ['numeric(10,2)', 'text', 'text'],
    ['numeric(990,0)', 'numeric(990,20)', 'numeric'],
    ['date', 'timestamptz', 'timestamptz'],
    ['date', 'timestamp', 'timestamp'],
    ['timestamp without time zone', 'timestamp with time zone', 'timestamptz'],
    ['character varying(20)', 'character varying(5)', 'character varying(20)'],
    ['character varying(20)', 'text', 'text'],
    ['boolean', 'integer', 'text'],
    ['uuid', 'text', 'text'],
    ['integer[]', 'bigint[]', 'bigint[]'],
    ['integer[]', 'text[]', 'text[]'],
    ['integer[]', 'jsonb', 'jsonb'],
    ['integer[]', 'integer', 'text'],
    ['jsonb', 'text', 'text'],
  ];
  for (const [a, b, joined] of cases) {
    assert.equal(joinTypes(a, b), joined, `${a}, ${b}`);
    assert.equal(joinTypes(b, a), joined, `${b}, ${a}`);
  }
});

const TYPES = [
  'smallint',
  'integer',
  'bigint',
  'real',
  'double precision',
  'numeric',
  'numeric(10,2)',
  'numeric(4,4)',
  'date',
  'timestamp',
  'timestamptz',
  'boolean',
  'uuid',
  'text',
  'character varying(9)',
];

test('the order in which types and kinds are joined does not matter', () => {
  for (const a of TYPES)
    for (const b of TYPES)
      for (const c of TYPES)
        assert.equal(joinTypes(joinTypes(a, b), c), joinTypes(a, joinTypes(b, c)), `${a}, ${b}, ${c}`);
  for (let a = UNKNOWN; a <= TEXT; a++)
    for (let b = UNKNOWN; b <= TEXT; b++)
      for (let c = UNKNOWN; c <= TEXT; c++)
        assert.equal(
          joinKinds(joinKinds(a, b), c),
          joinKinds(a, joinKinds(b, c)),
          [a, b, c].map(typeOf).join(', '),
        );
});

test('a key between two keys is between them, and bisecting ends', () => {
  const key = fc.string({ unit: fc.constantFrom('0', '5', '9', 'a', 'z', 'A', '/', '~', 'é'), maxLength: 6 });
  fc.assert(
    fc.property(key, key, (a, b) => {
      const [low, high] = compareKeys(a, b) <= 0 ? [a, b] : [b, a];
      let last = low;
      for (let i = 0; i < 200; i++) {
        const middle = keyBetween(last, high);
        if (middle === null) return;
        assert.ok(
          compareKeys(middle, last) > 0 && compareKeys(middle, high) < 0,
          `${last}, ${middle}, ${high}`,
        );
        last = middle;
      }
    }),
    { numRuns: 2000, seed: 15 },
  );
  assert.equal(keyBetween('data/1', 'data/~'), 'data/6');
});
