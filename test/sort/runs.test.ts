import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { before, test } from 'node:test';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { type RawSection, readSections } from '../../src/formats/csv/binary/sections.ts';
import { rawInput } from '../../src/formats/csv/raw.ts';
import type { CopyInput, SortKey } from '../../src/formats/format.ts';
import type { ValueKind } from '../../src/formats/pg_binary/kinds.ts';
import { planOrder } from '../../src/formats/sort/plan_order.ts';
import type { RowOrder } from '../../src/formats/sort/row_order.ts';
import { toSortedRuns } from '../../src/formats/sort/sorted_runs.ts';
import { type SortedSection, sortSections } from '../../src/formats/sort/sorted_sections.ts';
import { plainColumn } from '../../src/table/table.ts';
import { dialectOf } from '../csv/random_csv.ts';
import { planOf } from '../csv/section_plan.ts';
import { testDatabase } from '../support/database.ts';
import { pick, type Random, seeded, shuffle } from '../support/random.ts';

// PostgreSQL is the oracle: it numbers the rows as they arrive, and sorts them itself.

const RUN_BYTES = 40_000;
const ROWS = 3000;

const times = (days: number) => (random: Random) =>
  new Date(Date.UTC(2026, 0, 1) + random(days) * 86_400_000 + random(3) * 1000).toISOString().slice(0, -1);
const oneOf = (text: string) => (random: Random) => pick(random, text.split(' '));

/** The columns by their types, with values of which many are equal and some are null. */
const VALUES: Record<string, (random: Random) => string> = {
  smallint: oneOf('-32768 -1 0 1 256 32767'),
  integer: oneOf('-2147483648 -1 0 1 65536 2147483647'),
  bigint: oneOf('-9007199254740991 -4294967296 -1 0 1 4294967295 4294967296 9007199254740991'),
  real: oneOf('NaN Infinity -Infinity -0 0 1.5 -1.5 1e-30 3.4e30'),
  'double precision': oneOf('NaN Infinity -Infinity -0 0 1.5 -1.5 -1.25 1e-20 2e200'),
  boolean: oneOf('true false'),
  uuid: (random) => `00000000-000${random(3)}-0000-8000-${String(random(3)).padStart(12, 'f')}`,
  date: oneOf('1999-12-31 2000-01-01 0001-01-01 2026-02-28'),
  'time without time zone': oneOf('00:00:00 23:59:59.999999 12:00:00'),
  'timestamp without time zone': times(400),
  'timestamp with time zone': (random) => `${times(200)(random)}Z`,
  text: oneOf('ä a A aa b é'),
  'character varying': oneOf('x X xx'),
  bytea: oneOf('\\x \\x00 \\x0001 \\xff'),
};
const TYPES = Object.keys(VALUES);
const TIME = TYPES.indexOf('timestamp with time zone');
const columnOf = (type: string) => `c${TYPES.indexOf(type)}`;

let client: pg.Client;
before(async () => {
  client = await (await testDatabase({ empty: true })).connect();
  const columns = TYPES.map((type) => `${columnOf(type)} ${type}`).join(', ');
  await client.query(`set timezone to 'UTC'; create table expected (${columns});
    create table arrived (id bigserial, run integer, ${columns})`);
});

/** Rows with nulls in all columns but the time. */
function makeRows(random: Random, rows = ROWS): string[][] {
  return Array.from({ length: rows }, () =>
    TYPES.map((type, i) => (i !== TIME && random(8) === 0 ? '' : VALUES[type]!(random))),
  );
}

const toCsv = (rows: string[][]) => Buffer.from(rows.map((row) => `${row.join(',')}\n`).join(''));

function key(type: string, segment: boolean, more: Partial<SortKey> = {}): SortKey {
  return { column: columnOf(type), segment, descending: false, nullsFirst: false, byBytes: true, ...more };
}

function orderOf(keys: SortKey[], columns = TYPES): RowOrder | null {
  const targets = columns.map((type, position) => ({
    position,
    target: plainColumn(columnOf(type), type, type),
  }));
  const kinds = columns.map((type) =>
    type === 'timestamp with time zone' ? 'timestamp with time zone, UTC' : type,
  ) as ValueKind[];
  return planOrder({ columns: targets, constants: [] }, kinds, keys, columnOf(TYPES[TIME]!), {
    runBytes: RUN_BYTES,
    firstRunBytes: RUN_BYTES,
  });
}

