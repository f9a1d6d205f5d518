import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { planBinary } from '../../src/formats/parquet/binary/kinds.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const ROWS = 10_000;
/** DuckDB's random() gives the same again for the same seed; another one finds what this one does not. */
const SEED = Number(process.env.PARQUET_SEED ?? 0.42);

/** For each kind of binary value: an expression over the row number i, with edges, and the type in PostgreSQL. */
const columns: Record<string, [duckdb: string, postgres: string]> = {
  yes: ['random() < 0.5', 'boolean'],
  tiny: ['(i % 256 - 128)::tinyint', 'smallint'],
  tiny_wide: ['(i % 256 - 128)::tinyint', 'bigint'],
  small: ['(i % 65536 - 32768)::smallint', 'integer'],
  unsigned: ['(random() * 4294967295)::uinteger', 'bigint'],
  int: ['(random() * 4294967295 - 2147483648)::integer', 'integer'],
  big: [
    'case i when 1 then -9223372036854775808 when 2 then 9223372036854775807 else hash(i)::hugeint - 9223372036854775808 end::bigint',
    'bigint',
  ],
  single: [
    "case i when 1 then 'nan' when 2 then 'inf' when 3 then '-inf' else random() * 1e30 end::float",
    'real',
  ],
  double: [
    "case i when 1 then 'nan' when 2 then 'inf' when 3 then '-inf' when 4 then '-0' else random() * 1e-200 end::double",
    'double precision',
  ],
  day: [
    "case i when 1 then 'infinity'::date when 2 then '-infinity'::date when 3 then '4713-01-02 (BC)'::date when 4 then '294247-01-01'::date else '1700-01-01'::date + i::integer * 30 end",
    'date',
  ],
  clock: ["'00:00:00'::time + to_microseconds((random() * 86399999999)::bigint)", 'time'],
  stamp: [
    "case i when 1 then 'infinity'::timestamp when 2 then '-infinity'::timestamp when 3 then '2000-01-01'::timestamp when 4 then '1999-12-31 23:59:59.999999'::timestamp when 5 then '0001-01-01 (BC)'::timestamp else '1800-01-01'::timestamp + to_microseconds((random() * 1e16)::bigint) end",
    'timestamp',
  ],
  stamp_s: ["('1900-01-01'::timestamp + to_seconds(i * 86399))::timestamp_s", 'timestamp'],
  stamp_ms: ["('1900-01-01'::timestamp + to_milliseconds(i * 123457))::timestamp_ms", 'timestamp(1)'],
  stamp_tz: [
    "'1960-01-01 00:00:00+00'::timestamptz + to_microseconds((random() * 4e15)::bigint)",
    'timestamptz',
  ],
  span: ['to_months(i::integer % 50) + to_days(i::integer % 400) + to_milliseconds(i * 1234)', 'interval'],
  id: ['uuid()', 'uuid'],
  bytes: ['unhex(md5(i::varchar))', 'bytea'],
  short: ["substr('äöü 日本 😀 \t\n\\ \"', 1, i::integer % 12)", 'text'],
  long: ["repeat('é' || i, i::integer % 300)", 'varchar'],
  padded: ["left('x' || i, 6)", 'char(8)'],
  exact4: ['(i % 20000 - 10000)::decimal(5,0)', 'numeric'],
  dec4: ['((i % 19999 - 9999) / 100.0)::decimal(4,2)', 'numeric(6,1)'],
  dec9: ['(random() * 199999 - 99999)::decimal(9,4)', 'numeric'],
  dec18: ['(random() * 1e12 - 5e11)::decimal(18,5)', 'numeric'],
  dec38: [
    "case i when 1 then 0 when 2 then '99999999999999999999999999999.999999999'::decimal(38,9) when 3 then '-0.000000001'::decimal(38,9) else (random() * 1e25 - 5e24)::decimal(38,9) end",
    'numeric',
  ],
  json_text: ["'{\"a\": ' || i || '}'", 'jsonb'],
  nested: ["{'i': i, 'words': ['a', null, 'c' || i]}", 'jsonb'],
};

