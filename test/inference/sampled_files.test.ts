import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { call } from '../requests/support.ts';
import { parquetOf } from '../support/parquet.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// The types of a new table come from files across the whole listing, so that later files lose nothing in it.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

type Column = [name: string, type: string];

interface Case {
  what: string;
  /** The files, in key order. */
  files: (Buffer | string)[];
  columns: Column[];
  /** What lands, each value as text, in the order of the first column. */
  rows: (string | null)[][];
  /** Columns of the connector. */
  connector?: Record<string, unknown>;
  /** The statuses of the files, if they differ from success. */
  statuses?: string[];
}

const timestamptz = 'timestamp with time zone';

const CSV: Case[] = [
  {
    what: 'times after dates',
    files: ['t\n2026-01-01\n', 't\n2026-01-02 10:30:00+00\n'],
    columns: [['t', timestamptz]],
    rows: [['2026-01-01 00:00:00+00'], ['2026-01-02 10:30:00+00']],
  },
  {
    what: 'leading zeros after numbers',
    files: ['zip\n12345\n', 'zip\n00501\n'],
    columns: [['zip', 'text']],
    rows: [['00501'], ['12345']],
  },
  {
    what: 'plus signs after numbers',
    files: ['phone\n491234567\n', 'phone\n+491234567\n'],
    columns: [['phone', 'text']],
    rows: [['+491234567'], ['491234567']],
  },
  {
    what: 'numbers beyond bigint',
    files: ['n\n1\n', 'n\n9223372036854775808\n'],
    columns: [['n', 'numeric']],
    rows: [['1'], ['9223372036854775808']],
  },
  {
    what: 'decimals after integers',
    files: ['n\n1\n', 'n\n2.5\n'],
    columns: [['n', 'double precision']],
    rows: [['1'], ['2.5']],
  },
  {
    what: 'decimals after integers that no double represents',
    files: ['n\n1234567890123456789\n', 'n\n2.5\n'],
    columns: [['n', 'numeric']],
    rows: [['2.5'], ['1234567890123456789']],
  },
  {
    what: 'decimals with trailing zeros',
    files: ['n\n1.5\n', 'n\n2.50\n'],
    columns: [['n', 'numeric']],
    rows: [['1.5'], ['2.50']],
  },
  {
    what: 'negative zeros after integers',
    files: ['n\n1\n', 'n\n-0\n'],
    columns: [['n', 'double precision']],
    rows: [['-0'], ['1']],
  },
  {
    what: 'words in most files after booleans',
    files: ['b\ntrue\n', 'b\nmaybe\n', 'b\nnever\n'],
    columns: [['b', 'text']],
    rows: [['maybe'], ['never'], ['true']],
  },
  {
    what: 'values after nulls',
    files: ['a,n\nx,\n', 'a,n\ny,5\n'],
    columns: [
      ['a', 'text'],
      ['n', 'bigint'],
    ],
    rows: [
      ['x', null],
      ['y', '5'],
    ],
  },
  {
    what: 'an empty first file',
    files: ['', 'n\n1\n', 'n\n007\n'],
    columns: [['n', 'text']],
    rows: [['007'], ['1']],
  },
  {
    what: 'a first file without rows',
    files: ['n\n', 'n\n1\n', 'n\n007\n'],
    columns: [['n', 'text']],
    rows: [['007'], ['1']],
  },
  {
    what: 'columns that the first file lacks',
    files: ['a\n1\n', 'b,A\nx,2\n', 'c\n3\n'],
    columns: [
      ['a', 'bigint'],
      ['b', 'text'],
    ],
    rows: [
      ['1', null],
      ['2', 'x'],
    ],
    statuses: ['success', 'success', 'failure'],
  },
  {
    what: 'columns of a file without rows',
    files: ['a\n1\n', 'a,b\n'],
    columns: [
      ['a', 'bigint'],
      ['b', 'text'],
    ],
    rows: [['1', null]],
  },
  {
    what: 'columns by position',
    files: ['a,b\n1,2\n', 'x,y,a\n007,3,4\n'],
    connector: { match_columns_by: 'position' },
    columns: [
      ['a', 'text'],
      ['b', 'bigint'],
      ['a_2', 'bigint'],
    ],
    rows: [
      ['007', '3', '4'],
      ['1', '2', null],
    ],
  },
  {
    what: 'files without a header',
    files: ['1,2\n', '007,3\n'],
    connector: { csv_skip_header: false },
    columns: [
      ['column1', 'text'],
      ['column2', 'bigint'],
    ],
    rows: [
      ['007', '3'],
      ['1', '2'],
    ],
  },
  {
    what: 'later entries of the same zip, and other compressions',
    files: [
      Buffer.from(zipSync({ '1.csv': Buffer.from('n,m\n1,1\n'), '2.csv': Buffer.from('n,m\n007,1\n') })),
      gzipSync('n,m\n2,1.5\n'),
    ],
    columns: [
      ['n', 'text'],
      ['m', 'double precision'],
    ],
    rows: [
      ['007', '1'],
      ['1', '1'],
      ['2', '1.5'],
    ],
  },
];

