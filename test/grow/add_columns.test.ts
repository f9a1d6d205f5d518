import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { zipSync } from 'fflate';
import { call } from '../requests/support.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const ADD = { on_unknown_column: 'add' };

/** Puts files at <name>/1, <name>/2 ..., and imports them one after the other. Returns their rows. */
async function load(name: string, bodies: (Buffer | string)[], columns: Record<string, unknown> = {}) {
  for (const [i, body] of bodies.entries()) world.put(`${name}/${i + 1}`, body);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    max_parallel_files: 1,
    ...ADD,
    ...columns,
  });
  return await world.settled(name);
}

const allSucceeded = (files: { status: string; error_message: string | null }[]) => {
  for (const file of files) assert.equal(file.status, 'success', file.error_message ?? '');
};

const columnsOf = async (table: string) =>
  (
    await db.query<{ column: string }>(
      `select quote_ident(attname) || ' ' || format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end as column
        from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
      [table],
    )
  ).map(({ column }) => column);

const changesOf = (name: string) =>
  db.query(
    'select key, change, source_column, column_name, column_type from s3_connector.schema_changes where connector_name = $1 order by id',
    [name],
  );

test('columns that the table lacks are added with the types of their values, and recorded', async () => {
  await db.query('create table grows (id integer primary key)');
  const files = await load('grows', [
    'id\n1\n',
    'price,id,at,Wind Speed,nothing\n1.5,2,2026-01-02 03:04:05Z,a,\n2.25,3,2026-01-02 03:04:06Z,b,\n',
    'id\n4\n',
  ]);
  allSucceeded(files);
  assert.deepEqual(await columnsOf('grows'), [
    'id integer not null',
    'price double precision',
    'at timestamp with time zone',
    '"Wind Speed" text',
    'nothing text',
  ]);
  assert.deepEqual(await db.query('select id, price, "Wind Speed" as wind from grows order by id'), [
    { id: 1, price: null, wind: null },
    { id: 2, price: 1.5, wind: 'a' },
    { id: 3, price: 2.25, wind: 'b' },
    { id: 4, price: null, wind: null },
  ]);
  const added = { key: 'grows/2', change: 'added' };
  assert.deepEqual(await changesOf('grows'), [
    { ...added, source_column: 'price', column_name: 'price', column_type: 'double precision' },
    { ...added, source_column: 'at', column_name: 'at', column_type: 'timestamptz' },
    { ...added, source_column: 'Wind Speed', column_name: 'Wind Speed', column_type: 'text' },
    { ...added, source_column: 'nothing', column_name: 'nothing', column_type: 'text' },
  ]);
  const { last } = await db.one<{ last: string }>(
    "select last_schema_change as last from s3_connector.connector_status where name = 'grows'",
  );
  assert.match(
    last,
    /UTC: alter table "public"\."grows" add column "price" double precision, .* \(grows\/2\)$/,
  );
});

test('a Parquet file adds columns of its own types', async () => {
  await db.query('create table from_parquet (id bigint)');
  const file = await parquetOf(
    "select 1::bigint as id, 2::smallint as small, 1.25::decimal(9,2) as exact, [1, 2] as list, {'a': 1} as object",
  );
  allSucceeded(await load('from_parquet', [file], { file_format: 'parquet' }));
  assert.deepEqual((await columnsOf('from_parquet')).slice(1), [
    'small smallint',
    'exact numeric(9,2)',
    'list integer[]',
    'object jsonb',
  ]);
});

test('a transform may add columns', async () => {
  await db.query('create table computed (id integer)');
  const file = await parquetOf('select 1 as id, 2.5::double as price');
  allSucceeded(
    await load('computed', [file], {
      file_format: 'parquet',
      transform: 'select id, price * 2 as twice from file',
    }),
  );
  assert.deepEqual(await db.query('select * from computed'), [{ id: 1, twice: 5 }]);
});

test('a file that fails leaves no column, and its retry adds it', async () => {
  await db.query('create table kept (id integer)');
  const [file] = await load('kept', ['id,extra\n1,2\nx,3\n']);
  assert.equal(file!.error_code, 'bad_value');
  assert.deepEqual(await columnsOf('kept'), ['id integer']);
  assert.deepEqual(await changesOf('kept'), []);
  await db.query("select s3_connector.pause('kept')");
  await db.query("update s3_connector.connectors set on_bad_row = 'skip' where name = 'kept'");
  await db.query("select s3_connector.resume('kept'), s3_connector.retry('kept')");
  const [again] = await world.settled('kept');
  assert.deepEqual([again!.status, again!.rows_imported, again!.rows_rejected], ['success', 1, 1]);
  assert.deepEqual(await db.query('select * from kept'), [{ id: 1, extra: 2 }]);
});

test('names are quoted, shortened and mapped as in a new table', async () => {
  await db.query('create table named (id integer)');
  const long = `How satisfied are you with the service that you got from us this quarter overall`;
  world.put(
    'named/1',
    `id,select,"a""; drop table named; --",${long},${long} (comment),Betrag,Left Out\n1,2,3,4,5,6,7\n`,
  );
  world.put('named/2', `id,${long} (comment),${long}\n2,6,7\n`);
  await world.insertConnector({
    name: 'named',
    pattern: 'named/*',
    target_table: 'named',
    max_parallel_files: 1,
    state: 'paused',
    ...ADD,
  });
  await db.query(`insert into s3_connector.column_mappings (connector_name, source_column, target_column, data_type)
    values ('named', 'Betrag', 'amount', 'numeric(12,2)'), ('named', 'Left Out', null, null)`);
  await db.query("select s3_connector.resume('named')");
  allSucceeded(await world.settled('named'));
  const short = long.slice(0, 63);
  assert.deepEqual(await columnsOf('named'), [
    'id integer',
    '"select" bigint',
    '"a""; drop table named; --" bigint',
    `"${short}" bigint`,
    `"${long.slice(0, 61)}_2" bigint`,
    'amount numeric(12,2)',
  ]);
  assert.deepEqual(
    (await db.query<Record<string, unknown>>('select * from named order by id')).map((row) =>
      Object.values(row),
    ),
    [
      [1, 2, 3, 4, 5, '6.00'],
      [2, null, null, 7, 6, null],
    ],
  );
});

test('a long name gets a number if the table has its short form for another name', async () => {
  const long = `a${'b'.repeat(70)}`;
  await db.query(`create table alike (id integer)`);
  allSucceeded(
    await load('alike', [`id,${long}1\n1,1\n`, `id,${long}2\n2,2\n`, `${long}2,${long}1,id\n3,4,5\n`]),
  );
  const names = [long.slice(0, 63), `${long.slice(0, 61)}_2`];
  assert.deepEqual(await columnsOf('alike'), ['id integer', ...names.map((name) => `${name} bigint`)]);
  assert.deepEqual(
    (await db.query<Record<string, unknown>>('select * from alike order by id')).map((row) =>
      Object.values(row),
    ),
    [
      [1, 1, null],
      [2, null, 2],
      [5, 4, 3],
    ],
  );
});

test('column_names = snake applies to new columns', async () => {
  await db.query('create table snaked (id integer)');
  await db.query(
    "insert into s3_connector.file_formats (name, kind, column_names) values ('grown_snake', 'csv', 'snake')",
  );
  allSucceeded(await load('snaked', ['ID,Wind Speed,Wind-Speed\n1,2,3\n'], { file_format: 'grown_snake' }));
  assert.deepEqual(await columnsOf('snaked'), ['id integer', 'wind_speed bigint', 'wind_speed_2 bigint']);
});

test('a file may add max_new_columns columns, and one more fails it', async () => {
  await db.query('create table wide (id integer)');
  const header = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`).join(',');
  const [file] = await load('wide', [`id,${header(101)}\n`.concat(`1${',1'.repeat(101)}\n`)]);
  assert.equal(file!.error_code, 'too_many_new_columns', file!.error_message ?? file!.status);
  assert.match(file!.error_message!, /101 columns .* max_new_columns is 100: "c0".*raise max_new_columns/);
  world.put('wide/2', `id,${header(100)}\n`.concat(`1${',1'.repeat(100)}\n`));
  const [, second] = await world.pollAndSettle('wide');
  assert.equal(second!.status, 'success', second!.error_message ?? '');
  assert.equal((await columnsOf('wide')).length, 101);
});

