/** A column of a Parquet file that DuckDB writes, and the types of table columns that take all of its values. */
export interface ParquetColumn {
  /** An expression of the row number `i` that includes the type's boundary values. */
  duckdb: string;
  /** The type in a created table. */
  made: string;
  /** Other types that a table may have. */
  others: string[];
}

/** Some values for the first rows, and an expression for the others; each is cast to the type, if given. */
function edges(values: string[], rest: string, type?: string): string {
  const typed = [...values, rest].map((value) => (type ? `(${value})::${type}` : value));
  const cases = values.map((_, i) => `when ${i} then ${typed[i]}`);
  return `case i ${cases.join(' ')} else ${typed.at(-1)} end`;
}

const TEXTS = ['text', 'varchar', 'char(400)'];
const NUMBERS = ['numeric', 'text'];
const WORDS = `[${["'a\"b'", "'c,d'", 'null', "'NULL'", "''", "'e\\f'", "'{}'", 'chr(9) || chr(10)', "'é😀'"].join(', ')}]`;

/** By the column's name. */
export const COLUMNS: Record<string, ParquetColumn> = {
  yes: { duckdb: 'random() < 0.5', made: 'boolean', others: ['text'] },
  tiny: { duckdb: '(i % 256 - 128)::tinyint', made: 'smallint', others: ['integer', 'bigint', 'double precision', ...NUMBERS] },
  utiny: { duckdb: '(i % 256)::utinyint', made: 'smallint', others: ['integer', 'bigint'] },
  small: { duckdb: '(i % 65536 - 32768)::smallint', made: 'smallint', others: ['integer', 'bigint', 'real', ...NUMBERS] },
  usmall: { duckdb: '(65535 - i % 65536)::usmallint', made: 'integer', others: ['bigint', ...NUMBERS] },
  int: { duckdb: edges(['-2147483648', '2147483647', '0', '-1'], '(random() * 4294967295 - 2147483648)::integer', 'integer'), made: 'integer', others: ['bigint', 'double precision', ...NUMBERS] },
  uint: { duckdb: edges(['4294967295', '0'], '(random() * 4294967295)', 'uinteger'), made: 'bigint', others: ['numeric', 'oid', 'text'] },
  big: { duckdb: edges(['-9223372036854775808', '9223372036854775807', '0', '-1', '9007199254740993'], 'hash(i)::hugeint - 9223372036854775808', 'bigint'), made: 'bigint', others: NUMBERS },
  ubig: { duckdb: edges(['18446744073709551615', '9223372036854775808', '0'], 'hash(i)', 'ubigint'), made: 'numeric', others: ['text', 'numeric(20)'] },
  dec4: { duckdb: edges(['-99.99', '99.99', '0', '0.01'], '(i % 19999 - 9999) / 100.0', 'decimal(4,2)'), made: 'numeric(4,2)', others: ['numeric', 'text', 'numeric(30,10)', 'double precision'] },
  dec9: { duckdb: '(random() * 199999 - 99999)::decimal(9,4)', made: 'numeric(9,4)', others: ['numeric', 'text'] },
  dec18: { duckdb: edges(["'9999999999999.99999'", "'-9999999999999.99999'", "'0.00001'"], "(random() * 1e12 - 5e11)", 'decimal(18,5)'), made: 'numeric(18,5)', others: ['numeric'] },
  dec38: { duckdb: edges(['0', "'99999999999999999999999999999.999999999'", "'-0.000000001'", "'-99999999999999999999999999999.999999999'"], '(random() * 1e25 - 5e24)::decimal(38,9)', 'decimal(38,9)'), made: 'numeric(38,9)', others: ['numeric', 'text'] },
  dec38_0: { duckdb: edges(["'99999999999999999999999999999999999999'", "'10000'", "'100000000'"], 'hash(i)::decimal(38,0)', 'decimal(38,0)'), made: 'numeric(38,0)', others: ['numeric'] },
  dec38_38: { duckdb: edges(["'0.99999999999999999999999999999999999999'", "'0.00000000000000000000000000000000000001'"], 'random()::decimal(38,38)', 'decimal(38,38)'), made: 'numeric(38,38)', others: ['numeric'] },
  single: { duckdb: edges(["'nan'", "'inf'", "'-inf'", "'-0'", '1e-45', '3.4028235e38', '16777217', '0.1'], 'random() * 1e30', 'float'), made: 'real', others: ['double precision', 'numeric'] },
  double: { duckdb: edges(["'nan'", "'inf'", "'-inf'", "'-0'", "'4.9e-324'", "'1.7976931348623157e308'", "'2.2250738585072011e-308'", '0.1', "'1e22'", "'1e23'", "'9007199254740993'"], 'random() * 1e-200', 'double'), made: 'double precision', others: ['numeric'] },
  day: { duckdb: edges(["'infinity'", "'-infinity'", "'4713-01-02 (BC)'", "'294247-01-01'", "'5874897-12-31'", "'10000-01-01'", "'0001-01-01'", "'0001-12-31 (BC)'", "'1582-10-10'"], "'1700-01-01'::date + i::integer * 30", 'date'), made: 'date', others: [] },
  clock: { duckdb: edges(["'24:00:00'::time", "'00:00:00'::time", "'23:59:59.999999'::time"], "'00:00:00'::time + to_microseconds((random() * 86399999999)::bigint)"), made: 'time without time zone', others: ['text'] },
  clock_ns: { duckdb: "('00:00:00'::time + to_microseconds((random() * 86399999999)::bigint))::time_ns", made: 'time without time zone', others: [] },
  clock_tz: { duckdb: "('00:00:00'::time + to_microseconds((random() * 86399999999)::bigint))::timetz", made: 'time with time zone', others: [] },
  stamp: { duckdb: edges(["'infinity'", "'-infinity'", "'2000-01-01'", "'1999-12-31 23:59:59.999999'", "'0001-01-01 (BC)'", "'4714-11-24 (BC)'", "'294247-01-10 04:00:54.775806'", "'10000-01-01'", "'1969-12-31 23:59:59.999999'"], "'1800-01-01'::timestamp + to_microseconds((random() * 1e16)::bigint)", 'timestamp'), made: 'timestamp without time zone', others: [] },
  stamp_s: { duckdb: "('1900-01-01'::timestamp + to_seconds(i * 86399))::timestamp_s", made: 'timestamp without time zone', others: ['timestamp(0)'] },
  stamp_ms: { duckdb: edges(["'infinity'", "'-infinity'"], "('1900-01-01'::timestamp + to_milliseconds(i * 123457))::timestamp_ms", 'timestamp_ms'), made: 'timestamp without time zone', others: ['timestamp(3)'] },
  stamp_ns: { duckdb: edges(["'infinity'::timestamp_ns", "'1677-09-22'::timestamp_ns", "'2262-04-11 23:47:16.854775'::timestamp_ns"], "('1960-01-01'::timestamp + to_microseconds((random() * 4e15)::bigint))::timestamp_ns"), made: 'timestamp without time zone', others: [] },
  stamp_tz: { duckdb: edges(["'infinity'", "'-infinity'", "'4714-11-24 (BC) 00:00:00+00'", "'294247-01-10 04:00:54.775806+00'", "'0044-03-15 (BC) 12:00:00+01'"], "'1960-01-01 00:00:00+00'::timestamptz + to_microseconds((random() * 4e15)::bigint)", 'timestamptz'), made: 'timestamp with time zone', others: [] },
  span: { duckdb: edges(["interval '13 months 400 days 90000 seconds'", "interval '0 days'"], 'to_months(i::integer % 50) + to_days(i::integer % 400) + to_milliseconds(i * 1234)'), made: 'interval', others: [] },
  id: { duckdb: edges(["'00000000-0000-0000-0000-000000000000'::uuid", "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid", "'80000000-0000-0000-0000-000000000000'::uuid"], 'uuid()'), made: 'uuid', others: ['text'] },
  mood: { duckdb: "(['sad', 'ok', 'so-so'])[1 + i % 3]::enum('sad', 'ok', 'so-so')", made: 'text', others: ['mood'] },
  bytes: { duckdb: edges(["''::blob", "'\\x00\\xFF\\x5C'::blob"], 'unhex(md5(i::varchar))'), made: 'bytea', others: [] },
  words_in_bytes: { duckdb: edges(["''::blob", "encode('\\N')", "encode(chr(9) || '\\' || chr(10))"], "encode(repeat('é😀' || i, i::integer % 9))"), made: 'bytea', others: TEXTS },
  texts_in_bytes: { duckdb: "[encode('é' || i), null, encode('\\\"')]", made: 'bytea[]', others: ['text[]'] },
  whole: { duckdb: edges(["'-0'", '-32768', '32767'], 'i - 1000', 'double'), made: 'double precision', others: ['smallint', 'integer', 'bigint', 'bigint'] },
  whole_big: { duckdb: edges(["'9007199254740994'", "'-9223372036854775808'", "'9223372036854774784'"], '-i * 1e12', 'double'), made: 'double precision', others: ['bigint'] },
  whole_single: { duckdb: '(i * 1024)::float', made: 'real', others: ['integer'] },
  whole_decimal: { duckdb: edges(['-99999999', '0'], 'i', 'decimal(10,2)'), made: 'numeric(10,2)', others: ['integer', 'bigint'] },
  wholes: { duckdb: '[i, null, -i]::double[]', made: 'double precision[]', others: ['bigint[]'] },
  bits: { duckdb: "(i % 1024)::integer::bit", made: 'text', others: ['bit varying'] },
  short: { duckdb: "substr('äöü 日本 😀 \t\n\\ \"', 1, i::integer % 12)", made: 'text', others: TEXTS },
  long: { duckdb: edges(["''", "'\\N'", "'\\.'", "chr(13) || chr(10)", "repeat('x', 12)", "repeat('x', 13)", "'é' || chr(1) || chr(127)"], "repeat('é' || i, i::integer % 30)"), made: 'text', others: TEXTS },
  json: { duckdb: edges(["'{\"b\":1.10,\"a\":12345678901234567890.123,\"a\":2}'", "'null'", "'\"\\u00e9\"'"], "'{\"a\": ' || i || '}'", 'json'), made: 'jsonb', others: ['json', 'text'] },
  numbers: { duckdb: edges(['[]', '[null]', '[1, null, 3]', 'null'], '[i, -i]', 'integer[]'), made: 'integer[]', others: ['bigint[]', 'numeric[]', 'jsonb'] },
  words: { duckdb: edges([WORDS, "['']"], "['x' || i]"), made: 'text[]', others: ['varchar[]', 'jsonb'] },
  doubles: { duckdb: "[0.1, 'nan', 'inf', null, random(), 1e22]::double[]", made: 'double precision[]', others: [] },
  decimals: { duckdb: "[12345678901234567890.123456789, -0.1, null]::decimal(38,9)[]", made: 'numeric(38,9)[]', others: ['numeric[]', 'jsonb'] },
  days: { duckdb: "['infinity', '0044-03-15 (BC)', null, '2026-01-02']::date[]", made: 'date[]', others: [] },
  stamps: { duckdb: "['infinity', '2026-01-02 03:04:05.678901', '0044-03-15 (BC) 00:00:00']::timestamp[]", made: 'timestamp without time zone[]', others: [] },
  stamps_tz: { duckdb: "['infinity', '2026-01-02 03:04:05.678901+02']::timestamptz[]", made: 'timestamp with time zone[]', others: [] },
  blobs: { duckdb: "['\\x00\\xFF\\x5C', null, '']::blob[]", made: 'bytea[]', others: [] },
  ids: { duckdb: '[uuid(), null]', made: 'uuid[]', others: [] },
  truths: { duckdb: '[true, null, false]', made: 'boolean[]', others: ['jsonb'] },
  spans: { duckdb: "[interval '1 month 2 days 3 seconds', null]", made: 'interval[]', others: [] },
  lists: { duckdb: edges(['[]', '[[]]', '[null]', '[[1], null, [2, null]]'], '[[i], [i, i + 1]]', 'integer[][]'), made: 'jsonb', others: ['json'] },
  struct: { duckdb: edges(["{'i': 0, 'words': [], 'd': null, 'big': 18446744073709551615::ubigint, 'n': {'x': null, 'y': null}}", 'null'], "{'i': i, 'words': ['a', null, 'c\"' || i], 'd': '2026-01-02'::date, 'big': hash(i), 'n': {'x': random(), 'y': 12345678901234567890.123456789::decimal(38,9)}}"), made: 'jsonb', others: ['json'] },
  floats_within: { duckdb: edges(["{'f': 'nan', 'd': ['inf', null], 'm': map {'k': '-inf'}, 't': 'NaN, \"Infinity'}", 'null', "{'f': null, 'd': null, 'm': null, 't': null}"], "{'f': random(), 'd': [random(), 1e300], 'm': map {'a': i}, 't': ':NaN,'}", 'struct(f float, d double[], m map(varchar, double), t varchar)'), made: 'jsonb', others: ['json'] },
  matrix: { duckdb: "[[i::double, 'nan'::double, null, '-inf'::double], null, []]", made: 'jsonb', others: [] },
  odd_names: { duckdb: "{'a b': 1, 'c\"d': 'é', 'e.f': true, 'g''h': null}", made: 'jsonb', others: [] },
  map: { duckdb: edges(['map {}', "map {'': null}"], "map {'k' || i: i, 'k\"': null}"), made: 'jsonb', others: [] },
  map_of_days: { duckdb: "map {'2026-01-02'::date: [1, 2], '2026-01-03'::date: null}", made: 'jsonb', others: [] },
  structs: { duckdb: "[{'a': i, 'b': [1.5]}, null, {'a': null, 'b': null}]", made: 'jsonb', others: [] },
  nothing: { duckdb: 'null', made: 'integer', others: [] },
}; // biome-ignore format: a list