const PARQUET: Case[] = [
  {
    what: 'int64 after int32, and decimals of other scales',
    files: [
      await parquetOf('select 1::integer as n, 1.5::decimal(4, 1) as d'),
      await parquetOf('select 5000000000::bigint as n, 2.25::decimal(6, 3) as d'),
    ],
    columns: [
      ['n', 'bigint'],
      ['d', 'numeric(6,3)'],
    ],
    rows: [
      ['1', '1.500'],
      ['5000000000', '2.250'],
    ],
  },
  {
    what: 'times after dates, and floats after integers',
    files: [
      await parquetOf("select date '2026-01-01' as t, 1::bigint as n"),
      await parquetOf("select timestamp '2026-01-02 10:30:00' as t, 2.5::double as n"),
    ],
    columns: [
      ['t', 'timestamp without time zone'],
      ['n', 'numeric'],
    ],
    rows: [
      ['2026-01-01 00:00:00', '1'],
      ['2026-01-02 10:30:00', '2.5'],
    ],
  },
  {
    what: 'lists of wider elements, and columns that are missing',
    files: [
      await parquetOf('select 1 as n, [1]::integer[] as l'),
      await parquetOf("select 2 as n, [5000000000]::bigint[] as l, 'x' as more"),
    ],
    columns: [
      ['n', 'integer'],
      ['l', 'bigint[]'],
      ['more', 'text'],
    ],
    rows: [
      ['1', '{1}', null],
      ['2', '{5000000000}', 'x'],
    ],
  },
];

const columnsOf = (table: string) =>
  db.query<{ name: string; type: string }>(
    `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type
      from pg_attribute a where a.attrelid = $1::regclass and a.attnum > 0 order by a.attnum`,
    [table],
  );

const previewed = (name: string) =>
  db.query<{
    source_column: string;
    target_column: string;
    target_type: string;
    decided_by: string | null;
    sampled_files: number;
  }>(
    `select source_column, target_column, target_type, decided_by, sampled_files
      from s3_connector.preview_columns where connector_name = $1 order by position`,
    [name],
  );

for (const [kind, cases] of Object.entries({ csv: CSV, parquet: PARQUET })) {
  describe(`a new table takes what the files hold: ${kind}`, () => {
    for (const [i, { what, files, columns, rows, connector = {}, statuses }] of cases.entries()) {
      test(what, async () => {
        const name = `${kind}_${i}`;
        for (const [n, file] of files.entries()) world.put(`${name}/${n + 1}.${kind}`, file);
        await world.insertConnector({
          name,
          pattern: `${name}/*`,
          target_table: name,
          file_format: kind,
          state: 'paused',
          schedule: NEVER_AGAIN,
          hypertable: false,
          ...connector,
        });
        await call(db, `call s3_connector.preview('${name}')`);
        const shown = (await previewed(name)).map((column) => [column.target_column, column.target_type]);
        await db.query(`select s3_connector.resume('${name}')`);
        const settled = await world.settled(name);
        assert.deepEqual(
          settled.map((file) => file.status),
          statuses ?? files.map(() => 'success'),
          settled.map((file) => file.error_message).join('; '),
        );
        assert.deepEqual(
          (await columnsOf(name)).map((column) => [column.name, column.type]),
          columns,
        );
        assert.deepEqual(shown, columns);
        const texts = columns.map(([column]) => `"${column}"::text`).join(', ');
        const found = await db.query(
          `select array[${texts}] as row from ${name} order by "${columns[0]![0]}"`,
        );
        assert.deepEqual(
          found.map(({ row }) => row),
          rows,
        );
      });
    }
  });
}