test('files of another kind add nothing', async () => {
  await db.query('create table other_kind (id integer, name text)');
  const [wrong, semicolons, twice] = await load('other_kind', [
    'x,y\n1,2\n',
    'id;name;more\n1;a;b\n2;a;b\n',
    'id,z,z\n1,2,3\n',
  ]);
  assert.equal(wrong!.error_code, 'no_column_matches', wrong!.error_message ?? wrong!.status);
  assert.equal(semicolons!.error_code, 'no_column_matches', semicolons!.error_message ?? semicolons!.status);
  assert.equal(twice!.error_code, 'duplicate_column', twice!.error_message ?? twice!.status);
  assert.deepEqual(await columnsOf('other_kind'), ['id integer', 'name text']);
});

test('a header without rows adds nothing and succeeds', async () => {
  await db.query('create table header_only (id integer)');
  allSucceeded(await load('header_only', ['id,extra\n']));
  assert.deepEqual(await columnsOf('header_only'), ['id integer']);
});

test('a merge fills the new column', async () => {
  await db.query(
    "create table merged (id integer primary key, name text); insert into merged values (1, 'old')",
  );
  allSucceeded(await load('merged', ['id,name,extra\n1,new,5\n2,b,6\n'], { on_conflict: 'update' }));
  assert.deepEqual(await db.query('select * from merged order by id'), [
    { id: 1, name: 'new', extra: 5 },
    { id: 2, name: 'b', extra: 6 },
  ]);
});