interface Arrived {
  rows: number;
  range: [string | null, string | null] | null;
  apart: boolean;
}

/** Copies a CSV in sorted runs; returns them. */
async function copySorted(csv: Buffer, order: RowOrder): Promise<Arrived[]> {
  const kinds = TYPES.map((type) =>
    type === 'timestamp with time zone' ? 'timestamp with time zone, UTC' : type,
  ) as ValueKind[];
  const plan = planOf(dialectOf(), kinds, 'on');
  const chunks = async function* () {
    for (let at = 0; at < csv.length; at += 9999) yield csv.subarray(at, at + 9999);
  };
  const sections = sortSections(readSections(chunks(), plan), order);
  await client.query('truncate expected, arrived restart identity');
  const runs: Arrived[] = [];
  for await (const { input, range, apart } of toSortedRuns(
    sections as AsyncGenerator<SortedSection | RawSection, undefined>,
    order,
    'line',
    (rows) => rawInput(rows, plan.dialect, { newline: plan.newline, lineOf: (line) => line }),
  )) {
    runs.push({ rows: await copy('arrived', input), range, apart });
    await client.query('update arrived set run = $1 where run is null', [runs.length - 1]);
  }
  await copy('expected', { options: 'format csv', data: chunks() });
  return runs;
}

async function copy(
  table: string,
  { options, data }: Pick<CopyInput, 'options'> & { data: AsyncIterable<Uint8Array> },
): Promise<number> {
  const stream = client.query(
    copyFrom(`copy ${table} (${TYPES.map(columnOf).join(', ')}) from stdin with (${options})`),
  );
  await pipeline(Readable.from(data), stream);
  return stream.rowCount;
}

/** Checks that all rows arrived, and that each run is sorted as PostgreSQL sorts it. */
async function assertSorted(runs: Arrived[], keys: SortKey[]): Promise<void> {
  const columns = TYPES.map(columnOf).join(', ');
  const difference = `select count(*)::int from ((table expected except all select ${columns} from arrived)
    union all (select ${columns} from arrived except all table expected)) d`;
  assert.deepEqual((await client.query(difference)).rows, [{ count: 0 }]);
  const segments = keys.filter(({ segment }) => segment).map(({ column }) => column);
  const order = keys
    .filter(({ segment }) => !segment)
    .map((k) => `${k.column} ${k.descending ? 'desc' : 'asc'} nulls ${k.nullsFirst ? 'first' : 'last'}`);
  const { rows: wrong } = await client.query(
    `select run, id from (
       select run, id, row_number() over (partition by run order by ${['begins', ...order, 'id'].join(', ')}) as sorted,
         row_number() over (partition by run order by id) as arrived
       from (select *, min(id) over (partition by ${['run', ...segments].join(', ')}) as begins from arrived) a
     ) s where sorted <> arrived and run = any ($1) limit 5`,
    [runs.flatMap(({ range }, run) => (range ? [run] : []))],
  );
  assert.deepEqual(wrong, [], JSON.stringify(keys));
  for (const [run, { range }] of runs.entries()) {
    if (!range) continue;
    const { rows } = await client.query(
      `select bool_and(${columnOf(TYPES[TIME]!)} between $2 and $3) as within from arrived where run = $1`,
      [run, ...range],
    );
    assert.deepEqual(rows, [{ within: true }], range.join(' to '));
  }
}

const SEGMENTS = [
  'smallint',
  'integer',
  'bigint',
  'boolean',
  'uuid',
  'date',
  'text',
  'character varying',
  'bytea',
];
const ORDERS = TYPES.slice(0, TIME + 1);

test('runs are sorted as PostgreSQL sorts them, by any columns', async () => {
  const random = seeded(1);
  for (let round = 0; round < 14; round++) {
    const segments = shuffle(random, SEGMENTS).slice(0, random(3));
    const orders = shuffle(random, ORDERS).filter((type) => !segments.includes(type));
    // Each type comes first once.
    const first = ORDERS[round % ORDERS.length]!;
    const by = [first, ...orders.filter((type) => type !== first).slice(0, random(3))];
    const keys = [
      ...segments.filter((type) => type !== first).map((type) => key(type, true)),
      ...by.map((type) => key(type, false, { descending: random(2) === 1, nullsFirst: random(2) === 1 })),
    ];
    const runs = await copySorted(toCsv(makeRows(random)), orderOf(keys)!);
    assert.ok(runs.length > 5, `${runs.length} runs`);
    await assertSorted(runs, keys);
  }
});

