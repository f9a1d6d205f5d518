import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnNames, inferColumns } from '../../src/formats/csv/infer.ts';
import { check, chunkSizes, dialectOf, inChunks } from './random_csv.ts';

/** The type of a one-column file; a value is quoted only where the test says so. */
async function typeOf(
  values: readonly string[],
  nullText = '',
): Promise<{ type: string; nullable: boolean }> {
  const csv = Buffer.from(`${values.join('\n')}\n`);
  const options = { names: ['a'], maxRowBytes: 10_000 };
  const columns = await inferColumns(inChunks(csv, [7, 1, 3]), dialectOf({ nullText }), options);
  assert.equal(columns.length, 1);
  const { type, nullable } = columns[0] as (typeof columns)[0];
  return { type, nullable };
}

test('each value is inferred as its type', async () => {
  const expected: Record<string, string[]> = {
    boolean: ['true', 'FALSE', 't', 'F'],
    bigint: ['0', '-1', '"42"', '999999999999999', '9223372036854775807', '-9223372036854775808'],
    'double precision': ['1.5', '-0.25', '.5', '1e5', '2.5E-3', '123456789.012345', '0.000000000000000001'],
    numeric: [
      '9223372036854775808',
      '-9223372036854775809',
      '123456789012345.6',
      '1.2345678901234567e10',
      '1e300',
      '12345678901234567890',
    ],
    date: ['2024-02-29', '0001-01-01', '9999-12-31', '2000-02-29'],
    timestamptz: [
      '2024-01-01 00:00',
      '2024-01-01T23:59:59Z',
      '2024-01-01 10:00:00.123456789+05:30',
      '2024-01-01T10:00+05',
      '2024-01-01T10:00:00-0330',
      '2024-01-01 10:00z',
    ],
    uuid: ['a0eebc99-9c0b-4ef8-BB6D-6bb9bd380a11'],
    text: [
      '00501',
      '-01',
      '+5',
      '1.',
      '.',
      '-',
      '1e',
      '1e+',
      '1e99999',
      '01.5',
      '1,5'.replace(',', '_'),
      ' 1',
      '1 ',
      '0x1f',
      'yes',
      'tru',
      'NaN',
      '-Infinity',
      '2023-02-29',
      '1900-02-29',
      '2024-13-01',
      '2024-04-31',
      '0000-01-01',
      '2024-1-1',
      '2024-01-01 24:00',
      '2024-01-01 10:60',
      '2024-01-01 10:00:60',
      '2024-01-01 10:00:00.',
      '2024-01-01 10:00 +05',
      '2024-01-01 10:00+16',
      '2024-01-01 10:00+05:3',
      '2024-01-01_10:00',
      'a0eebc999c0b4ef8bb6d6bb9bd380a11',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g',
      '""',
      'é',
    ],
  };
  for (const [type, values] of Object.entries(expected)) {
    for (const value of values) assert.deepEqual(await typeOf([value]), { type, nullable: false }, value);
  }
});

test('a column gets the narrowest type that holds all its values', async () => {
  const cases: [string[], string][] = [
    [['1', '1.5'], 'double precision'],
    [['1.5', '1'], 'double precision'],
    [['1234567890123456', '1.5'], 'numeric'],
    [['1.5', 'NaN', '-inf'], 'double precision'],
    [['NaN', '1'], 'double precision'],
    [['1234567890123456', 'NaN'], 'numeric'],
    [['1', '1234567890123456'], 'bigint'],
    [['2024-01-01', '2024-01-01 10:00'], 'timestamptz'],
    [['2024-01-01', '20240101'], 'text'],
    [['true', '1'], 'text'],
    [['t', 'f', 'm'], 'text'],
    [['1', 'x', '2'], 'text'],
    [['1', '""'], 'text'],
    [['501', '00501'], 'text'],
    [['1', '+5'], 'text'],
    [['1.5', '2.50'], 'numeric'],
    [['2.50', '1'], 'numeric'],
    [['1.0', '2'], 'double precision'],
    [['1', '-0'], 'double precision'],
    [['2.50', '-0.00', '1'], 'double precision'],
    [['1234567890123456', '-0'], 'text'],
    [['2.50', '1234567890123456'], 'numeric'],
  ];
  for (const [values, type] of cases) assert.equal((await typeOf(values)).type, type, values.join(' '));
});

