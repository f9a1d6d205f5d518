import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// PostgreSQL's json_populate_record is the oracle: what it makes of a line is what lands, and what it refuses is refused.

const world = await openWorld();
const { db } = world;

/** A column of each of these types. */
const TYPES = [
  ...['smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric', 'numeric(6,2)', 'boolean'],
  ...['text', 'varchar(4)', 'char(3)', 'bytea', 'uuid', 'date', 'time', 'timestamp', 'timestamptz', 'timetz'],
  ...[
    'timestamp(0)',
    'interval',
    'json',
    'jsonb',
    'inet',
    'point',
    'int4range',
    'bit(3)',
    'money',
    'xid',
    '"char"',
  ],
  ...['mood', 'positive', 'document', 'document_of_document', 'pair', 'small_pair', 'nested'],
  ...[
    'integer[]',
    'text[]',
    'jsonb[]',
    'json[]',
    'varchar(2)[]',
    'mood[]',
    'positive[]',
    'timestamptz[]',
    'box[]',
  ],
  ...['pair[]', 'tags', 'name'],
];

const DEFINITIONS = `
  create type mood as enum ('sad', 'ok', '');
  create domain positive as integer check (value > 0) not null;
  create domain document as jsonb check (value <> '7');
  create domain document_of_document as document;
  create type pair as (a integer, b text);
  create domain small_pair as pair check ((value).a < 100);
  create domain tags as text[] check (cardinality(value) < 3);
  create type nested as (a pair, b integer[], c jsonb, "D" positive, e pair[]);
  create function try_line(line text, of_type text, out bits text, out error text, out state text) language plpgsql as $$
  begin
    execute format('select encode(sha256(record_send(r)), ''hex'') from json_populate_record(null::%I, $1::json) r', of_type)
      into bits using line;
  exception when others then
    error := sqlerrm;
    state := sqlstate;
  end; $$`;

const TABLE = `lines_of_json`;
const columnOf = (i: number) => `c${i}`;
/** A domain that is not null would refuse the rows of all other columns. */
const isRequired = (type: string) => type === 'positive';

before(async () => {
  await db.query(DEFINITIONS);
});

const WORDS = [
  ...[
    '',
    'a',
    'ab ',
    'sad',
    'ok',
    'true',
    'f',
    'null',
    'NULL',
    '1',
    '-1',
    ' 7 ',
    '1.0',
    '1e2',
    '0x1F',
    '1_000',
    'NaN',
  ],
  ...[
    'Infinity',
    '-inf',
    '2026-01-31',
    '2026-02-30',
    '2026-01-31T10:00:00Z',
    '2026-01-31 10:00:00.1234567+05:30',
  ],
  ...['10:00', '24:00:00', '10:00+02', '1 day', '01:02:03', 'epoch', '0001-01-01 BC', '294277-01-01'],
  ...[
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    '{a0eebc999c0b4ef8bb6d6bb9bd380a11}',
    '\\x00ff',
    '\\x0',
    'a\\b',
    "it's",
  ],
  ...[
    '{1,2}',
    '{}',
    '{{1,2},{3,4}}',
    '{a,NULL,"b,c"}',
    '(1,x)',
    '(,)',
    '[1,2)',
    'empty',
    '1 2 3',
    '(1,2)',
    '10.0.0.1/8',
  ],
  ...[
    '101',
    '$1.50',
    'é',
    '漢字',
    '😀',
    '"',
    '\\',
    '\n',
    '\t',
    '\r\n',
    '\u001f',
    '\u007f',
    '\\.',
    '\\N',
    'a\tb',
    '</x>',
    '{"a":1}',
  ],
];
const NUMBERS = [
  ...[
    '0',
    '-0',
    '7',
    '1.0',
    '1.5',
    '-1.5',
    '1e2',
    '1E+2',
    '1e-2',
    '1e400',
    '-1e400',
    '1e-400',
    '32767',
    '32768',
    '2147483648',
  ],
  ...[
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775808',
    '0.1',
    '123456.789',
    '9999.995',
    '1e16',
  ],
  ...[
    '12345678901234567890123456789.123456789',
    '0e0',
    '0.0000000000000000000001',
    '3.4028236e38',
    '1e-46',
    '101',
  ],
];
const BROKEN = [
  '01',
  '1.',
  '.5',
  '+1',
  'NaN',
  'tru',
  'nul',
  'True',
  "'a'",
  '"a',
  '"\\x"',
  '"\\u12"',
  '"\\u0000"',
  '"\\ud800"',
  '"\\udc00x"',
  '[1,]',
  '{"a"}',
  '[',
  '{"a":1,}',
  '',
  '"\u0001"',
  '1a',
  '--1',
  '1e',
  'truex',
];

