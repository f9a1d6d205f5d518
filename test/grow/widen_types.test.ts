import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { call } from '../requests/support.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

/** Puts files at <name>/1, <name>/2 ..., and imports them one after the other. Returns their rows. */
async function load(name: string, bodies: (Buffer | string)[], columns: Record<string, unknown> = {}) {
  for (const [i, body] of bodies.entries()) world.put(`${name}/${i + 1}`, body);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    max_parallel_files: 1,
    on_type_mismatch: 'widen',
    ...columns,
  });
  return await world.settled(name);
}

const allSucceeded = (files: { status: string; error_message: string | null }[]) => {
  for (const file of files) assert.equal(file.status, 'success', file.error_message ?? '');
};

const typeOf = async (table: string, column: string) =>
  (
    await db.one<{ type: string }>(
      'select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = $1::regclass and attname = $2',
      [table, column],
    )
  ).type;

const changesOf = (name: string) =>
  db.query(
    'select key, change, column_name, old_type, column_type from s3_connector.schema_changes where connector_name = $1 order by id',
    [name],
  );

const CSV: [from: string, values: string[], to: string, inTable: string[]][] = [
  ['smallint', ['1', '70000'], 'bigint', ['1', '70000']],
  ['integer', ['1', '3000000000'], 'bigint', ['1', '3000000000']],
  ['bigint', ['1', '123456789012345678901234567890'], 'numeric', ['1', '123456789012345678901234567890']],
  ['integer', ['1', '2.5'], 'numeric', ['1', '2.5']],
  ['real', ['1.5', '1e300'], 'double precision', ['1.5', '1e+300']],
  [
    'date',
    ['2026-01-02', '2026-01-03 04:05:06'],
    'timestamp with time zone',
    ['2026-01-01 23:00:00+00', '2026-01-03 03:05:06+00'],
  ],
  ['character varying(3)', ['abc', 'abcd'], 'character varying', ['abc', 'abcd']],
  ['numeric(4,2)', ['1.50', '1234.5'], 'numeric', ['1.50', '1234.5']],
];
for (const [i, [from, values, to, inTable]] of CSV.entries()) {
  test(`a column of ${from} becomes ${to} for a value of a CSV file`, async () => {
    const name = `wider_${i}`;
    await db.query(`create table ${name} (nr integer, v ${from})`);
    const files = await load(
      name,
      values.map((value, nr) => `nr,v\n${nr},${value}\n`),
      { time_zone: 'Europe/Berlin' },
    );
    allSucceeded(files);
    assert.equal(await typeOf(name, 'v'), to);
    const rows = await db.query<{ v: string }>(`select v::text from ${name} order by nr`);
    assert.deepEqual(
      rows.map(({ v }) => v),
      inTable,
    );
    const change = { key: `${name}/2`, change: 'widened', column_name: 'v', old_type: from };
    const [{ column_type, ...rest }] = (await changesOf(name)) as [Record<string, unknown>];
    assert.deepEqual(rest, change);
    assert.ok(column_type);
  });
}

test('a Parquet file of wider types widens the columns whose values do not fit, and those that would lose digits', async () => {
  await db.query('create table from_parquet (small integer, big integer, f real, d date, kept real)');
  const file = await parquetOf(
    "select 5::bigint as small, 5000000000::bigint as big, 0.1::double as f, timestamp '2026-01-02 03:04:05' as d, 0.5::float as kept",
  );
  allSucceeded(await load('from_parquet', [file], { file_format: 'parquet' }));
  assert.deepEqual(
    await Promise.all(['small', 'big', 'f', 'd', 'kept'].map((column) => typeOf('from_parquet', column))),
    ['integer', 'bigint', 'double precision', 'timestamp with time zone', 'real'],
  );
  assert.deepEqual(await db.query('select f::text, d::text from from_parquet'), [
    { f: '0.1', d: '2026-01-02 03:04:05+00' },
  ]);
});

test('values that fit change nothing, and a value of no wider type fails the file', async () => {
  await db.query('create table stays (n integer, d date)');
  const [fits, refused] = await load('stays', ['n,d\n1,2026-01-01\n', 'n,d\nx,2026-01-01\n']);
  assert.equal(fits!.status, 'success', fits!.error_message ?? '');
  assert.equal(refused!.error_code, 'bad_value', refused!.error_message ?? refused!.status);
  assert.deepEqual(await changesOf('stays'), []);
  assert.equal(await typeOf('stays', 'n'), 'integer');
});

test('several columns of one file become wider, and bad rows are still left out', async () => {
  await db.query('create table several (a integer, b smallint, c varchar(2), note integer)');
  const [file] = await load(
    'several',
    ['a,b,c,note\n3000000000,1,x,1\n1,70000,x,2\n1,1,xyz,3\n1,1,x,bad\n'],
    {
      on_bad_row: 'skip',
    },
  );
  assert.deepEqual(
    [file!.status, file!.rows_imported, file!.rows_rejected],
    ['success', 3, 1],
    file!.error_message ?? '',
  );
  assert.deepEqual(await Promise.all(['a', 'b', 'c', 'note'].map((column) => typeOf('several', column))), [
    'bigint',
    'bigint',
    'character varying',
    'integer',
  ]);
});

