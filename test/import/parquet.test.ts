import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

/** One value of each type: what DuckDB is given, and what PostgreSQL shows of it in the table that is made. */
const values: Record<string, [duckdb: string, type: string, shown: string | null]> = {
  yes: ['true', 'boolean', 'true'],
  tiny: ['(-128)::tinyint', 'smallint', '-128'],
  big: ['9223372036854775807::bigint', 'bigint', '9223372036854775807'],
  unsigned: ['4294967295::uinteger', 'bigint', '4294967295'],
  huge_unsigned: ['18446744073709551615::ubigint', 'numeric', '18446744073709551615'],
  single: ["'-inf'::float", 'real', '-Infinity'],
  double: ['0.1::double', 'double precision', '0.1'],
  not_a_number: ["'nan'::double", 'double precision', 'NaN'],
  exact: ['12345678901234567890.123456789::decimal(38,9)', 'numeric(38,9)', '12345678901234567890.123456789'],
  nasty: [
    "'tab' || chr(9) || 'line' || chr(10) || 'back\\slash \\N \"quoted\" é 😀' || chr(13)",
    'text',
    'tab\tline\nback\\slash \\N "quoted" é 😀\r',
  ],
  null_word: ["'\\N'", 'text', '\\N'],
  empty: ["''", 'text', ''],
  nothing: ['null::varchar', 'text', null],
  bytes: ["'\\x00\\xFF\\x5C'::blob", 'bytea', '\\x00ff5c'],
  day: ["'2026-02-28'::date", 'date', '2026-02-28'],
  day_bc: ["'0044-03-15 (BC)'::date", 'date', '0044-03-15 BC'],
  day_late: ["'12026-01-01'::date", 'date', '12026-01-01'],
  clock: ["'23:59:59.999999'::time", 'time without time zone', '23:59:59.999999'],
  stamp: [
    "'2026-01-02 03:04:05.678901'::timestamp",
    'timestamp without time zone',
    '2026-01-02 03:04:05.678901',
  ],
  stamp_zone: [
    "'2026-01-02 03:04:05.678901+00'::timestamptz",
    'timestamp with time zone',
    '2026-01-02 03:04:05.678901+00',
  ],
  stamp_ns: [
    "'2026-01-02 03:04:05.678901'::timestamp_ns",
    'timestamp without time zone',
    '2026-01-02 03:04:05.678901',
  ],
  id: ["'01890b3c-0000-7000-8000-000000000001'::uuid", 'uuid', '01890b3c-0000-7000-8000-000000000001'],
  numbers: ['[1, null, 3]', 'integer[]', '{1,NULL,3}'],
  words: ["['a\"b', 'c,d', null, 'NULL', '', 'e\\f']", 'text[]', '{"a\\"b","c,d",NULL,"NULL","","e\\\\f"}'],
  nested: ["{'a': 1, 'b': ['x', 'y']}", 'jsonb', '{"a": 1, "b": ["x", "y"]}'],
  lists: ['[[1], [2, 3]]', 'jsonb', '[[1], [2, 3]]'],
};

test('values of every kind land as the file has them, in a table made from its schema', async () => {
  const columns = Object.entries(values).map(([name, [duckdb]]) => `${duckdb} as ${name}`);
  world.put('kinds/1.parquet', await parquetOf(`select ${columns.join(', ')}`));
  await world.insertConnector({
    name: 'kinds',
    pattern: 'kinds/*',
    file_format: 'parquet',
    target_table: 'kinds',
  });
  const [file] = await world.settled('kinds');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  const types = await db.query<{ name: string; type: string }>(
    "select attname::text as name, format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'kinds'::regclass and attnum > 0 order by attnum",
  );
  assert.deepEqual(
    Object.fromEntries(types.map(({ name, type }) => [name, type])),
    Object.fromEntries(Object.entries(values).map(([name, [, type]]) => [name, type])),
  );
  const shown = Object.keys(values).map((name) => `${name}::text as ${name}`);
  assert.deepEqual(
    await db.one(`select ${shown.join(', ')} from kinds`),
    Object.fromEntries(Object.entries(values).map(([name, [, , text]]) => [name, text])),
  );
});