/** A string as JSON, some characters as escapes. */
const written = fc
  .tuple(fc.oneof(fc.constantFrom(...WORDS), fc.string({ unit: 'binary', maxLength: 6 })), fc.nat())
  .map(([word, seed]) => {
    const chars = [...word.replaceAll('\0', '')].map((char, i) => {
      const code = JSON.stringify(char).slice(1, -1);
      if (code !== char) return code;
      if (((seed >> (i % 20)) & 3) !== 3) return char;
      return char.length === 2 ? `\\u${hex(char, 0)}\\u${hex(char, 1)}` : `\\u${hex(char, 0)}`;
    });
    return `"${chars.join('')}"`;
  });
const hex = (char: string, at: number) => char.charCodeAt(at).toString(16).padStart(4, '0');

const scalar = fc.oneof(
  { weight: 4, arbitrary: written },
  { weight: 3, arbitrary: fc.constantFrom(...NUMBERS) },
  { weight: 1, arbitrary: fc.constantFrom('null', 'true', 'false') },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String) },
);
const blank = fc.constantFrom('', '', '', ' ', '\t', '  ');
const { value, list, object } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 3, depthIdentifier: 'json' }, scalar, tie('list'), tie('object')),
  list: fc
    .tuple(blank, fc.array(tie('value'), { maxLength: 3, depthIdentifier: 'json' }))
    .map(([space, items]) => `[${space}${items.join(`${space},`)}${space}]`),
  object: fc
    .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'D', 'e', 'A', '\\u0061', ''), blank, tie('value')), {
      maxLength: 4,
      depthIdentifier: 'json',
    })
    .map(
      (members) =>
        `{${members.map(([key, space, item]) => `${space}"${key}"${space}:${space}${item}`).join(',')}}`,
    ),
}));

const isList = (type: string) => type.endsWith(']') || type === 'tags';
const isObject = (type: string) => /^(pair|small_pair|nested|document)/.test(type);

/** The value of a column, which suits its type more or less, or something that is no value. */
const column = fc.nat({ max: TYPES.length - 1 }).chain((i) => {
  const suits = isList(TYPES[i]!) ? list : isObject(TYPES[i]!) ? object : scalar;
  const json = fc.oneof(
    { weight: 20, arbitrary: suits },
    { weight: 5, arbitrary: value },
    { weight: 1, arbitrary: fc.constantFrom(...BROKEN) },
  );
  return fc.tuple(fc.constant(i), json);
});

/** A line with some columns; the same one may come twice. */
const line = fc.tuple(fc.oneof(fc.tuple(column), fc.tuple(column, column)), blank).map(([columns, space]) => {
  const members = columns.map(([i, json]) => `${space}"${columnOf(i)}":${space}${json}`);
  return `{${members.join(`${space},`)}${space}}${space}`;
});

interface Outcome {
  bits: string | null;
  error: string | null;
  state: string | null;
}

const ROUNDS = Number(process.env.CSV_ROUNDS ?? 200) / 400;
const SEED = Number(process.env.CSV_SEED ?? 1);
let rounds = 0;

/** Makes the table, with the type that its rows are for the oracle. */
async function makeTable(name: string, positions: number[]): Promise<void> {
  const columns = positions.map((i) => `${columnOf(i)} ${isRequired(TYPES[i]!) ? 'integer' : TYPES[i]!}`);
  await db.query(`create type of_${name} as (${columns.join(', ')}); create table ${name} of of_${name}`);
}

/** Imports files of lines into a table of some of the types, and returns for each line what should have landed. */
async function importLines(files: string[][], positions: number[], settings: Record<string, unknown>) {
  const name = `${TABLE}_${++rounds}`;
  await makeTable(name, positions);
  for (const [i, lines] of files.entries())
    world.put(`${name}/${String(i).padStart(6, '0')}`, lines.join('\n'));
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_format: 'json',
    schedule: NEVER_AGAIN,
    max_tracked_files: 10_000,
    ...settings,
  });
  const ended = await world.settled(name);
  const rows = await db.query<{ bits: string }>(
    `select encode(sha256(record_send(row(t.*)::of_${name})), 'hex') as bits from ${name} t`,
  );
  const rejected = await db.query<{ line: number; column: string | null; error: string }>(
    'select line::integer, column_name as "column", error from s3_connector.rejected_rows where connector_name = $1 order by line',
    [name],
  );
  const expected = await db.query<Outcome>(
    `select (o).* from (
      select try_line(line, 'of_${name}') as o from unnest($1::text[]) with ordinality u (line, n) order by n
    ) x`,
    [files.flat()],
  );
  return { ended, rows, rejected, expected };
}

/** Whether a line may have several bad values, of which the oracle may name another one than we do. */
function hasSeveral(line: string): boolean {
  const columns = [...line.matchAll(/"c(\d+)"/g)].map(([, i]) => TYPES[Number(i)]!);
  return columns.length > 1 || columns.some((type) => isList(type) || isObject(type));
}

/** Errors about the syntax of the line, which we word in our own way. */
const isSyntax = ({ error }: Outcome) => /type json\b|Unicode/.test(error!);