test('undo leaves the columns, and a new import of the file fills them again', async () => {
  await db.query('create table undone (id integer, file_id bigint)');
  allSucceeded(await load('undone', ['id,extra\n1,2\n'], { file_id_column: 'file_id' }));
  await db.query("select s3_connector.undo_file('undone', 'undone/1')");
  await db.waitFor<{ n: number }>('select count(*)::int as n from undone', ([row]) => row!.n === 0);
  assert.deepEqual(await columnsOf('undone'), ['id integer', 'file_id bigint', 'extra bigint']);
  await db.query("select s3_connector.reimport_file('undone', 'undone/1')");
  await world.settled('undone');
  assert.deepEqual(await db.query('select id, extra from undone'), [{ id: 1, extra: 2 }]);
});

test('preview, check and a dry run show the statement, and change nothing', async () => {
  await db.query('create table looked_at (id integer)');
  world.put('looked_at/1', 'id,extra\n1,2.5\n');
  await world.insertConnector({
    name: 'looked_at',
    pattern: 'looked_at/*',
    target_table: 'looked_at',
    state: 'paused',
    ...ADD,
  });
  const statement = 'alter table "public"."looked_at" add column "extra" double precision';
  const preview = await call(db, "call s3_connector.preview('looked_at')");
  assert.equal(preview.notices.at(-1)!.message, `an import would first run: ${statement};`);
  assert.deepEqual(
    await db.query(
      "select source_column, target_column, target_type from s3_connector.preview_columns where connector_name = 'looked_at' order by position",
    ),
    [
      { source_column: 'id', target_column: 'id', target_type: 'integer' },
      { source_column: 'extra', target_column: 'extra', target_type: 'double precision' },
    ],
  );
  const dryRun = await call<{ rows_imported: string }>(
    db,
    "call s3_connector.dry_run_file('looked_at', 'looked_at/1')",
  );
  assert.equal(Number(dryRun.row!.rows_imported), 1);
  assert.deepEqual(
    dryRun.notices.map(({ message }) => message),
    [`the import would run: ${statement};`],
  );
  const check = await call(db, "call s3_connector.check('looked_at')");
  const target = check.notices.find(({ message }) => message.startsWith('target'));
  assert.match(target!.message, /ok, .* go into id, extra, after: alter table/);
  assert.deepEqual(await columnsOf('looked_at'), ['id integer']);
});

