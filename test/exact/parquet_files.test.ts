import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { writeParquet } from '../support/parquet_writer.ts';
import { type FileRow, openWorld } from '../support/world.ts';
import { DECIMAL, int64, stamp, WRITTEN } from './parquet_written.ts';

// Cases that need few values: codecs, types that DuckDB reads but does not write, and types with a
// conversion of their own. Each is a file with the column v, from which its table is created.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

let made = 0;

/** Imports a file into its own table. */
async function importInto(body: Buffer, type?: string): Promise<{ file: FileRow; table: string }> {
  const table = `file_${++made}`;
  if (type) await db.query(`create table ${table} (v ${type})`);
  world.put(`${table}/1.parquet`, body);
  await world.insertConnector({
    name: table,
    pattern: `${table}/*`,
    file_format: 'parquet',
    target_table: table,
    hypertable: false,
  });
  const [file] = await world.settled(table);
  return { file: file!, table };
}

/** The imported values in the created table, with the type of the column. */
async function landed(body: Buffer, type?: string): Promise<{ type: string; values: (string | null)[] }> {
  const { file, table } = await importInto(body, type);
  assert.equal(file.status, 'success', file.error_message ?? '');
  const column = await db.one<{ type: string }>(
    "select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = $1::regclass and attname = 'v'",
    [table],
  );
  const rows = await db.query<{ v: string | null }>(`select v::text from ${table}`);
  return { type: column.type, values: rows.map(({ v }) => v) };
}

test('files of every codec are read', async () => {
  const query = "select i as v, repeat('word ', 20) || i as w from range(5000) r(i)";
  for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4_raw']) {
    const { file, table } = await importInto(await parquetOf(query, `, codec '${codec}'`));
    assert.equal(file.status, 'success', `${codec}: ${file.error_message}`);
    assert.deepEqual(
      await db.one(
        `select count(*), sum(v) as sum, bool_and(w = repeat('word ', 20) || v) as same from ${table}`,
      ),
      { count: 5000, sum: '12497500', same: true },
      codec,
    );
  }
});

test('types that DuckDB reads but does not write are imported', async () => {
  for (const [what, [column, type, values]] of Object.entries(WRITTEN)) {
    assert.deepEqual(await landed(writeParquet(column)), { type, values }, what);
  }
});

/** By case: a query, the type, and PostgreSQL's output. */
const queried: Record<string, [query: string, type: string, values: (string | null)[]]> = {
  'a variant is JSON': [
    "select unnest([1::variant, 'x'::variant, [1, null]::variant, {'a': 1.10::decimal(4,2), 'b': '2026-01-02'::date}::variant, null]) as v",
    'jsonb',
    ['1', '"x"', '[1, null]', '{"a": 1.10, "b": "2026-01-02"}', null],
  ],
  'a geometry is its well-known text': ["select 'POINT(1.5 2)'::geometry as v", 'text', ['POINT (1.5 2)']],
  'a union is the struct that DuckDB writes': [
    'select union_value(num := 2) as v',
    'jsonb',
    ['{"": 0, "num": 2}'],
  ],
  'JSON in a struct keeps its digits': [
    `select {'j': '{"a":12345678901234567890.123}'::json, 'a "b"': ['1.10'::json, null], 'm': map {'k"': '[1e400]'::json}, 's': {'n': null::json, 'd': 'x'}} as v union all select null`,
    'jsonb',
    [
      `{"j": {"a": 12345678901234567890.123}, "m": {"k\\"": [1${'0'.repeat(400)}]}, "s": {"d": "x", "n": null}, "a \\"b\\"": [1.10, null]}`,
      null,
    ],
  ],
  'JSON in a list': [
    `select ['{"a":12345678901234567890.123}'::json, null, '"x\\\\y"'::json] as v`,
    'jsonb[]',
    ['{"{\\"a\\": 12345678901234567890.123}",NULL,"\\"x\\\\\\\\y\\""}'],
  ],
  'JSON in a list of lists': [`select [['1.10'::json], null] as v`, 'jsonb', ['[[1.10], null]']],
  'a huge integer, which DuckDB writes as a double': [
    'select 170141183460469231731687303715884105727::hugeint as v',
    'double precision',
    ['1.7014118346046923e+38'],
  ],
  'nanoseconds that are none': [
    "select '2026-01-02 03:04:05.678901'::timestamp_ns as v union all select 'infinity'::timestamp_ns",
    'timestamp without time zone',
    ['2026-01-02 03:04:05.678901', 'infinity'],
  ],
};

test('types with a conversion of their own are imported', async () => {
  for (const [what, [query, type, values]] of Object.entries(queried)) {
    assert.deepEqual(await landed(await parquetOf(query)), { type, values }, what);
  }
});

/** A value, after a thousand good ones, in row 1,001. */
const thousandAnd = (good: string, bad: string) =>
  parquetOf(`select case when i = 1000 then ${bad} else ${good} end as v from range(1500) r(i)`);

/** Values that PostgreSQL cannot hold: the file, the code, the message, and the column type if it is not the created one. */
const refused: Record<
  string,
  [body: () => Buffer | Promise<Buffer>, code: string, says: RegExp, type?: string]