const ALL = [...TYPES.keys()];
/** Columns whose values are encoded: the worker does so only if it can encode all columns of the table. */
const ENCODED = ALL.filter((i) =>
  [
    ...['smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric', 'numeric(6,2)', 'boolean'],
    ...['text', 'varchar(4)', 'char(3)', 'bytea', 'uuid', 'date', 'time', 'timestamp', 'timestamptz'],
    ...['timestamp(0)', 'json', 'jsonb', 'mood', 'positive', 'document'],
  ].includes(TYPES[i]!),
);
const has = (line: string, positions: number[]) =>
  [...line.matchAll(/"c(\d+)"/g)].every(([, i]) => positions.includes(Number(i)));

test('what json_populate_record makes of a line is what lands, as text', async (t) => {
  const worker = await world.startWorker({ ENCODE_CSV_FROM_BYTES: String(Number.MAX_SAFE_INTEGER) });
  let taken = 0;
  let refused = 0;
  const property = fc.asyncProperty(linesOf(500), async (lines) => {
    const skipping = { on_bad_row: 'skip', max_bad_rows: null };
    const { ended, rows, rejected, expected } = await importLines([lines], ALL, skipping);
    assert.equal(ended[0]!.error_message, null);
    const good = expected.filter(({ bits }) => bits !== null);
    taken += good.length;
    refused += expected.length - good.length;
    const shown = (list: number[]) =>
      list.map((n) => [
        lines[n - 1],
        expected[n - 1]!.error ?? rejected.find(({ line }) => line === n)?.error,
      ]);
    const wanted = expected.flatMap(({ bits }, i) => (bits === null ? [i + 1] : []));
    const got = rejected.map(({ line }) => line);
    assert.deepEqual(shown(got.filter((n) => !wanted.includes(n))), [], 'refused, but good');
    assert.deepEqual(shown(wanted.filter((n) => !got.includes(n))), [], 'taken, but bad');
    const reasons = rejected.flatMap(({ line, error }) => {
      const oracle = expected[line - 1]!;
      return isSyntax(oracle) || hasSeveral(lines[line - 1]!) || error.startsWith(oracle.error!)
        ? []
        : [{ line: lines[line - 1], error, oracle: oracle.error }];
    });
    assert.deepEqual(reasons, []);
    assert.deepEqual(lost(lines, expected, rows), []);
    assert.equal(rows.length, good.length);
    // Again without the bad lines: now the file goes in one piece, not in batches.
    const kept = lines.filter((_, i) => expected[i]!.bits !== null);
    const whole = await importLines([kept], ALL, {});
    assert.equal(whole.ended[0]!.error_message, null);
    assert.deepEqual(
      whole.rows.map(({ bits }) => bits),
      whole.expected.map(({ bits }) => bits),
    );
  });
  // Lines are independent of each other, and messages show those that differ: nothing to reduce.
  await fc.assert(property, { seed: SEED, numRuns: Math.ceil(2 * ROUNDS), endOnFailure: true });
  t.diagnostic(`${taken} lines taken, ${refused} refused`);
  assert.ok(taken > 100 && refused > 100);
  await worker.end('SIGTERM');
});

test('what json_populate_record makes of a line is what lands, encoded', async (t) => {
  const worker = await world.startWorker({ ENCODE_CSV_FROM_BYTES: '0' });
  let taken = 0;
  let refused = 0;
  const property = fc.asyncProperty(linesOf(600), async (all) => {
    // Behind a value that is not encoded, others are not either: a file for each line.
    const lines = all.filter((line) => has(line, ENCODED)).slice(0, 150);
    const { ended, rows, expected } = await importLines(
      lines.map((line) => [line]),
      ENCODED,
      {},
    );
    const differ = lines.filter((_, i) => (ended[i]!.status === 'success') !== (expected[i]!.bits !== null));
    assert.deepEqual(differ, []);
    assert.deepEqual(lost(lines, expected, rows), []);
    assert.equal(rows.length, expected.filter(({ bits }) => bits !== null).length);
    taken += rows.length;
    refused += lines.length - rows.length;
  });
  await fc.assert(property, { seed: SEED, numRuns: Math.ceil(ROUNDS), endOnFailure: true });
  t.diagnostic(`${taken} lines taken, ${refused} refused`);
  assert.ok(taken > 30 && refused > 30);
  await worker.end('SIGTERM');
});

const linesOf = (count: number) => fc.array(line, { minLength: count, maxLength: count, size: 'max' });

/** Returns the lines of which nothing landed. The order of rows says little: after a rollback, they fill gaps in pages. */
function lost(lines: string[], expected: Outcome[], rows: { bits: string }[]): string[] {
  const landed = new Set(rows.map(({ bits }) => bits));
  return lines.filter((_, i) => expected[i]!.bits !== null && !landed.has(expected[i]!.bits!));
}