test('rows that only PostgreSQL can parse come after the rows of a run', async () => {
  const random = seeded(2);
  const rows = makeRows(random);
  for (let i = 100; i < ROWS; i += 1000) rows[i]![1] = ' 7';
  const keys = [key('text', true), key('timestamp with time zone', false)];
  const runs = await copySorted(toCsv(rows), orderOf(keys)!);
  assert.ok(runs.some(({ range }) => range === null));
  assert.ok(runs.some(({ range }) => range !== null));
  await assertSorted(runs, keys);
});

test('runs of a file in the order of time are apart, also if many rows have one time', async () => {
  const random = seeded(3);
  const rows = makeRows(random).sort((a, b) => (a[TIME]! < b[TIME]! ? -1 : 1));
  for (const descending of [false, true]) {
    const keys = [key('text', true), key('timestamp with time zone', false, { descending })];
    const runs = await copySorted(toCsv(rows), orderOf(keys)!);
    await assertSorted(runs, keys);
    assert.ok(runs.length > 5 && runs.every(({ apart }) => apart));
    const { rows: shared } = await client.query(
      `select from arrived group by ${columnOf(TYPES[TIME]!)} having min(run) < max(run)`,
    );
    assert.deepEqual(shared, []);
    rows.reverse();
  }
});

test('a run may be twice as long as the one before, up to the longest', async () => {
  const keys = [key('text', true), key('timestamp with time zone', false)];
  const order = { ...orderOf(keys)!, firstRunBytes: RUN_BYTES / 8 };
  const runs = await copySorted(toCsv(makeRows(seeded(6))), order);
  await assertSorted(runs, keys);
  const longest = runs[4]!.rows;
  const shares = runs.slice(0, 4).map(({ rows }) => rows / longest);
  for (const [i, most] of [1 / 8, 1 / 4, 1 / 2, 1].entries())
    assert.ok(shares[i]! > most * 0.7 && shares[i]! < most * 1.4, `${runs.map(({ rows }) => rows).join()}`);
});

test('runs are not apart if their times meet, or if the order does not begin with the time', async () => {
  const rows = makeRows(seeded(4));
  const byTime = [key('text', true), key('timestamp with time zone', false)];
  const unsorted = await copySorted(toCsv(rows), orderOf(byTime)!);
  assert.deepEqual(
    unsorted.map(({ apart }) => apart),
    unsorted.map((_, i) => i === 0),
  );
  rows.sort((a, b) => (a[TIME]! < b[TIME]! ? -1 : 1));
  const otherwise = await copySorted(
    toCsv(rows),
    orderOf([key('text', true), key('integer', false), byTime[1]!])!,
  );
  assert.deepEqual(
    otherwise.map(({ apart }) => apart),
    otherwise.map((_, i) => i === 0),
  );
});

test('a run takes no more memory than it may, whatever the size of its rows', async () => {
  const keys = [key('text', true), key('timestamp with time zone', false)];
  for (const length of [1, 500, 100_000]) {
    const rows = makeRows(seeded(5), Math.ceil(1_000_000 / (length + 200)));
    for (const row of rows) row[TYPES.indexOf('character varying')] = 'x'.repeat(length);
    const runs = await copySorted(toCsv(rows), orderOf(keys)!);
    await assertSorted(runs, keys);
    const bytesOfRow = 250 + length;
    for (const { rows: count } of runs)
      assert.ok(
        count === 1 || (count * length <= RUN_BYTES * 1.125 && count * bytesOfRow <= RUN_BYTES * 2.5),
        `${count} rows of ${length}`,
      );
  }
});

test('the server sorts by columns whose order PostgreSQL alone knows', () => {
  const time = key('timestamp with time zone', false);
  assert.notEqual(orderOf([key('text', true), time]), null);
  // Texts in order_by, floats in segment_by, a collation without byte order, a column that the file lacks.
  assert.equal(orderOf([key('text', false), time]), null);
  assert.equal(orderOf([key('real', true), time]), null);
  assert.equal(orderOf([key('text', true, { byBytes: false }), time]), null);
  assert.equal(orderOf([key('boolean', true), time], ['text', 'timestamp with time zone']), null);
  assert.equal(orderOf([key('text', true)], ['text']), null);
});