> = {
  'NUL in text': [
    () => thousandAnd("'a'", "'a' || chr(0)"),
    'nul_character',
    /row 1001, column v: .*(NUL|0x00)/,
  ],
  'NUL in a list': [
    () => thousandAnd("['a']", "['a' || chr(0)]"),
    'nul_character',
    /row 1001, column v: .*(NUL|0x00)/,
  ],
  'NUL in a struct': [
    () => thousandAnd("{'a': 'a'}", "{'a': 'a' || chr(0)}"),
    'invalid_encoding',
    /row 1001.*\\u0000/,
  ],
  'NUL in JSON': [
    () => thousandAnd("'1'::json", `'"\\u0000"'::json`),
    'invalid_encoding',
    /row 1001.*\\u0000/,
  ],
  nanoseconds: [
    () => thousandAnd("'2026-01-01'::timestamp_ns", "'2026-01-01 00:00:00.000000001'::timestamp_ns"),
    'value_out_of_range',
    /row 1001, column v: .*nanoseconds.*text/,
  ],
  'nanoseconds of a day': [
    () => thousandAnd("'12:00:00'::time_ns", "'12:00:00.000000001'::time_ns"),
    'value_out_of_range',
    /row 1001, column v: .*nanoseconds/,
  ],
  'nanoseconds in a list': [
    () => thousandAnd("['12:00:00'::time_ns]", "['12:00:00.000000001'::time_ns]"),
    'value_out_of_range',
    /row 1001, column v: .*nanoseconds/,
  ],
  'a time before the first': [
    () => thousandAnd("'2026-01-01'::timestamp", "'290000-01-01 (BC)'::timestamp"),
    'value_out_of_range',
    /row 1001, column v: .*out of range/,
  ],
  'a time before the first, the text way': [
    () => thousandAnd("['2026-01-01'::timestamptz]", "['290000-01-01 (BC) 00:00:00+00'::timestamptz]"),
    'value_out_of_range',
    /row 1001, column v: .*out of range/,
  ],
  'a day before the first': [
    () => thousandAnd("'2026-01-01'::date", "'5877641-01-01 (BC)'::date"),
    'value_out_of_range',
    /row 1001, column v: .*out of range/,
  ],
  'a number beyond an integer': [
    () => thousandAnd('1', '3000000000'),
    'value_out_of_range',
    /row 1001, column v: .*integer/,
    'integer',
  ],
  'a fraction in an integer': [
    () => thousandAnd('1::decimal(3,1)', '1.5::decimal(3,1)'),
    'bad_value',
    /row 1001, column v: .*integer/,
    'integer',
  ],
  'digits beyond a numeric': [
    () => thousandAnd('1.0', '1000.0'),
    'value_out_of_range',
    /row 1001, column v: .*overflow/,
    'numeric(4,1)',
  ],
  'text beyond a varchar': [
    () => thousandAnd("'ok'", "'long'"),
    'value_too_long',
    /row 1001, column v: .*too long/,
    'varchar(3)',
  ],
  'a word that is not in an enum': [
    () => thousandAnd("'a'", "'b'"),
    'bad_value',
    /row 1001, column v: .*enum letter/,
    'letter',
  ],
  'a value that a domain refuses': [
    () => thousandAnd('1', '-1'),
    'check_violated',
    /row 1001, column v: .*positive/,
    'positive',
  ],
  'a null where none may be': [
    () => thousandAnd('1', 'null'),
    'null_not_allowed',
    /row 1001: /,
    'bigint not null',
  ],
  'a list of lists into an array': [
    () => thousandAnd('[[1]]', '[[1], [2, 3]]'),
    'bad_value',
    /row 1, column v: .*array/,
    'integer[]',
  ],
  'more digits than DuckDB reads': [
    () =>
      writeParquet({
        type: 'FIXED_LEN_BYTE_ARRAY',
        typeLength: 32,
        convertedType: DECIMAL,
        scale: 2,
        precision: 76,
        values: [Buffer.alloc(32, 1)],
      }),
    'unsupported_type',
    /column v .*76 digits/,
  ],
  'text that is not UTF-8': [
    () =>
      writeParquet({
        type: 'BYTE_ARRAY',
        convertedType: 0,
        values: [Buffer.from('ok'), Buffer.from([0xff])],
      }),
    'bad_parquet',
    /UTF8/,
  ],
  'a type that DuckDB does not read': [
    () => writeParquet({ type: 'BYTE_ARRAY', convertedType: 20, values: [Buffer.from([5, 0, 0, 0, 0])] }),
    'bad_parquet',
    /converted type/,
  ],
  'milliseconds beyond microseconds': [
    () =>
      writeParquet({ type: 'INT64', logicalType: stamp(false, 'ms'), values: [int64(9223372036854776n)] }),
    'bad_parquet',
    /Timestamp/,
  ],
};

test('the error about a value that PostgreSQL cannot hold names row and column', async () => {
  await db.query("create type letter as enum ('a'); create domain positive as integer check (value > 0)");
  for (const [what, [body, code, says, type]] of Object.entries(refused)) {
    const { file, table } = await importInto(await body(), type);
    assert.deepEqual([file.status, file.error_code], ['failure', code], `${what}: ${file.error_message}`);
    assert.match(file.error_message!, says, what);
    if (type) assert.deepEqual(await db.query(`select count(*) from ${table}`), [{ count: 0 }], what);
  }
});
