import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parquetOf } from '../support/parquet.ts';
import { type ConnectorColumns, type FileRow, NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

/** A row of column_mappings. */
interface Mapping {
  source_column?: string | null;
  target_column?: string | null;
  data_type?: string | null;
  date_format?: string | null;
  expression?: string | null;
}

const map = (connector: string, mapping: Mapping) =>
  db.query(
    `insert into s3_connector.column_mappings (connector_name, source_column, target_column, data_type, date_format, expression)
     values ($1, $2, $3, $4, $5, $6)`,
    [
      connector,
      mapping.source_column ?? null,
      mapping.target_column ?? null,
      mapping.data_type ?? null,
      mapping.date_format ?? null,
      mapping.expression ?? null,
    ],
  );

/** Inserts a paused connector with mappings. */
async function prepare(name: string, mappings: Mapping[], columns: Partial<ConnectorColumns> = {}) {
  await world.insertConnector({
    name,
    pattern: `${name}/**`,
    target_table: name,
    max_attempts: 1,
    schedule: NEVER_AGAIN,
    state: 'paused',
    ...columns,
  });
  for (const mapping of mappings) await map(name, mapping);
}

async function run(name: string): Promise<FileRow> {
  await db.query('select s3_connector.resume($1)', [name]);
  return (await world.settled(name))[0]!;
}

async function load(
  name: string,
  body: string | Buffer,
  mappings: Mapping[],
  columns: Partial<ConnectorColumns> = {},
): Promise<FileRow> {
  world.put(`${name}/1`, body);
  await prepare(name, mappings, columns);
  return await run(name);
}

const succeeded = (file: FileRow) => assert.equal(file.status, 'success', file.error_message ?? '');
const rowsOf = (table: string) => db.query(`select * from ${table} order by 1`);

test('an expression reads the field as text, and PostgreSQL computes the value', async () => {
  await db.query('create table prices (id integer, price numeric(8,2), note text)');
  const file = await load('prices', 'id,price,note\n1," $1,234.50 ",a\n2,$3,\n3,,c\n', [
    {
      source_column: 'price',
      target_column: 'price',
      expression: "replace(replace(trim(value), '$', ''), ',', '')::numeric",
    },
  ]);
  succeeded(file);
  assert.equal(file.rows_imported, 3);
  assert.deepEqual(await rowsOf('prices'), [
    { id: 1, price: '1234.50', note: 'a' },
    { id: 2, price: '3.00', note: null },
    { id: 3, price: null, note: 'c' },
  ]);
});

test('row has every field of the line as text, also those that go into the table or are left out', async () => {
  await db.query(
    'create table people ("first" text, age integer, full_name text, old boolean, "Total" text)',
  );
  const file = await load(
    'people',
    'first,last,age,value,"a ""b"""\nAda,Lovelace,036,v1,q\nAlan,Turing,41,,"r ""s"""\n',
    [
      { source_column: 'last', target_column: null },
      {
        source_column: 'value',
        target_column: 'Total',
        expression: `value || row.value || row."a ""b""" || row.age`,
      },
      { source_column: 'a "b"', target_column: null },
      { target_column: 'full_name', expression: `row."first" || ' ' || row."last"` },
      { target_column: 'old', expression: 'row.age::integer > 40' },
    ],
  );
  succeeded(file);
  assert.deepEqual(await rowsOf('people'), [
    { first: 'Ada', age: 36, full_name: 'Ada Lovelace', old: false, Total: 'v1v1q036' },
    { first: 'Alan', age: 41, full_name: 'Alan Turing', old: true, Total: null },
  ]);
});

test('row has the fields as the file writes them, while other columns are converted as the format says', async () => {
  await db.query(`create table german (amount numeric, day date, raw text);
    insert into s3_connector.file_formats (name, kind, csv_delimiter, decimal_separator, thousands_separator, date_format, skip_footer)
    values ('german', 'csv', ';', ',', '.', 'DMY', 1)`);
  const file = await load(
    'german',
    'amount;day\n1.234,50;03.12.2026\n"7,5";\nsum;2\n',
    [{ target_column: 'raw', expression: "concat(row.amount, '|', row.day, '|', to_jsonb(row))" }],
    { file_format: 'german' },
  );
  succeeded(file);
  assert.deepEqual(await db.query('select amount, day::text, raw from german order by 1'), [
    { amount: '7.5', day: null, raw: '7,5||{"day": null, "amount": "7,5"}' },
    {
      amount: '1234.50',
      day: '2026-12-03',
      raw: '1.234,50|03.12.2026|{"day": "03.12.2026", "amount": "1.234,50"}',
    },
  ]);
});

test('a row for which an expression fails is a bad row, with its line and the column', async () => {
  const body = 'id,n\n1,4\n2,0\n"3\n",2\n4,x\n5,1\n';
  const mappings = [{ source_column: 'n', target_column: 'n', expression: '8 / value::integer' }];
  await db.query('create table skipping (id text, n integer)');
  const skipped = await load('skipping', body, mappings, { on_bad_row: 'skip' });
  succeeded(skipped);
  assert.deepEqual([skipped.rows_read, skipped.rows_imported, skipped.rows_rejected], [5, 3, 2]);
  assert.deepEqual(await rowsOf('skipping'), [
    { id: '1', n: 2 },
    { id: '3\n', n: 4 },
    { id: '5', n: 8 },
  ]);
  assert.deepEqual(
    await db.query(
      "select line, column_name, error, raw from s3_connector.rejected_rows where connector_name = 'skipping' order by line",
    ),
    [
      { line: 3, column_name: 'n', error: 'division by zero', raw: '2,0' },
      { line: 6, column_name: 'n', error: 'invalid input syntax for type integer: "x"', raw: '4,x' },
    ],
  );

  await db.query('create table failing (id text, n integer)');
  const failed = await load('failing', body, mappings);
  assert.deepEqual(
    [failed.status, failed.error_message],
    ['failure', 'failing/1: line 3, column n: division by zero'],
  );
  await db.query("call s3_connector.dry_run_file('skipping', 'skipping/1')");
});

test('a null for a column that is not null, and a value that is too long, name the line', async () => {
  await db.query('create table required (id integer, n text not null, code varchar(2))');
  const nulls = await load(
    'required',
    'id,n,code\n1,a,b\n2,b,abc\n3,-,c\n',
    [
      { source_column: 'n', target_column: 'n', expression: "nullif(value, '-')" },
      { source_column: 'code', target_column: 'code', expression: 'value' },
    ],
    { on_bad_row: 'skip' },
  );
  succeeded(nulls);
  assert.equal(nulls.rows_imported, 1);
  const rejected = await db.query<{ line: number; error: string }>(
    "select line, error from s3_connector.rejected_rows where connector_name = 'required' order by line",
  );
  assert.deepEqual(
    rejected.map(({ line }) => line),
    [3, 4],
  );
  assert.match(rejected[0]!.error, /too long for type character varying\(2\)/);
  assert.match(rejected[1]!.error, /null value in column "n"/);
});

test('a text is converted to the type of the column, as COPY converts a field', async () => {
  await db.query(`create type mood as enum ('ok', 'sad'); create domain small as integer check (value < 10);
    create table converted (n small, at timestamptz, feeling mood, list integer[])`);
  const trim = (column: string) => ({
    source_column: column,
    target_column: column,
    expression: 'trim(value)',
  });
  const file = await load(
    'converted',
    'n,at,feeling,list\n 1 ,2026-03-01 10:00 , ok," {1,2} "\n 11 ,2026-03-01,ok,{}\n',
    [trim('n'), trim('at'), trim('feeling'), trim('list')],
    { on_bad_row: 'skip', time_zone: 'Europe/Berlin' },
  );
  succeeded(file);
  assert.equal(file.rows_rejected, 1);
  assert.deepEqual(
    await db.query(
      "select n, at at time zone 'UTC' = '2026-03-01 09:00' as at, feeling, list from converted",
    ),
    [{ n: 1, at: true, feeling: 'ok', list: [1, 2] }],
  );
});

test('a text fills a column of a fixed length wholly', async () => {
  await db.query('create table fixed (id integer, code character(3), codes character(3)[], bits bit(3))');
  const upper = (column: string) => ({
    source_column: column,
    target_column: column,
    expression: 'upper(value)',
  });
  const file = await load(
    'fixed',
    'id,code,codes,bits\n1,abc,"{abc,de}",101\n2,abcd,{},101\n3,a,{},10\n',
    [upper('code'), upper('codes'), upper('bits')],
    { on_bad_row: 'skip' },
  );
  succeeded(file);
  assert.deepEqual(await db.query('select code, codes::text, bits::text from fixed'), [
    { code: 'ABC', codes: '{ABC,"DE "}', bits: '101' },
  ]);
  assert.equal(file.rows_rejected, 2);
});

test('an expression calls functions of the owner, on the search path of the owner, with the rights of the owner', async () => {
  await db.query(`create schema app;
    create function app.cents(text) returns bigint language plpgsql as $$ begin return $1::numeric * 100; end $$;
    create table app.rates (currency text primary key, rate numeric); insert into app.rates values ('EUR', 2);
    create table called (amount bigint, by name, rate numeric)`);
  const file = await load('called', 'amount,currency\n1.5,EUR\n', [
    { source_column: 'amount', target_column: 'amount', expression: 'app.cents(value)' },
    {
      source_column: 'currency',
      target_column: 'rate',
      expression: 'select rate from app.rates r where r.currency = value',
    },
    { target_column: 'by', expression: 'current_user' },
  ]);
  succeeded(file);
  const { owner } = await db.one<{ owner: string }>(
    "select owner from s3_connector.connectors where name = 'called'",
  );
  assert.deepEqual(await rowsOf('called'), [{ amount: 150, by: owner, rate: '2' }]);
});

test('an expression that cannot be evaluated for any row fails the file, and check and preview say so', async () => {
  await db.query('create table wrong (n integer, m integer)');
  const mappings = [
    { source_column: 'n', target_column: 'n', expression: 'value::integer' },
    { source_column: 'm', target_column: 'm', expression: 'no_such_function(value)' },
  ];
  const file = await load('wrong', 'n,m\n1,2\n', mappings);
  assert.equal(file.error_code, 'bad_expression');
  assert.match(
    file.error_message!,
    /the expression for column "m" cannot be evaluated: function no_such_function\(text\) does not exist/,
  );
  await db.query("call s3_connector.check('wrong')");
  const checks = await db.query<{ ok: boolean; message: string }>(
    "select ok, message from s3_connector.checks where connector_name = 'wrong' and not ok",
  );
  assert.match(checks[0]?.message ?? '', /expression for column "m"/);
  for (const [i, [expression, reason]] of Object.entries([
    ['sum(row.n::integer)', /aggregate/],
    ['value', /"value" does not exist/],
    ['row.nothing', /nothing does not exist/],
    ['row.n::integer, 2', null],
    ['now()', /type timestamp with time zone/],
  ] as const)) {
    const name = `wrong_${i}`;
    const insert = load(name, 'n,m\n1,2\n', [{ target_column: 'other', expression }], {
      target_table: 'wrong_target',
    });
    if (i === '0') await db.query('create table wrong_target (n integer, m integer, other integer)');
    if (reason === null) await assert.rejects(insert, /expression must be one expression/);
    else {
      const failed = await insert;
      assert.equal(failed.error_code, 'bad_expression', failed.error_message ?? 'success');
      assert.match(failed.error_message!, reason);
    }
  }
});

test('preview shows the expressions, and where their values go', async () => {
  world.put('shown/1', 'a,b\n1,2\n');
  await prepare('shown', [
    { source_column: 'a', target_column: 'n', data_type: 'bigint', expression: 'value::bigint + 1' },
    { target_column: 'both', expression: 'row.a || row.b' },
  ]);
  await db.query("call s3_connector.preview('shown')");
  assert.deepEqual(
    await db.query(
      "select source_column, inferred_type, target_column, target_type, expression from s3_connector.preview_columns where connector_name = 'shown' order by position",
    ),
    [
      {
        source_column: 'a',
        inferred_type: 'bigint',
        target_column: 'n',
        target_type: 'bigint',
        expression: 'value::bigint + 1',
      },
      {
        source_column: 'b',
        inferred_type: 'bigint',
        target_column: 'b',
        target_type: 'bigint',
        expression: null,
      },
      {
        source_column: null,
        inferred_type: 'text',
        target_column: 'both',
        target_type: 'text',
        expression: 'row.a || row.b',
      },
    ],
  );
});

test('a new table gets the type of the expression', async () => {
  const file = await load('made', 'a,b\n1,x\n', [
    { source_column: 'a', target_column: 'a', expression: 'value::numeric(5,1) / 2' },
    { source_column: 'b', target_column: 'b', data_type: 'varchar(3)', expression: 'value || value' },
    { target_column: 'at', expression: "timestamptz '2026-01-01 00:00Z'" },
  ]);
  succeeded(file);
  assert.deepEqual(
    await db.query(
      "select attname, format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'made'::regclass and attnum > 0 order by attnum",
    ),
    [
      { attname: 'a', type: 'numeric' },
      { attname: 'b', type: 'character varying(3)' },
      { attname: 'at', type: 'timestamp with time zone' },
    ],
  );
  assert.deepEqual(await db.query('select a, b from made'), [{ a: '0.50000000000000000000', b: 'xx' }]);
});

test('Parquet values have their own types, and nested ones are jsonb', async () => {
  await db.query('create table measured (id bigint, f double precision, list jsonb, total text)');
  const file = await load(
    'measured',
    await parquetOf(
      "select 1::bigint as id, 20.5::double as c, {'x': [1, 2]} as s union all select 2, 0, null",
    ),
    [
      { source_column: 'c', target_column: 'f', expression: 'value * 9 / 5 + 32' },
      { source_column: 's', target_column: 'list', expression: "value -> 'x'" },
      { target_column: 'total', expression: 'row.id + row.c' },
    ],
    { file_format: 'parquet' },
  );
  succeeded(file);
  assert.deepEqual(await rowsOf('measured'), [
    { id: 1, f: 68.9, list: [1, 2], total: '21.5' },
    { id: 2, f: 32, list: null, total: '2' },
  ]);
  await db.query('create table divided (n integer)');
  const bad = await load(
    'divided',
    await parquetOf('select i::integer as n from range(3, -2, -1) r(i)'),
    [{ source_column: 'n', target_column: 'n', expression: '6 / value' }],
    { file_format: 'parquet' },
  );
  assert.equal(bad.error_message, 'divided/1: row 4, column n: division by zero');
});

test('rows with expressions merge by on_conflict, whose key an expression may fill', async () => {
  const merge = async (name: string, on_conflict: string, on_bad_row: string) => {
    await db.query(
      `create table ${name} (id text primary key, n integer, file_id bigint); insert into ${name} values ('a', 1)`,
    );
    return await load(
      name,
      'id,n\n A ,2\n b,3\nb,4\nc,x\n',
      [
        { source_column: 'id', target_column: 'id', expression: 'lower(trim(value))' },
        { source_column: 'n', target_column: 'n', expression: 'value::integer * 10' },
      ],
      { on_conflict, on_bad_row, file_id_column: 'file_id' },
    );
  };
  const updated = await merge('updated', 'update', 'skip');
  succeeded(updated);
  assert.deepEqual(
    [updated.rows_read, updated.rows_imported, updated.rows_skipped, updated.rows_rejected],
    [4, 2, 1, 1],
  );
  assert.deepEqual(await db.query('select id, n from updated order by 1'), [
    { id: 'a', n: 20 },
    { id: 'b', n: 40 },
  ]);
  const kept = await merge('kept', 'skip', 'skip');
  assert.deepEqual([kept.rows_imported, kept.rows_skipped, kept.rows_rejected], [1, 2, 1]);
  assert.deepEqual(await db.query('select id, n from kept order by 1'), [
    { id: 'a', n: 1 },
    { id: 'b', n: 30 },
  ]);
  const failed = await merge('failed_merge', 'update', 'fail');
  assert.match(failed.error_message!, /line 5, column n: invalid input syntax for type integer: "x"/);
  await db.query("select s3_connector.undo_file('updated', 'updated/1')");
  await db.query("select s3_connector.undo_file('kept', 'kept/1')");
  await world.settled('kept');
  assert.deepEqual(await db.query('select id from kept'), [{ id: 'a' }]);
});

test('an expression fills targets that COPY does not take: views, and tables with row level security', async () => {
  await db.query('create table base (n integer); create view seen as select n from base');
  const mapping = [{ source_column: 'n', target_column: 'n', expression: 'value::integer + 1' }];
  succeeded(await load('seen', 'n\n1\n', mapping));
  assert.deepEqual(await rowsOf('base'), [{ n: 2 }]);

  // The tests' person bypasses row level security.
  const owner = await db.createRole();
  await db.query(
    `grant s3_connector_admin to ${owner.name}; create schema theirs authorization ${owner.name}`,
  );
  const session = await db.connect(owner);
  world.put('guarded/1', 'n\n1\n9\n');
  await session.query(`create table theirs.guarded (n integer);
    alter table theirs.guarded enable row level security, force row level security;
    create policy small on theirs.guarded with check (n < 5);
    insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, state, on_bad_row, endpoint)
    values ('guarded', '${world.bucket}', 'guarded/*', 'csv', 'theirs.guarded', 'paused', 'skip', '${world.server.endpoint}');
    insert into s3_connector.column_mappings (connector_name, source_column, target_column, expression)
    values ('guarded', 'n', 'n', 'value::integer + 1')`);
  const file = await run('guarded');
  assert.deepEqual([file.rows_imported, file.rows_rejected], [1, 1], file.error_message ?? '');
});

test('rules of the target are refused, because INSERT would run them', async () => {
  await db.query(`create table ruled (n integer); create table logged (n integer);
    create rule log as on insert to ruled do also insert into logged values (new.n)`);
  const file = await load('ruled', 'n\n1\n', [
    { source_column: 'n', target_column: 'n', expression: 'value::integer' },
  ]);
  assert.equal(file.error_code, 'target_has_rules', file.error_message ?? 'success');
});

test('columns by position and parts of the key can be computed', async () => {
  await db.query('create table positional (a integer, b text, region text, c text)');
  const file = await load(
    'positional',
    '1, x \n2, y \n',
    [
      { source_column: 'column2', target_column: 'b', expression: 'trim(value)' },
      { source_column: 'region', target_column: 'region', expression: 'upper(value)' },
      { target_column: 'c', expression: 'row.column1 || row.region' },
    ],
    { csv_skip_header: false, pattern: 'keys/**', hive_columns: ['region'] },
  );
  assert.equal(file, undefined);
  world.put('keys/region=eu/1', '1, x \n2, y \n');
  await db.query("select s3_connector.poll_now('positional')");
  const [found] = await world.pollAndSettle('positional');
  succeeded(found!);
  assert.deepEqual(await rowsOf('positional'), [
    { a: 1, b: 'x', region: 'EU', c: '1eu' },
    { a: 2, b: 'y', region: 'EU', c: '2eu' },
  ]);
});

test('ragged rows of a file whose expressions read row are bad rows with the usual reasons', async () => {
  await db.query('create table ragged (a text, b text, c text)');
  const file = await load(
    'ragged',
    'a,b\n1,2\n3\n4,5,6\n7,8,9,10\n11,12,13,14,15\n16,17\n',
    [{ target_column: 'c', expression: 'row.a || row.b' }],
    { on_bad_row: 'skip' },
  );
  succeeded(file);
  assert.deepEqual(await rowsOf('ragged'), [
    { a: '1', b: '2', c: '12' },
    { a: '16', b: '17', c: '1617' },
  ]);
  assert.deepEqual(
    await db.query(
      "select line, error, raw from s3_connector.rejected_rows where connector_name = 'ragged' order by line",
    ),
    [
      { line: 3, error: 'missing data for column "b"', raw: '3' },
      { line: 4, error: 'extra data after last expected column', raw: '4,5,6' },
      { line: 5, error: 'extra data after last expected column', raw: '7,8,9,10' },
      { line: 6, error: 'extra data after last expected column', raw: '11,12,13,14,15' },
    ],
  );
});

test('a large compressed file, names over 63 bytes, and max_rows', async () => {
  const long = 'x'.repeat(70);
  const lines = Array.from({ length: 60_000 }, (_, i) => `${i},"v ${i}",${i % 7}`);
  await db.query('create table large (id integer, label text, long text)');
  const file = await load('large', gzipSync(`id,label,${long}\n${lines.join('\n')}\n`), [
    { source_column: 'label', target_column: 'label', expression: 'upper(value)' },
    { source_column: long, target_column: 'long', expression: `value || row."${long}"` },
  ]);
  succeeded(file);
  assert.deepEqual(
    await db.query(
      "select count(*)::integer, bool_and(label = 'V ' || id and long = (id % 7) || '' || (id % 7)) as right from large",
    ),
    [{ count: 60_000, right: true }],
  );
  await db.query('create table capped (id integer)');
  const capped = await load(
    'capped',
    'id\n1\n2\n3\n',
    [{ source_column: 'id', target_column: 'id', expression: 'value::integer' }],
    {
      max_rows: 2,
    },
  );
  assert.equal(capped.error_code, 'too_many_rows');
});

test('an expression that waits is cancelled with its file', async () => {
  await db.query('create table waiting (n text)');
  world.put('waiting/1', 'n\n1\n');
  await prepare('waiting', [
    { source_column: 'n', target_column: 'n', expression: 'value || pg_sleep(600)::text' },
  ]);
  await db.query("select s3_connector.resume('waiting')");
  await db.waitFor(
    "select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
    (rows) => rows.length > 0,
  );
  await db.query("select s3_connector.cancel_file('waiting', 'waiting/1')");
  const [file] = await world.settled('waiting');
  assert.equal(file!.status, 'cancelled');
});

test('what an expression changes is rolled back with its file, and so are the rows of one that leaves the role of the owner', async () => {
  await db.query(`create table written (n text); create table effects (n text);
    create function note(text) returns text language plpgsql as $$ begin insert into effects values ($1); return $1; end $$`);
  const failed = await load(
    'written',
    'n,m\na,1\nb,x\n',
    [
      { source_column: 'n', target_column: 'n', expression: 'note(value)' },
      { source_column: 'm', target_column: null },
      { target_column: 'x', expression: 'row.m::integer' },
    ],
    { target_table: 'written_twice' },
  );
  assert.equal(failed.status, 'failure');
  assert.deepEqual(await rowsOf('effects'), []);
  const left = await load(
    'roles',
    'n\na\n',
    [
      {
        source_column: 'n',
        target_column: 'n',
        expression: "value || left(set_config('role', 'none', true), 0)",
      },
    ],
    { target_table: 'written' },
  );
  assert.equal(left.error_code, 'permission_denied');
  assert.deepEqual(await rowsOf('written'), []);
});
