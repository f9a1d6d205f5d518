import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';
import { call } from './support.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const preview = async (name: string) => (await call(db, `call s3_connector.preview('${name}')`)).notices;
const files = (name: string) =>
  db.query<{ key: string; size_bytes: number }>(
    'select key, size_bytes from s3_connector.preview_files where connector_name = $1 order by key',
    [name],
  );
const columns = (name: string) =>
  db.query(
    `select position, source_column, inferred_type, nullable, target_column, target_type, suggested_time_column as time
      from s3_connector.preview_columns where connector_name = $1 order by position`,
    [name],
  );
const insert = (columns: Parameters<typeof world.insertConnector>[0]) =>
  world.insertConnector({ state: 'paused', ...columns });

test('a preview shows keys in order with sizes, and columns with the table that would be created', async () => {
  world.put('made/1-empty.csv', '');
  world.put('made/2.csv', 'id,taken at,seen,note\n1,2026-01-01 00:00:00Z,2026-01-01,\n');
  world.put('made/3.txt', 'not for us');
  await insert({ name: 'made', pattern: 'made/*.csv', target_table: 'made' });
  await db.query(
    "insert into s3_connector.column_mappings values ('made', 'taken at', 'taken_at', null), ('made', 'note', null, null), ('made', 'id', 'id', 'numeric(9)')",
  );
  assert.deepEqual(await preview('made'), [
    { message: '2 matching keys, which are all; 3 keys listed', hint: undefined },
    { message: 'of the keys listed, 1 empty', hint: undefined },
  ]);
  assert.deepEqual(await files('made'), [
    { key: 'made/1-empty.csv', size_bytes: 0 },
    { key: 'made/2.csv', size_bytes: 57 },
  ]);
  const timestamptz = 'timestamp with time zone';
  assert.deepEqual(await columns('made'), [
    {
      position: 1,
      source_column: 'id',
      inferred_type: 'bigint',
      nullable: false,
      target_column: 'id',
      target_type: 'numeric(9,0)',
      time: false,
    },
    {
      position: 2,
      source_column: 'taken at',
      inferred_type: 'timestamptz',
      nullable: false,
      target_column: 'taken_at',
      target_type: timestamptz,
      time: true,
    },
    {
      position: 3,
      source_column: 'seen',
      inferred_type: 'date',
      nullable: false,
      target_column: 'seen',
      target_type: 'date',
      time: false,
    },
    {
      position: 4,
      source_column: 'note',
      inferred_type: 'text',
      nullable: true,
      target_column: null,
      target_type: null,
      time: false,
    },
  ]);
  assert.deepEqual(await db.query("select to_regclass('made') as table"), [{ table: null }]);
  await world.spoolEmptied();
});

test('a preview of Parquet whose table lacks a column shows what it can, with a notice', async () => {
  world.put('existing/1.parquet', await parquetOf("select 1::uinteger as n, 'x' as extra"));
  await db.query('create table existing (n integer)');
  await insert({ name: 'existing', pattern: 'existing/*', file_format: 'parquet', target_table: 'existing' });
  const notices = await preview('existing');
  assert.match(notices[1]!.message, /an import would fail: .* lacks: "extra"/);
  assert.match(notices[1]!.hint!, /on_unknown_column/);
  assert.deepEqual(await columns('existing'), [
    {
      position: 1,
      source_column: 'n',
      inferred_type: 'bigint',
      nullable: false,
      target_column: 'n',
      target_type: 'integer',
      time: false,
    },
    {
      position: 2,
      source_column: 'extra',
      inferred_type: 'text',
      nullable: false,
      target_column: null,
      target_type: null,
      time: false,
    },
  ]);
});