test('rows of many row groups land once, into an existing table, columns by name', async () => {
  await db.query('create table groups (label text, id bigint primary key, file_id bigint)');
  const body = await parquetOf(
    'select i as id, \'label \' || i as "Label", i * 2 as unwanted from range(50000) r(i)',
    ', row_group_size 5000',
  );
  world.put('groups/1.gz.parquet', body);
  await world.insertConnector({
    name: 'groups',
    pattern: 'groups/*',
    file_format: 'parquet',
    target_table: 'groups',
    on_unknown_column: 'ignore',
    file_id_column: 'file_id',
  });
  const [file] = await world.settled('groups');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(
    await db.one(
      'select count(*), sum(id), count(distinct label) as labels, count(distinct file_id) as files from groups',
    ),
    {
      count: 50_000,
      sum: '1249975000',
      labels: 50_000,
      files: 1,
    },
  );
});

test('what is no Parquet, is cut short, or does not fit fails with a message to act on', async () => {
  await db.query('create table fits (id integer, label text)');
  const good = await parquetOf("select i::integer as id, 'x' as label from range(10) r(i)");
  const broken: Record<string, [body: Buffer | string, code: string, says: RegExp[]]> = {
    'bad/cut.parquet': [good.subarray(0, good.length - 20), 'bad_parquet', [/Parquet/]],
    'bad/none.parquet': ['id,label\n1,x\n', 'bad_parquet', [/Parquet/]],
    'bad/empty.parquet': ['', 'bad_parquet', [/empty|Parquet/]],
    'bad/large.parquet': [
      await parquetOf('select 1 as id union all select 3000000000'),
      'value_out_of_range',
      [/row 2/, /column id/, /integer/],
    ],
    'bad/nul.parquet': [
      await parquetOf("select 1 as id, 'a' as label union all select 2, 'b' || chr(0)"),
      'nul_character',
      [/row 2/, /column label/],
    ],
    'bad/unknown.parquet': [await parquetOf("select 1 as id, 'x' as colour"), 'unknown_column', [/colour/]],
  };
  for (const [key, [body]] of Object.entries(broken)) world.put(key, body);
  world.put('bad/zz-good.parquet', good);
  await world.insertConnector({
    name: 'bad',
    pattern: 'bad/*',
    file_format: 'parquet',
    target_table: 'fits',
  });
  const files = await world.settled('bad');
  assert.equal(files.pop()!.status, 'success');
  for (const file of files) {
    if (file.key === 'bad/empty.parquet') {
      assert.deepEqual(
        [file.status, file.rows_imported],
        ['success', 0],
        'an empty object is a success with 0 rows',
      );
      continue;
    }
    const [, code, says] = broken[file.key]!;
    assert.deepEqual([file.status, file.error_code], ['failure', code], `${file.key}: ${file.error_message}`);
    for (const pattern of says) assert.match(file.error_message!, pattern, file.key);
    assert.doesNotMatch(file.error_message!, /spool|\/tmp/, 'no path of the worker in what a user reads');
  }
  assert.deepEqual(await db.query('select count(*) from fits'), [{ count: 10 }]);
  assert.deepEqual(await world.spooled(), []);
});

test('a reader process that dies ends one attempt and not the worker', async () => {
  await db.query('create table survived (i bigint)');
  world.put('die/1.parquet', await parquetOf('select i from range(3000000) r(i)'));
  // A trigger that waits keeps the import in the middle of the file while its reader is killed.
  const blocker = await db.connect();
  await blocker.query('select pg_advisory_lock(1)');
  await db.query(`create function wait_once() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock_shared(1);
      return new;
    end $$;
    create trigger wait_once before insert on survived for each row when (new.i = 100000) execute function wait_once()`);
  await world.insertConnector({
    name: 'die',
    pattern: 'die/*',
    file_format: 'parquet',
    target_table: 'survived',
  });
  await db.waitFor(
    "select from pg_stat_activity where application_name like 's3_connector import_file %' and wait_event = 'advisory'",
    (rows) => rows.length === 1,
  );
  const { execFileSync } = await import('node:child_process');
  execFileSync('pkill', ['-KILL', '-f', `reader\\.(ts|js) ${world.spoolDir}`]);
  await blocker.query('select pg_advisory_unlock(1)');
  const [file] = await world.settled('die');
  assert.deepEqual(
    [file!.status, file!.attempts, file!.rows_imported],
    ['success', 2, 3_000_000],
    file!.error_message ?? '',
  );
  assert.deepEqual(
    await db.query(
      "select message like 'reader_crashed%' as crashed from s3_connector.file_history where to_status = 'pending_retry'",
    ),
    [{ crashed: true }],
  );
});