test('a value that does not fit is found behind a bad row, too', async () => {
  await db.query('create table behind (n integer, note integer)');
  const [file] = await load('behind', ['n,note\n1,bad\n3000000000,2\n1\n'], { on_bad_row: 'skip' });
  assert.deepEqual(
    [file!.status, file!.rows_imported, file!.rows_rejected],
    ['success', 1, 2],
    file!.error_message ?? '',
  );
  assert.equal(await typeOf('behind', 'n'), 'bigint');
});

test('a merge takes the wider values', async () => {
  await db.query(
    'create table merged_wider (id integer primary key, n integer); insert into merged_wider values (1, 1)',
  );
  allSucceeded(await load('merged_wider', ['id,n\n1,3000000000\n2,2\n'], { on_conflict: 'update' }));
  assert.deepEqual(await db.query('select id, n::text from merged_wider order by id'), [
    { id: 1, n: '3000000000' },
    { id: 2, n: '2' },
  ]);
});

test('columns are added and made wider by one statement', async () => {
  await db.query('create table added_wider (id integer, d date)');
  allSucceeded(
    await load('added_wider', ['id,d,extra\n1,2026-01-01 10:00,x\n'], { on_unknown_column: 'add' }),
  );
  const statements = await db.query(
    "select distinct statement from s3_connector.schema_changes where connector_name = 'added_wider'",
  );
  assert.deepEqual(statements, [
    {
      statement:
        'alter table "public"."added_wider" add column "extra" text, alter column "d" type timestamptz',
    },
  ]);
});

test('a file without a header widens by position', async () => {
  await db.query('create table placed (a integer, b integer)');
  allSucceeded(await load('placed', ['1,3000000000\n'], { csv_skip_header: false }));
  assert.equal(await typeOf('placed', 'b'), 'bigint');
  await db.query('create table short_rows (a integer, b date, c date)');
  const [short] = await load('short_rows', ['1,2026-01-01\n'], { csv_skip_header: false });
  assert.equal(short!.error_code, 'bad_row', short!.error_message ?? short!.status);
});

test('what PostgreSQL cannot change is refused with the statement', async () => {
  await db.query('create table viewed (n integer); create view viewed_by as select n from viewed');
  const [file] = await load('viewed', ['n\n3000000000\n']);
  assert.equal(file!.error_code, 'table_cannot_grow', file!.error_message ?? file!.status);
  assert.match(
    file!.error_message!,
    /used by a view or rule.*viewed_by.*alter table "public"\."viewed" alter column "n" type bigint;/,
  );
  await db.query(`create domain small_number as integer; create table in_domain (n small_number)`);
  const [domain] = await load('in_domain', ['n\n3000000000\n']);
  assert.equal(domain!.error_code, 'value_out_of_range', domain!.error_message ?? domain!.status);
});

test('a large table is not written again', async () => {
  await db.query('create table large (n integer, t varchar(2))');
  const size = (bytes: number) =>
    db.asSuperuser(`create or replace function s3_connector_import.size_of_family(target oid)
      returns bigint language sql stable set search_path = pg_catalog, pg_temp as $$ select ${bytes}::bigint $$`);
  const { definition } = await db.one<{ definition: string }>(
    "select pg_get_functiondef('s3_connector_import.size_of_family(oid)'::regprocedure) as definition",
  );
  await size(2 ** 30 + 1);
  try {
    const [file, longer] = await load('large', ['n,t\n3000000000,x\n', 'n,t\n1,longer\n']);
    assert.equal(file!.error_code, 'table_cannot_grow', file!.error_message ?? file!.status);
    assert.match(
      file!.error_message!,
      /write its 1024 MB again would take too long.*Run, when nobody needs the table: alter table/,
    );
    // A longer varchar costs nothing.
    assert.equal(longer!.status, 'success', longer!.error_message ?? '');
  } finally {
    await db.asSuperuser(definition);
  }
});

test('a dry run shows the change, and preview the one that it can foresee', async () => {
  await db.query('create table foreseen (n integer, d date)');
  world.put('foreseen/1', 'n,d\n3000000000,2026-01-01 10:00\n');
  await world.insertConnector({
    name: 'foreseen',
    pattern: 'foreseen/*',
    target_table: 'foreseen',
    on_type_mismatch: 'widen',
    state: 'paused',
  });
  const preview = await call(db, "call s3_connector.preview('foreseen')");
  assert.match(preview.notices.at(-1)!.message, /first run: .* alter column "d" type timestamptz;/);
  const { notices, row } = await call<{ rows_imported: string }>(
    db,
    "call s3_connector.dry_run_file('foreseen', 'foreseen/1')",
  );
  assert.equal(Number(row!.rows_imported), 1);
  assert.match(
    notices.at(-1)!.message,
    /would run: .* alter column "n" type bigint, alter column "d" type timestamptz;/,
  );
  assert.equal(await typeOf('foreseen', 'd'), 'date');
});
