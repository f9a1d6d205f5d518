import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

async function insert(name: string, columns: Record<string, unknown>, formats: Record<string, string> = {}) {
  await world.insertConnector({
    name,
    pattern: `${name}/**`,
    target_table: name,
    max_attempts: 1,
    schedule: NEVER_AGAIN,
    state: 'paused',
    ...columns,
  });
  for (const [column, format] of Object.entries(formats))
    await db.query(
      'insert into s3_connector.column_mappings (connector_name, source_column, target_column, date_format) values ($1, $2, $2, $3)',
      [name, column, format],
    );
  await db.query('select s3_connector.resume($1)', [name]);
  return (await world.settled(name))[0]!;
}

const TEMPLATES: [template: string, values: string[]][] = [
  [
    'DD.MM.YYYY HH24:MI',
    ['31.12.2026 23:59', '1.2.2026 3:04', '01.02.0099 00:00', '01.02.2026', ' 01.02.2026  10:11 '],
  ],
  ['MM/DD/YY', ['12/31/69', '1/2/70', '02/29/24', '12/31/2026']],
  ['YYYYMMDDHH24MISS', ['20261231235959', '20260101']],
  ['DD Mon YYYY HH12:MI:SS.US PM', ['03 Mar 2026 01:02:03.000004 PM', '03 MAR 2026 12:00:00.5 am']],
  ['YYYY-MM-DD HH24:MI:SSTZH:TZM', ['2026-06-01 12:00:00+05:30', '2026-06-01 12:00:00-03:00']],
  ['IYYY-IW-ID', ['2026-53-4']],
  ['YYYY DDD', ['2026 333']],
];

test('a template reads what to_timestamp and to_date return, for each type of time', async () => {
  for (const [i, [template, values]] of TEMPLATES.entries()) {
    const name = `template_${i}`;
    await db.query(
      `create table ${name} (n integer, zoned timestamptz, plain timestamp, day date, raw text)`,
    );
    const quoted = (value: string) => `"${value}"`;
    const rows = values.map((value, n) => `${[n, ...Array(4).fill(quoted(value))].join(',')}\n`);
    world.put(`${name}/1`, `n,zoned,plain,day,raw\n${rows.join('')}99,,,,\n`);
    await db.query('insert into s3_connector.file_formats (name, kind, date_format) values ($1, $2, $3)', [
      name,
      'csv',
      template,
    ]);
    const file = await insert(name, { file_format: name, time_zone: 'Asia/Kolkata' });
    assert.equal(file.status, 'success', file.error_message ?? '');
    const [{ right, count }] = (await db.query(
      `with given as (
         select set_config('timezone', 'Asia/Kolkata', true)
       )
       select count(*)::integer as count, bool_and(zoned is not distinct from to_timestamp(raw, $1)
         and plain is not distinct from to_timestamp(raw, $1)::timestamp and day is not distinct from to_date(raw, $1)) as right
       from given, ${name}`,
      [template],
    )) as [{ right: boolean; count: number }];
    assert.deepEqual({ right, count }, { right: true, count: values.length + 1 }, template);
  }
});

test('a value that to_timestamp refuses is a bad row with line and column', async () => {
  await db.query('create table bad (n integer, at timestamptz)');
  world.put('bad/1', 'n,at\n1,31.12.2026\n2,31.02.2026\n3,soon\n4,01.01.2026\n');
  const file = await insert('bad', { on_bad_row: 'skip' }, { at: 'DD.MM.YYYY' });
  assert.deepEqual(
    [file.status, file.rows_imported, file.rows_rejected],
    ['success', 2, 2],
    file.error_message ?? '',
  );
  const rejected = await db.query<{ line: number; column_name: string; error: string }>(
    "select line, column_name, error from s3_connector.rejected_rows where connector_name = 'bad' order by line",
  );
  assert.deepEqual(
    rejected.map(({ line, column_name }) => [line, column_name]),
    [
      [3, 'at'],
      [4, 'at'],
    ],
  );
  assert.match(rejected[0]!.error, /out of range: "31\.02\.2026"/);
  await db.query('create table worse (n integer, at timestamptz)');
  world.put('worse/1', 'n,at\n1,31.12.2026\n2,soon\n');
  const failed = await insert('worse', {}, { at: 'DD.MM.YYYY' });
  assert.match(failed.error_message ?? '', /worse\/1: line 3, column at: invalid value "so" for "DD"/);
});

test('a quoted blank is no time of the year 1 BC but a bad row', async () => {
  await db.query('create table blanks (n integer, zoned timestamptz, plain timestamp, day date)');
  world.put('blanks/1', 'n,zoned,plain,day\n1,"",,\n2,," ",\n3,,,""\n4,,,\n');
  const template = 'DD.MM.YYYY';
  const templates = { zoned: template, plain: template, day: template };
  const file = await insert('blanks', { on_bad_row: 'skip' }, templates);
  assert.equal(file.status, 'success', file.error_message ?? '');
  assert.deepEqual(await db.query('select n, zoned, plain, day from blanks'), [
    { n: 4, zoned: null, plain: null, day: null },
  ]);
  const rejected = await db.query(
    "select line, column_name from s3_connector.rejected_rows where connector_name = 'blanks' order by line",
  );
  assert.deepEqual(rejected, [
    { line: 2, column_name: 'zoned' },
    { line: 3, column_name: 'plain' },
    { line: 4, column_name: 'day' },
  ]);
});

test('a part of the key is read by its date_format', async () => {
  for (const [name, format] of Object.entries({ key_word: 'DMY', key_template: 'DD.MM.YYYY' })) {
    await db.query(`create table ${name} (n integer, day date)`);
    world.put(`${name}/day=01.02.2026/1`, 'n\n1\n');
    const file = await insert(name, { hive_columns: ['day'] }, { day: format });
    assert.equal(file.status, 'success', file.error_message ?? '');
    assert.deepEqual(await db.query(`select n, day::text from ${name}`), [{ n: 1, day: '2026-02-01' }]);
  }
});

test('a column with a template of its own becomes a column of times in a new table', async () => {
  world.put('made/1', 'at,day,label\n31.12.2026 10:00,31.12.2026,x\n');
  const file = await insert('made', {}, { at: 'DD.MM.YYYY HH24:MI', day: 'DD.MM.YYYY' });
  assert.equal(file.status, 'success', file.error_message ?? '');
  assert.deepEqual(
    await db.query(
      'select pg_typeof(at)::text as at, pg_typeof(day)::text as day, at::text as value, label from made',
    ),
    [{ at: 'timestamp with time zone', day: 'date', value: '2026-12-31 10:00:00+00', label: 'x' }],
  );
});

test('words and templates are used side by side, and other columns are read as before', async () => {
  await db.query('create table mixed (a timestamptz, b timestamptz, c timestamptz, n numeric)');
  await db.query(`insert into s3_connector.file_formats (name, kind, date_format, decimal_separator)
    values ('mixed', 'csv', 'DD/MM/YYYY HH24.MI', ',')`);
  world.put('mixed/1', 'a,b,c,n\n03/12/2026 10.30,1765000000,12-03-2026,"1,5"\n');
  const file = await insert('mixed', { file_format: 'mixed' }, { b: 'epoch', c: 'MDY' });
  assert.equal(file.status, 'success', file.error_message ?? '');
  assert.deepEqual(await db.query('select a::text, b::text, c::text, n from mixed'), [
    { a: '2026-12-03 10:30:00+00', b: '2025-12-06 05:46:40+00', c: '2026-12-03 00:00:00+00', n: '1.5' },
  ]);
});