test('a preview shows the first ten rows as they would land, and why one would not', async () => {
  const rows = (name: string) =>
    db.query<{
      line: number;
      values: Record<string, string> | null;
      error: string | null;
      raw: string | null;
    }>(
      'select line, "values", error, raw from s3_connector.preview_rows where connector_name = $1 order by position',
      [name],
    );
  const more = Array.from({ length: 20 }, (_, i) => `${i},2026-01-01 12:00\n`).join('');
  world.put(
    'landing/1.csv',
    `n,at\n1,2026-01-01 12:00\ntwo,2026-01-01 12:00\n"3","2026-01-02\n12:00"\n4\n${more}`,
  );
  await db.query(
    'create table landing (n smallint, at timestamptz, added timestamptz default now(), check (n > 1))',
  );
  await insert({
    name: 'landing',
    pattern: 'landing/*',
    target_table: 'landing',
    time_zone: 'Europe/Berlin',
  });
  await preview('landing');
  const landed = await rows('landing');
  assert.deepEqual(
    landed.map(({ line }) => line),
    [2, 3, 4, 6, 7, 8, 9, 10, 11, 12],
  );
  assert.deepEqual(landed[0], {
    line: 2,
    values: { n: '1', at: '2026-01-01 11:00:00+00' },
    error: null,
    raw: null,
  });
  assert.match(landed[1]!.error!, /^column n: .*"two"/);
  assert.equal(landed[1]!.raw!.trim(), 'two,2026-01-01 12:00');
  assert.equal(landed[2]!.values!.at, '2026-01-02 11:00:00+00');
  assert.equal(landed[3]!.values, null);

  // Renamed, computed and rescued columns, and Parquet: as an import would do it.
  world.put('computed/1.csv', 'n,extra\n1,x\n');
  await insert({
    name: 'computed',
    pattern: 'computed/*',
    target_table: 'computed',
    on_unknown_column: 'rescue',
    rescue_column: 'rest',
  });
  await db.query('create table computed (twice integer, rest jsonb)');
  await db.query(
    "insert into s3_connector.column_mappings (connector_name, source_column, target_column, expression) values ('computed', 'n', 'twice', 'value::integer * 2')",
  );
  await preview('computed');
  assert.deepEqual((await rows('computed'))[0]!.values, { twice: '2', rest: '{"extra": "x"}' });
  world.put(
    'typed/1.parquet',
    await parquetOf('select 1::utinyint as n, [1, 2] as list union all select 2, null'),
  );
  await insert({ name: 'typed', pattern: 'typed/*', file_format: 'parquet', target_table: 'typed' });
  await preview('typed');
  assert.deepEqual(
    (await rows('typed')).map(({ line, values }) => [line, values]),
    [
      [1, { n: '1', list: '{1,2}' }],
      [2, { n: '2', list: null }],
    ],
  );
  world.put('jsonl/1.json', '{"a":1,"b":{"x":2}}\n{"a":2}\n');
  await insert({ name: 'jsonl', pattern: 'jsonl/*', file_format: 'json', target_table: 'jsonl' });
  await preview('jsonl');
  assert.deepEqual(
    (await rows('jsonl')).map(({ values }) => values),
    [
      { a: '1', b: '{"x": 2}' },
      { a: '2', b: null },
    ],
  );
  // An import would fail because of the column that the table lacks. The others are shown.
  assert.deepEqual((await rows('existing'))[0]!.values, { n: '1' });
  await world.spoolEmptied();
});

test('a preview keeps the first 1,000 keys, and the next preview replaces them', async () => {
  for (let i = 0; i < 1001; i++) world.put(`many/${String(i).padStart(4, '0')}.csv`, 'n\n1\n');
  await insert({ name: 'many', pattern: 'many/*', target_table: 'many' });
  assert.equal((await preview('many'))[0]!.message, 'the first 1000 matching keys, of more');
  assert.equal((await files('many')).length, 1000);
  await db.query("update s3_connector.connectors set pattern = 'many/000?.csv' where name = 'many'");
  await preview('many');
  assert.equal((await files('many')).length, 10);
  await insert({
    name: 'later',
    pattern: 'many/000?.csv',
    target_table: 'many',
    start_after: 'many/0007.csv',
  });
  await preview('later');
  assert.deepEqual(
    (await files('later')).map(({ key }) => key),
    ['many/0008.csv', 'many/0009.csv'],
  );
  await db.query("update s3_connector.connectors set pattern = 'many/x*' where name = 'many'");
  assert.match((await preview('many'))[1]!.message, /no matching file/);
  assert.deepEqual([await files('many'), await columns('many')], [[], []]);
});