test('what goes the binary way lands as what goes the text way, for every kind of value', async (t) => {
  t.diagnostic(`PARQUET_SEED=${SEED}`);
  const list = (type: 0 | 1) =>
    Object.entries(columns).map(([name, definition]) => [name, definition[type]] as const);
  const selected = list(0).map(([name, sql]) => `case when i % 17 = 3 then null else ${sql} end as ${name}`);
  const body = await parquetOf(
    `select i as row, ${selected.join(', ')} from (select setseed(${SEED})), range(${ROWS}) r(i) order by i`,
    ', row_group_size 3000',
  );
  const definitions = list(1).map(([name, type]) => `${name} ${type}`);
  // A domain over a domain has no binary way, so its table is filled the text way; they differ in nothing else.
  await db.query('create domain plain as bigint; create domain plain_again as plain');
  await db.query(`create table by_binary (row bigint, ${definitions.join(', ')}, file_id bigint)`);
  await db.query(`create table by_text (row plain_again, ${definitions.join(', ')}, file_id bigint)`);
  world.put('kinds/1.parquet', body);
  for (const table of ['by_binary', 'by_text']) {
    await world.insertConnector({
      name: table,
      pattern: 'kinds/*',
      file_format: 'parquet',
      target_table: table,
      file_id_column: 'file_id',
    });
    const [file] = await world.settled(table);
    assert.deepEqual([file!.status, file!.rows_imported], ['success', ROWS], file!.error_message ?? '');
  }
  for (const name of Object.keys(columns)) {
    const differences = await db.query(
      `select b.row, b.${name}::text as binary, t.${name}::text as text
        from by_binary b full join by_text t on t.row = b.row
        where b.${name}::text is distinct from t.${name}::text limit 3`,
    );
    assert.deepEqual(differences, [], name);
  }
  assert.deepEqual(
    await db.query('select count(distinct row) as rows, count(distinct file_id) as files from by_binary'),
    [{ rows: ROWS, files: 1 }],
  );
});

test('every kind of value here has a binary way', async () => {
  const types = await db.query<{ name: string; base_type: string }>(
    "select name, base_type from s3_connector_private.describe_table('public', 'by_binary')",
  );
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const sources = Object.entries(columns).map(([name, [sql]]) => `${sql} as ${name}`);
  const described = await connection.runAndReadAll(
    `describe select ${sources.join(', ')} from range(1) r(i)`,
  );
  for (const [name, duckdbType] of described.getRows().map((row) => row.map(String))) {
    const targetType = types.find((column) => column.name === name)!.base_type;
    const plan = planBinary('t', [{ name: name!, duckdbType: duckdbType!, targetType }], null);
    assert.ok(plan, `${name}: ${duckdbType} into ${targetType}`);
  }
});

test('a value that PostgreSQL refuses is told by row and column in the binary way, too', async () => {
  await db.query('create table refusing (id bigint, day date, label varchar(3))');
  const rows = (bad: string) => parquetOf(`select i as id, ${bad} from range(5000) r(i)`);
  world.put(
    'refused/day.parquet',
    await rows(
      "case when i = 4000 then '5881580-07-10'::date else '2026-01-01'::date end as day, 'x' as label",
    ),
  );
  world.put(
    'refused/label.parquet',
    await rows("'2026-01-01'::date as day, case when i = 4000 then 'long' else 'x' end as label"),
  );
  world.put(
    'refused/nul.parquet',
    await rows("'2026-01-01'::date as day, case when i = 4000 then 'x' || chr(0) else 'x' end as label"),
  );
  await world.insertConnector({
    name: 'refused',
    pattern: 'refused/*',
    file_format: 'parquet',
    target_table: 'refusing',
  });
  const files = await world.settled('refused');
  assert.deepEqual(
    files.map((file) => file.error_code),
    ['value_out_of_range', 'value_too_long', 'nul_character'],
  );
  for (const file of files) assert.match(file.error_message!, /row 4001, column (day|label): /);
});

test('a row that is longer than max_row_bytes fails the file, told by its number', async () => {
  await db.query('create table long_rows (id bigint, label text)');
  world.put(
    'long/1.parquet',
    await parquetOf(
      "select i as id, repeat('x', case when i = 3000 then 5000 else 5 end) as label from range(5000) r(i)",
    ),
  );
  await world.insertConnector({
    name: 'long',
    pattern: 'long/*',
    file_format: 'parquet',
    target_table: 'long_rows',
    max_row_bytes: 1000,
  });
  const [file] = await world.settled('long');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'row_too_large']);
  assert.match(file!.error_message!, /row 3001 has 50\d\d bytes; max_row_bytes is 1000/);
});
