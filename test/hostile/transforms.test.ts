import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { Reader } from '../../src/formats/parquet/reader_process.ts';
import { ofParquet } from '../../src/formats/parquet/transform.ts';
import { FUNCTIONS, TABLE_FUNCTIONS } from '../../src/formats/parquet/transform_functions.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// A transform is a person's SQL in the reader process: it computes rows from its file, and reaches nothing else.

const world = await openWorld();
const directory = await mkdtemp(join(tmpdir(), 's3-connector-test-'));
const path = join(directory, 'own.parquet');
const reader = new Reader(directory, { memory: '192MB', threads: 1, stallMs: 60_000 });
before(async () => {
  await writeFile(
    path,
    await parquetOf("select 1 as n, 'a' as t, [1, 2] as l, {'a': 1} as s, now() as ts, '{}'::json as j"),
  );
});
after(async () => {
  await reader.kill();
  await rm(directory, { recursive: true });
});

/** A statement as its serialized plan, which may have constants that no SQL text has: pointers. */
const SERIALIZED = `'{"statements": []}'`;

const REFUSED: Record<string, string[]> = {
  'it calls json_execute_serialized_sql': [`from json_execute_serialized_sql(${SERIALIZED})`],
  'it calls json_deserialize_sql': [`select json_deserialize_sql(${SERIALIZED}) as x from file`],
  'it calls json_serialize_plan': ["select json_serialize_plan('select 1') as x from file"],
  'it calls query': ["from query('select 1')", "select * from file, query('from file')"],
  'it calls query_table': ["from query_table('file')", "from query_table(['file', 'duckdb_settings'])"],
  'it calls read_parquet': [
    `from read_parquet('${path}')`,
    `select (from read_parquet('${path}') limit 1) as x`,
  ],
  'it calls read_text': [
    "from read_text('/etc/passwd')",
    "from file where t in (select content from read_text('x'))",
  ],
  'it calls read_blob': ["with a as (from read_blob('/proc/self/environ')) from a"],
  'it calls parquet_metadata': [`from parquet_metadata('${path}')`],
  'it calls glob': ["from glob('/*')"],
  'it calls sniff_csv': ["from sniff_csv('/etc/passwd')"],
  'it calls arrow_scan': ['from arrow_scan(1, 2, 3)'],
  'it calls seq_scan': ['from seq_scan()'],
  'it calls sql_auto_complete': ["from sql_auto_complete('sel')"],
  'it calls duckdb_settings': ['from duckdb_settings()', 'FROM DuckDB_Settings()'],
  'it calls duckdb_secrets': ['from duckdb_secrets()'],
  'it calls which_secret': ["from which_secret('s3://x', 's3')"],
  'it calls pragma_user_agent': ['from pragma_user_agent()'],
  'it calls enable_logging': ['from enable_logging()'],
  'it calls current_setting': [
    "select current_setting('temp_directory') as x from file",
    "select list_transform(l, lambda e: current_setting('threads')) as x from file",
    "select n from file order by current_setting('threads')",
    "select sum(n) filter (current_setting('threads') = '1') as x from file",
    "select n from file limit (select current_setting('threads')::bigint)",
    'select t.current_setting() as x from file',
    "select main.current_setting('threads') as x from file",
    "select * replace (current_setting('threads') as n) from file",
    "select case when n = 1 then current_setting('threads') end as x from file",
    "select sum(n) over (order by current_setting('threads')) as x from file",
    "select * from (values (current_setting('threads'))) v(x)",
    "select a.n from file a join file b on current_setting('threads') = '1'",
  ],
  'it calls getvariable': ["select getvariable('x') as x from file"],
  'it calls getenv': ["select getenv('PATH') as x from file"],
  'it calls current_query': ['select current_query() as x from file'],
  'it calls write_log': ["select write_log('x') as x from file"],
  'it calls nextval': ["select nextval('s') as x from file"],
  'it calls sleep_ms': ['select sleep_ms(100000) as x from file'],
  'it calls pg_sleep': ['select pg_sleep(100) as x from file'],
  'it calls finalize': ['select finalize(t::blob) as x from file'],
  'it calls combine': ['select combine(t, t) as x from file'],
  'it calls __internal_decompress_string': ['select __internal_decompress_string(1::ubigint) as x from file'],
  'it reads from /etc/passwd': ["from '/etc/passwd'"],
  [`it reads from ${path}`]: [`from '${path}'`],
  'it reads from https://example.com/x.parquet': ["from 'https://example.com/x.parquet'"],
  'it reads from duckdb_tables': [
    'from duckdb_tables',
    'select * from (with duckdb_tables as (from file) from duckdb_tables), duckdb_tables',
    'with duckdb_tables as (from duckdb_tables) from duckdb_tables',
    'with a as (from duckdb_tables), duckdb_tables as (from file) from a',
  ],
  'it reads from sqlite_master': ['from sqlite_master'],
  'it reads from information_schema.tables': ['from information_schema.tables'],
  'it reads from main.file': ['from main.file'],
  'it has a SHOW_REF': ['show tables', 'describe file', 'summarize file', 'from (show all tables)'],
  'it has an expression of class PARAMETER': ['select ? as x from file', 'select $1 as x from file'],
  'Only SELECT statements': [
    "copy file to '/tmp/x'",
    "attach 'x.db' as x",
    'install httpfs',
    'load httpfs',
    'set threads = 9',
    'pragma version',
    'create table x as from file',
    'call pragma_version()',
    'explain from file',
  ],
  'expected one statement': ['select 1; select 2', ''],
};

