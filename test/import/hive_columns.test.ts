import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { type FileRow, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
/** CSV files from here on are encoded by the worker. */
const ENCODE_FROM = 1000;
before(() => world.startWorker({ ENCODE_CSV_FROM_BYTES: String(ENCODE_FROM) }));

const insert = (name: string, columns: Record<string, unknown>) =>
  world.insertConnector({ name, pattern: `${name}/**`, target_table: name, max_attempts: 1, ...columns });

const succeeded = (files: FileRow[]) => {
  for (const file of files) assert.equal(file.status, 'success', `${file.key}: ${file.error_message}`);
};

const csv = (rows: number) =>
  `n,label\n${Array.from({ length: rows }, (_, i) => `${i},row ${i}\n`).join('')}`;
const parquet = await parquetOf("select i as n, 'row ' || i as label from range(300) r(i)");

/** By the way into PostgreSQL: the file, and a further column that selects the way. */
const WAYS: Record<string, { format: string; body: string | Buffer; rows: number; further: string }> = {
  'CSV as it is': { format: 'csv', body: csv(3), rows: 3, further: 'text' },
  'CSV, encoded': { format: 'csv', body: csv(300), rows: 300, further: 'text' },
  'CSV, too odd to be encoded': { format: 'csv', body: csv(300), rows: 300, further: 'inet' },
  'Parquet as binary': { format: 'parquet', body: parquet, rows: 300, further: 'text' },
  'Parquet as text': { format: 'parquet', body: parquet, rows: 300, further: 'inet' },
};

describe('hive columns fill table columns of any type', () => {
  for (const [i, [way, { format, body, rows, further }]] of Object.entries(WAYS).entries()) {
    test(way, async () => {
      const name = `typed_${i}`;
      await db.query(
        `create table ${name} (region text, day date, hour smallint, at timestamptz, further ${further}, price numeric(5, 2), n bigint, file_id bigint, label text)`,
      );
      const key = (region: string, hour: string) =>
        `${name}/region=${region}/day=2026-01-31/at=2026-01-31 10:00/hour=${hour}/price=1.005/further=10.0.0.1/a.x`;
      world.put(key('%C3%A9u "1",\\%09x', '07'), body);
      world.put(key('__HIVE_DEFAULT_PARTITION__', '%38'), body);
      world.put(key('', '9'), body);
      await insert(name, {
        file_format: format,
        time_zone: 'Europe/Berlin',
        file_id_column: 'file_id',
        hive_columns: ['hour', 'day', 'region', 'at', 'further', 'price'],
      });
      succeeded(await world.settled(name));
      const found = await db.query(
        `select region, day::text, hour, at = '2026-01-31 09:00Z' as at, further::text, price, count(*) as rows, count(distinct n) as n,
          bool_and(label = 'row ' || n) as label, count(distinct file_id) as files
        from ${name} group by 1, 2, 3, 4, 5, 6 order by hour`,
      );
      const same = { day: '2026-01-31', at: true, price: '1.01', rows, n: rows, label: true, files: 1 };
      assert.deepEqual(
        found.map(({ further: value, ...row }) => ({ ...row, further: String(value).replace('/32', '') })),
        [
          { ...same, region: 'éu "1",\\\tx', hour: 7, further: '10.0.0.1' },
          { ...same, region: null, hour: 8, further: '10.0.0.1' },
          { ...same, region: '', hour: 9, further: '10.0.0.1' },
        ],
      );
    });
  }
});

test('hive columns are text in a created table, or as column_mappings says', async () => {
  world.put('made/year=2026/d=2026-02-01/code=007/a.csv', 'n\n1\n');
  await insert('made', { hive_columns: ['code', 'd', 'year'], file_id_column: 'file', state: 'paused' });
  await db.query(`insert into s3_connector.column_mappings values
    ('made', 'd', 'day', 'date'), ('made', 'year', null, null)`);
  await db.query("call s3_connector.preview('made')");
  assert.deepEqual(
    await db.query(
      "select position, source_column, inferred_type, target_column, target_type from s3_connector.preview_columns where connector_name = 'made' order by 1",
    ),
    [
      {
        position: 1,
        source_column: 'n',
        inferred_type: 'bigint',
        target_column: 'n',
        target_type: 'bigint',
      },
      {
        position: 2,
        source_column: 'code',
        inferred_type: 'text',
        target_column: 'code',
        target_type: 'text',
      },
      { position: 3, source_column: 'd', inferred_type: 'text', target_column: 'day', target_type: 'date' },
      { position: 4, source_column: 'year', inferred_type: 'text', target_column: null, target_type: null },
    ],
  );
  await db.query("select s3_connector.resume('made')");
  succeeded(await world.settled('made'));
  assert.deepEqual(await db.query('select n, code, day::text, file is not null as has_file from made'), [
    { n: 1, code: '007', day: '2026-02-01', has_file: true },
  ]);
  assert.deepEqual(
    await db.query(
      "select attname, atttypid::regtype::text as type from pg_attribute where attrelid = 'made'::regclass and attnum > 0 order by attnum",
    ),
    [
      { attname: 'n', type: 'bigint' },
      { attname: 'code', type: 'text' },
      { attname: 'day', type: 'date' },
      { attname: 'file', type: 'bigint' },
    ],
  );
});

test('a file without a header fills the columns that are not hive columns by position', async () => {
  await db.query('create table positional (a integer, day date, b text)');
  world.put('positional/day=2026-01-01/1.csv', '1,x\n');
  await insert('positional', { csv_skip_header: false, hive_columns: ['day'] });
  succeeded(await world.settled('positional'));
  assert.deepEqual(await db.query('select a, day::text, b from positional'), [
    { a: 1, day: '2026-01-01', b: 'x' },
  ]);
});

test('on_conflict and on_bad_row apply to hive columns, too', async () => {
  await db.query('create table keyed (day date, n integer check (n < 9), v text, primary key (day, n))');
  world.put('keyed/day=2026-01-01/1.csv', 'n,v\n1,old\n9,bad\n');
  world.put('keyed/day=2026-01-01/2.csv', 'n,v\n1,new\n2,b\n');
  world.put('keyed/day=2026-01-02/1.csv', 'n,v\n1,c\n');
  await insert('keyed', {
    hive_columns: ['day'],
    on_conflict: 'update',
    on_bad_row: 'skip',
    max_parallel_files: 1,
  });
  succeeded(await world.settled('keyed'));
  assert.deepEqual(await db.query('select day::text, n, v from keyed order by 1, 2'), [
    { day: '2026-01-01', n: 1, v: 'new' },
    { day: '2026-01-01', n: 2, v: 'b' },
    { day: '2026-01-02', n: 1, v: 'c' },
  ]);
});

test('a hive value that does not fit fails the file, with what to do', async () => {
  await db.query('create table odd (n integer, v text, day date)');
  const cases: Record<string, [key: string, body: string, code: string, says: RegExp]> = {
    missing: [
      '1.csv',
      'n\n1\n',
      'hive_part_missing',
      /the key has no part day=\.\.\., which hive_columns names\. .*odd_missing\/1\.csv/,
    ],
    file_name: ['day=2026-01-01', 'n\n1\n', 'hive_part_missing', /no part day/],
    repeated: [
      'day=2026-01-01/day=2026-01-02/1.csv',
      'n\n1\n',
      'hive_part_repeated',
      /more than one part day/,
    ],
    nul: ['day=%00/1.csv', 'n\n1\n', 'bad_hive_value', /without line breaks and NUL/],
    bytes: ['day=%ff/1.csv', 'n\n1\n', 'bad_hive_value', /must be UTF-8/],
    no_date: [
      'day=100%/1.csv',
      'n\n1\n',
      'bad_value',
      /line 2, column day: invalid input syntax for type date: "100%"/,
    ],
    twice: [
      'day=2026-01-01/1.csv',
      'n,Day\n1,2026-01-01\n',
      'duplicate_column',
      /the file's column "Day" and the key's part day=\.\.\. both go into column "day"/,
    ],
  };
  for (const [name, [key, body]] of Object.entries(cases)) {
    world.put(`odd_${name}/${key}`, body);
    await insert(`odd_${name}`, { target_table: 'odd', hive_columns: ['day'] });
  }
  for (const [name, [, , code, says]] of Object.entries(cases)) {
    const [file] = await world.settled(`odd_${name}`);
    assert.deepEqual([file!.status, file!.error_code], ['failure', code], `${name}: ${file!.error_message}`);
    assert.match(file!.error_message!, says);
  }
  assert.deepEqual(await db.query('select from odd'), []);
});

test('hive values for a file of another encoding must be ASCII', async () => {
  await db.query('create table latin (n integer, v text, place text)');
  world.put('latin/place=Koeln/1.csv', Buffer.from('n,v\n1,K\xf6ln\n', 'latin1'));
  world.put('latin/place=K%C3%B6ln/1.csv', Buffer.from('n,v\n1,K\xf6ln\n', 'latin1'));
  await insert('latin', { csv_encoding: 'latin1', hive_columns: ['place'] });
  const files = await world.settled('latin');
  assert.deepEqual(
    files.map(({ error_code }) => error_code),
    ['unsupported_encoding', null],
  );
  assert.match(
    files[0]!.error_message!,
    /"Köln", for column place, has characters beyond ASCII, and the file is in latin1/,
  );
  assert.deepEqual(await db.query('select v, place from latin'), [{ v: 'Köln', place: 'Koeln' }]);
});