test('a preview says which value of which file decided a type, and how many files were sampled', async () => {
  world.put('decided/1.csv', 'zip,n,t,b,none,p,big\n1,1,2026-01-01,true,,1.5,1\n');
  world.put(
    'decided/2.csv',
    'zip,n,t,b,none,p,big\n2,2,2026-01-01,x,,2.50,2\n"007",3.5,2026-01-01 10:00,y,,1,9223372036854775808\n',
  );
  await world.insertConnector({
    name: 'decided',
    pattern: 'decided/*',
    target_table: 'decided',
    state: 'paused',
  });
  const { notices } = await call(db, "call s3_connector.preview('decided')");
  assert.deepEqual(
    (await previewed('decided')).map((column) => [
      column.source_column,
      column.target_type,
      column.decided_by,
    ]),
    [
      ['zip', 'text', 'line 3 of decided/2.csv: "007" would lose its zeros as bigint'],
      ['n', 'double precision', 'line 3 of decided/2.csv: "3.5" has a fraction, which bigint would lose'],
      ['t', timestamptz, 'line 3 of decided/2.csv: "2026-01-01 10:00" has a time, which date would lose'],
      ['b', 'boolean', 'line 2 of decided/1.csv: "true"'],
      ['none', 'text', 'no value in any file'],
      ['p', 'numeric', 'line 2 of decided/2.csv: "2.50" would lose its zeros as double precision'],
      ['big', 'numeric', 'line 3 of decided/2.csv: "9223372036854775808" has more digits than bigint holds'],
    ],
  );
  assert.ok((await previewed('decided')).every((column) => column.sampled_files === 2));
  assert.ok(
    notices.some(({ message }) => /types of 2 of the 2 files/.test(message)),
    JSON.stringify(notices),
  );
});