test('NULLs have no type and make the column nullable', async () => {
  assert.deepEqual(await typeOf(['1', '', '2']), { type: 'bigint', nullable: true });
  assert.deepEqual(await typeOf(['', '']), { type: 'text', nullable: true });
  assert.deepEqual(await typeOf(['1', 'NULL'], 'NULL'), { type: 'bigint', nullable: true });
  assert.deepEqual(await typeOf(['1', '"NULL"'], 'NULL'), { type: 'text', nullable: false });
  assert.deepEqual(await typeOf(['1', ''], 'NULL'), { type: 'text', nullable: false });
});

test('a value may be quoted, escaped, split between chunks or very long', async () => {
  assert.equal((await typeOf(['"1""2"'])).type, 'text');
  assert.equal((await typeOf(['1"2"3'])).type, 'bigint');
  assert.equal((await typeOf(['9'.repeat(128)])).type, 'numeric');
  assert.equal((await typeOf(['9'.repeat(129)])).type, 'text');
  assert.equal((await typeOf([`"${'9'.repeat(5000)}"`])).type, 'text');
});

test('the result does not depend on how the file is split into chunks', async () => {
  const pieces = [
    '1',
    '2.5',
    '',
    '""',
    'x',
    '2024-01-01',
    '"2024-01-01 10:00"',
    't',
    'NaN',
    '"a\nb"',
    '9'.repeat(300),
  ];
  const piece = fc.constantFrom(...pieces);
  const rows = fc.array(fc.tuple(piece, piece), { minLength: 1, maxLength: 4 }).chain((columns) =>
    fc.array(fc.tuple(...columns.map((choices) => fc.constantFrom(...choices, '1'))), {
      minLength: 1,
      maxLength: 20,
    }),
  );
  await check(400, fc.tuple(rows, chunkSizes), async ([records, sizes]) => {
    const csv = Buffer.from(`${records.map((fields) => fields.join(',')).join('\n')}\n`);
    const options = { names: null, maxRowBytes: 10_000 };
    async function* whole() {
      yield csv;
    }
    const expected = await inferColumns(whole(), dialectOf(), options);
    assert.deepEqual(await inferColumns(inChunks(csv, sizes), dialectOf(), options), expected);
    assert.equal(expected.length, records[0]!.length);
  });
});

test('columns are named by the header, or else by their position', async () => {
  const infer = async (csv: string, names: string[] | null) => {
    const options = { names, maxRowBytes: 99 };
    const columns = await inferColumns(inChunks(Buffer.from(csv), [2, 1]), dialectOf(), options);
    return columns.map(({ name, type, nullable }) => ({ name, type, nullable }));
  };
  assert.deepEqual(await infer('1,x\n', null), [
    { name: 'column1', type: 'bigint', nullable: false },
    { name: 'column2', type: 'text', nullable: false },
  ]);
  assert.deepEqual(await infer('', null), []);
  assert.deepEqual(await infer('', ['a', '']), [
    { name: 'a', type: 'text', nullable: true },
    { name: 'column2', type: 'text', nullable: true },
  ]);
  assert.throws(() => columnNames(['a', 'b', 'a', 'b', 'c']), {
    code: 'duplicate_column',
    message: 'expected unique column names, got "a", "b" more than once',
  });
});

test('a row with another number of fields is ignored', async () => {
  const csv = Buffer.from('1,2\nx\ny,z,w\n3,4');
  const columns = await inferColumns(inChunks(csv, [2, 1]), dialectOf(), {
    names: ['a', 'b'],
    maxRowBytes: 99,
  });
  assert.deepEqual(
    columns.map(({ type }) => type),
    ['bigint', 'bigint'],
  );
});