test('what runs text as SQL, reads files, or shows settings is refused, wherever it is', async () => {
  for (const [reason, transforms] of Object.entries(REFUSED)) {
    for (const transform of transforms) {
      await assert.rejects(
        reader.describe(path, ofParquet(path, transform)),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'transform_failed', transform);
          assert.ok(error.message.includes(reason), `${transform}: ${error.message}`);
          return true;
        },
      );
    }
  }
});

test('what computes rows from the file is allowed', async () => {
  const allowed = [
    'from file',
    'FROM FILE;',
    'select n, upper(t) as u, l[1] as first, s.a, ts::date as day from file where n in (1, 2) -- a comment',
    'with a as (from file), b as (select n + 1 as m from a) select * from a join b on m = n + 1',
    'with recursive a as (select 1 as x union all select x + 1 from a where x < 5) select a.x, file.n from a, file',
    'select n, e from file, unnest(l) u(e)',
    'select unnest(l) as e, i from file, range(3) r(i), generate_series(1, 2) g(k)',
    'select e.key, e.value from file, json_each(\'{"a": 1}\') e',
    "select j->>'$.a' as a, json_extract_string(j, 'b') as b, j->'$.c' as c from file",
    'select list_transform(l, lambda e: e + 1) as m, [e * 2 for e in l if e > 1] as c, list_filter(l, e -> e > 1) as f from file',
    "select {'a': n, 'b': t} as s, map {'k': n} as m, [n] as l, row(n, t) as r from file",
    'select sum(n) over (partition by t order by ts rows between 1 preceding and current row) as x, row_number() over () as r from file qualify r = 1',
    "select t, count(*), count(distinct n), string_agg(t, ',' order by n) filter (n > 0), grouping(t) from file group by cube (t) having count(*) > 0",
    'select distinct on (t) * from file order by all limit 10',
    'select * exclude (n) replace (upper(t) as t) rename (ts as time) from file',
    "select columns('n|t'), columns(c -> c like 'n%') from file",
    'select n from file union all by name select n from file except select 5',
    "from file pivot (sum(n) for t in ('a', 'b'))",
    'from (select n, n as m from file) unpivot (v for k in (n, m))',
    'select a.n from file a asof join file b on a.ts >= b.ts',
    'select (select max(n) from file) as m, exists (from file) as e, n = any (select n from file) as a from file',
    "select try_cast(t as integer) as a, coalesce(n, 0) as b, n::decimal(10, 2) as c, case t when 'a' then 1 else 2 end as d, t collate nocase as e from file",
    "select date_trunc('hour', ts) as h, ts at time zone 'Europe/Berlin' as z, extract(year from ts) as y, ts + interval 1 day as d, current_date as c, now() - ts as ago, strftime(ts, '%Y') as s from file",
    "select t ~ 'a' as a, t like 'a%' as b, t similar to 'a' as c, t ilike 'A' as d, t glob 'a*' as g, t[1:2] as e, t || 'x' as f, regexp_replace(t, 'a', 'b') as h from file",
    'select n.abs() as a, -n as b, n // 2 as c, n % 2 as d, n ** 2 as e, n & 1 as f, ~n as g, n << 1 as h, n between 0 and 2 as i, n is distinct from 1 as k from file',
    'select n from file tablesample 50%',
    "select md5(t) as a, hash(t) as b, uuid() as c, random() as d, encode(t) as e, list_aggregate(l, 'sum') as f from file",
    "select case when n = 2 then error('no twos') else n end as n from file",
    'select * from file positional join (values (1, 2)) v(x, y)',
  ];
  for (const transform of allowed) {
    await reader.describe(path, ofParquet(path, transform)).catch((error: Error) => {
      assert.fail(`${transform}: ${error.message}`);
    });
  }
});

test('no function with side effects is allowed, but those that compute a value', async () => {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const names = async (where: string) => {
    const found = await connection.runAndReadAll(
      `select distinct lower(function_name) from duckdb_functions() where ${where} order by 1`,
    );
    return found.getRows().map(([name]) => String(name));
  };
  assert.deepEqual(
    (await names("has_side_effects and function_type = 'scalar'")).filter((name) => FUNCTIONS.has(name)),
    ['error', 'gen_random_uuid', 'random', 'uuid', 'uuidv4', 'uuidv7'],
  );
  // The macros that DuckDB brings may call anything.
  const macros = await names(
    "function_type = 'macro' and regexp_matches(macro_definition, '(duckdb_|pragma_|current_setting|sleep|query|getenv|read_)')",
  );
  assert.deepEqual(
    macros.filter((name) => FUNCTIONS.has(name)),
    [],
  );
  const known = new Set(await names('true'));
  // The parser itself knows these.
  for (const name of ['coalesce', 'ifnull', 'row']) known.add(name);
  assert.deepEqual(
    [...FUNCTIONS, ...TABLE_FUNCTIONS].filter((name) => !known.has(name)),
    [],
  );
  connection.closeSync();
  instance.closeSync();
});

test('the operator of a worker can turn transforms off', async () => {
  await world.startWorker({ ALLOW_TRANSFORM: 'false' });
  world.put('off/1.parquet', await parquetOf('select 1 as n'));
  for (const [name, transform] of [
    ['off', 'from file'],
    ['off_none', null],
  ]) {
    await world.insertConnector({
      name: name!,
      pattern: 'off/*',
      file_format: 'parquet',
      target_table: 'off',
      transform,
    });
  }
  const [off] = await world.settled('off');
  assert.deepEqual([off!.status, off!.error_code, off!.attempts], ['failure', 'transform_not_allowed', 1]);
  assert.match(off!.error_message!, /this worker runs no transforms.*ALLOW_TRANSFORM/);
  const [plain] = await world.settled('off_none');
  assert.equal(plain!.status, 'success', plain!.error_message ?? '');
  await assert.rejects(world.db.query("call s3_connector.preview('off')"), /this worker runs no transforms/);
});