test('a file of the sample that cannot be read is left out and named', async () => {
  const good = ['broken/1.csv', 'broken/4.csv'];
  world.put(good[0]!, 'n\n1\n');
  world.put('broken/2.csv', gzipSync(`n\n${'12345\n'.repeat(1000)}`).subarray(0, 30));
  world.put('broken/3.csv', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>');
  world.put(good[1]!, 'n\n007\n');
  world.server.store.put(world.bucket, 'broken/5.csv', 'n\n2.5\n', {
    headers: { 'x-amz-storage-class': 'GLACIER' },
  });
  await world.insertConnector({
    name: 'broken',
    pattern: 'broken/*',
    target_table: 'broken',
    schedule: NEVER_AGAIN,
  });
  // No file is still asked for when the next test counts requests. The archived one is never taken up.
  await db.waitFor<{ statuses: string[] }>(
    `select array_agg(status::text order by key) as statuses from s3_connector.files
     where connector_name = 'broken' and key < 'broken/5'`,
    ([row]) => row?.statuses?.join() === 'success,failure,failure,success',
  );
  assert.deepEqual(await columnsOf('broken'), [{ name: 'n', type: 'text' }]);
  const notice = await world.notice('broken');
  assert.match(notice ?? '', /2 of 4 files.*broken\/2\.csv.*broken\/3\.csv/);
});

test('a sample of 1,000 keys takes 20 GET requests, spread over the keys, and one LIST request', async () => {
  const key = (i: number) => `wide/${String(i).padStart(4, '0')}.csv`;
  for (let i = 0; i < 1000; i++) world.put(key(i), i === 999 ? 'n\n007\n' : 'n\n1\n');
  await world.insertConnector({
    name: 'wide',
    pattern: 'wide/*',
    target_table: 'wide',
    state: 'paused',
    max_tracked_files: 1,
  });
  world.server.requests.reset();
  await call(db, "call s3_connector.preview('wide')");
  const got = world.server.requests.recent
    .filter(({ operation }) => operation === 'GetObject')
    .map((request) => request.key!);
  assert.equal(got.length, 20);
  const places = got.map((k) => Number(k.slice(5, 9))).sort((a, b) => a - b);
  assert.equal(places[0], 0);
  assert.equal(places.at(-1), 999);
  for (const [i, place] of places.entries())
    assert.ok(i === 0 || place - places[i - 1]! < 60, places.join(' '));
  const [column] = await previewed('wide');
  assert.deepEqual([column!.target_type, column!.sampled_files], ['text', 20]);
});

test('the sample reaches the end of a bucket that is longer than the listing', async () => {
  const key = (i: number) => `long/${2010 + Math.floor(i / 1000)}/${String(i % 1000).padStart(3, '0')}.csv`;
  for (let i = 0; i < 16_000; i++) world.put(key(i), i >= 15_500 ? 'n\n007\n' : 'n\n1\n');
  await world.insertConnector({ name: 'long', pattern: 'long/**', target_table: 'long', state: 'paused' });
  world.server.requests.reset();
  await call(db, "call s3_connector.check('long')");
  assert.ok(
    world.server.requests.count('ListObjectsV2') <= 30,
    String(world.server.requests.count('ListObjectsV2')),
  );
  const [step] = await db.query<{ message: string }>(
    "select message from s3_connector.checks where connector_name = 'long' and step = 'target'",
  );
  assert.match(step!.message, /n text/);
});

test('of a large file, the sample reads a part', async () => {
  const line = `1,${'x'.repeat(97)}\n`;
  world.put('large/1.csv', 'n,pad\n1,x\n');
  world.put('large/2.csv', `n,pad\n2.5,y\n${line.repeat(400_000)}`);
  world.put('large/3.parquet.csv', 'n,pad\n3,x\n');
  await world.insertConnector({ name: 'large', pattern: 'large/*', target_table: 'large', state: 'paused' });
  world.server.requests.reset();
  await call(db, "call s3_connector.preview('large')");
  const request = world.server.requests.recent.find(
    (r) => r.operation === 'GetObject' && r.key === 'large/2.csv',
  );
  assert.match(request!.headers.range ?? '', /^bytes=0-\d+$/);
  const [column] = await previewed('large');
  assert.equal(column!.decided_by, 'line 2 of large/2.csv: "2.5" has a fraction, which bigint would lose');
});

test('of a large Parquet file, the sample reads the footer', async () => {
  const large = await parquetOf('select random() as x, i::bigint as n from range(200000) r(i)');
  assert.ok(large.length > 1 << 20);
  world.put('footers/00.parquet', await parquetOf('select 1.5::double as x, 1::integer as n'));
  for (let i = 1; i < 20; i++) world.put(`footers/${String(i).padStart(2, '0')}.parquet`, large);
  await world.insertConnector({
    name: 'footers',
    pattern: 'footers/*',
    target_table: 'footers',
    file_format: 'parquet',
    state: 'paused',
  });
  world.server.requests.reset();
  await call(db, "call s3_connector.preview('footers')");
  const ranges = world.server.requests.recent
    .filter(({ operation, key }) => operation === 'GetObject' && key !== 'footers/00.parquet')
    .map(({ headers }) => headers.range);
  assert.deepEqual(new Set(ranges), new Set([`bytes=${large.length - Math.floor((20 << 20) / 19)}-`]));
  assert.equal(ranges.length, 19);
  await world.spoolEmptied();
  const found = (await previewed('footers')).map((column) => [column.target_type, column.sampled_files]);
  assert.deepEqual(found, [
    ['double precision', 20],
    ['bigint', 20],
  ]);
});

test('one broken file does not change the types of the others, and the notice names its value', async () => {
  world.put('word/1.csv', 'n\n1\n');
  world.put('word/2.csv', 'n\n2\nbroken\n');
  await world.insertConnector({
    name: 'word',
    pattern: 'word/*',
    target_table: 'word',
    schedule: NEVER_AGAIN,
  });
  assert.deepEqual(
    (await world.settled('word')).map(({ status, error_code }) => [status, error_code]),
    [
      ['success', null],
      ['failure', 'bad_value'],
    ],
  );
  assert.match(
    (await world.notice('word')) ?? '',
    /n bigint \(line 3 of word\/2\.csv: "broken" is no bigint\)/,
  );
});

test('an import into a table that exists samples nothing', async () => {
  await db.query('create table there (n bigint)');
  world.put('there/1.csv', 'n\n1\n');
  world.put('there/2.csv', 'n\n2\n');
  world.server.requests.reset();
  await world.insertConnector({
    name: 'there',
    pattern: 'there/*',
    target_table: 'there',
    schedule: NEVER_AGAIN,
  });
  await world.settled('there');
  assert.equal(world.server.requests.count('GetObject'), 2);
  assert.equal(world.server.requests.count('ListObjectsV2'), 1);
});

test('with infer_types text, every column of a CSV becomes text', async () => {
  await db.query(
    "insert into s3_connector.file_formats (name, kind, infer_types) values ('texts', 'csv', 'text')",
  );
  world.put('texts/1.csv', 'n,t\n1,2026-01-01\n');
  world.put('texts/2.csv', 'n,more\n2,true\n');
  await world.insertConnector({
    name: 'texts',
    pattern: 'texts/*',
    target_table: 'texts',
    file_format: 'texts',
    schedule: NEVER_AGAIN,
  });
  await world.settled('texts');
  assert.deepEqual(
    (await columnsOf('texts')).map((column) => [column.name, column.type]),
    [
      ['n', 'text'],
      ['t', 'text'],
      ['more', 'text'],
    ],
  );
});

test('a time in a Parquet file is refused for a column of type date', async () => {
  await db.query('create table days (d date, l date[])');
  world.put(
    'days/1.parquet',
    await parquetOf("select timestamp '2026-01-01 00:00:00' as d, [timestamp '2026-01-01'] as l"),
  );
  world.put(
    'days/2.parquet',
    await parquetOf("select timestamp '2026-01-01 10:00:00' as d, [timestamp '2026-01-01'] as l"),
  );
  world.put(
    'days/3.parquet',
    await parquetOf("select timestamptz '2026-01-01 00:00:00.000001Z' as d, [timestamp '2026-01-01'] as l"),
  );
  world.put(
    'days/4.parquet',
    await parquetOf("select timestamp '2026-01-01' as d, [timestamp '2026-01-01 00:00:01'] as l"),
  );
  await world.insertConnector({
    name: 'days',
    pattern: 'days/*',
    target_table: 'days',
    file_format: 'parquet',
    schedule: NEVER_AGAIN,
  });
  const files = await world.settled('days');
  assert.deepEqual(
    files.map(({ status }) => status),
    ['success', 'failure', 'failure', 'failure'],
  );
  for (const file of files.slice(1)) assert.match(file.error_message!, /time of day.*date/);
  assert.deepEqual(await db.query('select d::text, l::text from days'), [
    { d: '2026-01-01', l: '{2026-01-01}' },
  ]);
});

/** Imports files into a new table. Returns the status and the error code of each. */
async function outcomes(
  name: string,
  files: (Buffer | string)[],
  mappings: { source: string | null; target: string; expression?: string }[] = [],
) {
  for (const [n, file] of files.entries()) world.put(`${name}/${n + 1}.csv`, file);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    state: 'paused',
    schedule: NEVER_AGAIN,
    max_attempts: 1,
  });
  for (const { source, target, expression } of mappings)
    await db.query(
      `insert into s3_connector.column_mappings (connector_name, source_column, target_column, expression)
       values ($1, $2, $3, $4)`,
      [name, source, target, expression ?? null],
    );
  await db.query(`select s3_connector.resume('${name}')`);
  return (await world.settled(name)).map(({ status, error_code }) => [status, error_code]);
}