test('an owner that may not change the table gets the statement to run', async () => {
  const owner = await db.createRole();
  await db.asSuperuser(`create table not_mine (id integer); grant insert, select on not_mine to ${owner.name};
    grant s3_connector_admin to ${owner.name}`);
  const session = await db.connect(owner);
  world.put('not_mine/1', 'id,extra\n1,2\n');
  world.put('not_mine/2', 'id\n3\n');
  await session.query(
    `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table, on_unknown_column)
      values ('not_mine', $1, $2, 'not_mine/*', 'csv', 'not_mine', 'add')`,
    [world.bucket, world.server.endpoint],
  );
  const [refused, second] = await world.settled('not_mine');
  assert.equal(refused!.error_code, 'permission_denied', refused!.error_message ?? refused!.status);
  assert.match(refused!.error_message!, /only the owner of public\.not_mine may change its columns/);
  assert.match(
    refused!.error_message!,
    /: alter table "public"\."not_mine" add column "extra" bigint; Then retry/,
  );
  assert.equal(second!.status, 'success', second!.error_message ?? '');
});

test('a partitioned table grows with its partitions', async () => {
  await db.query(`create table parted (id integer, day date) partition by range (day);
    create table parted_1 partition of parted for values from ('2026-01-01') to ('2026-02-01')`);
  allSucceeded(await load('parted', ['id,day,extra\n1,2026-01-05,2\n']));
  assert.deepEqual(await db.query('select id, extra from parted_1'), [{ id: 1, extra: 2 }]);
});

test('entries of a zip add columns in one transaction, even after rows of the file are in the table', async () => {
  await db.query('create table zipped (id integer)');
  const zip = Buffer.from(
    zipSync({
      '1.csv': Buffer.from('id\n1\n'),
      '2.csv': Buffer.from('id,a\n2,3\n'),
      '3.csv': Buffer.from('b,id\n4,5\n'),
    }),
  );
  allSucceeded(await load('zipped', [zip]));
  assert.deepEqual(await db.query('select * from zipped order by id'), [
    { id: 1, a: null, b: null },
    { id: 2, a: 3, b: null },
    { id: 5, a: null, b: 4 },
  ]);
  assert.equal((await changesOf('zipped')).length, 2);
});

test('the file that makes the table adds the columns of its later entries', async () => {
  const zip = Buffer.from(zipSync({ '1.csv': Buffer.from('id\n1\n'), '2.csv': Buffer.from('id,a\n2,3\n') }));
  allSucceeded(await load('made_and_grown', [zip]));
  assert.deepEqual(await columnsOf('made_and_grown'), ['id bigint', 'a bigint']);
});

const REFUSED: [string, Record<string, unknown>, RegExp][] = [
  [
    'by position',
    { ...ADD, match_columns_by: 'position' },
    /fail, ignore or rescue with match_columns_by position/,
  ],
  [
    'without a header',
    { ...ADD, csv_skip_header: false },
    /fail, ignore or rescue for files without a header/,
  ],
  ['more than a table can have', { ...ADD, max_new_columns: 1601 }, /between 1 and 1600/],
  [
    'into a view',
    { ...ADD, target_table: 'grown_view' },
    /is a view, whose columns the connector cannot add or change/,
  ],
  ['into a partition', { ...ADD, target_table: 'grown_part' }, /is a partition, whose/],
];
for (const [name, columns, message] of REFUSED) {
  test(`add is refused at the insert: ${name}`, async () => {
    await db.query(`create table if not exists grown_base (id integer) partition by list (id);
      create table if not exists grown_part partition of grown_base default;
      create or replace view grown_view as select 1 as id from grown_base`);
    await db.query('create or replace view grown_view as select id from grown_base');
    await assert.rejects(
      world.insertConnector({ name: 'refused', pattern: 'refused/*', target_table: 'refused', ...columns }),
      (error: { code?: string; hint?: string; message: string }) => {
        assert.match(error.message, message);
        assert.equal(error.code, '22023');
        assert.ok(error.hint);
        return true;
      },
    );
  });
}