test('columns of other files that go where a mapped column goes stop those files only', async () => {
  assert.deepEqual(
    await outcomes(
      'mapped_twice',
      ['a,b\n1,2\n', 'a,b,x\n1,2,3\n', 'b,x\n4,5\n'],
      [{ source: 'a', target: 'x' }],
    ),
    [
      ['success', null],
      ['failure', 'duplicate_column'],
      ['success', null],
    ],
  );
  assert.deepEqual(await db.query('select x, b from mapped_twice order by x'), [
    { x: 1, b: 2 },
    { x: 5, b: 4 },
  ]);
  assert.deepEqual(
    await outcomes(
      'computed_twice',
      ['a,b\n1,2\n', 'a,b,x\n1,2,3\n'],
      [{ source: null, target: 'x', expression: 'row.a::integer + 1' }],
    ),
    [
      ['success', null],
      ['failure', 'duplicate_column'],
    ],
  );
});

test('a file with more columns than a table may have stops that file only', async () => {
  const wide = Array.from({ length: 1700 }, (_, i) => `c${i}`);
  assert.deepEqual(await outcomes('too_wide', ['a,b\n1,2\n', `a,${wide}\n1,${wide.map(() => 1)}\n`]), [
    ['success', null],
    ['failure', 'unknown_column'],
  ]);
});

test('a README in a zip gives no columns to the table', async () => {
  const zip = zipSync({ 'data.csv': Buffer.from('a,b\n1,2\n'), 'readme.txt': Buffer.from('Hello\nthere\n') });
  assert.deepEqual(await outcomes('readme', [Buffer.from(zip)]), [['failure', 'unknown_column']]);
});
