import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { call } from '../requests/support.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const UNKNOWN = { on_unknown_column: 'rescue', rescue_column: 'rest' };
const VALUES = { on_type_mismatch: 'rescue', rescue_column: 'rest' };

/** Puts files at <name>/1, <name>/2 ..., and imports them one after the other. Returns their rows. */
async function load(name: string, bodies: (Buffer | string)[], columns: Record<string, unknown>) {
  for (const [i, body] of bodies.entries()) world.put(`${name}/${i + 1}`, body);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    max_parallel_files: 1,
    ...columns,
  });
  return await world.settled(name);
}

const allSucceeded = (files: { status: string; error_message: string | null }[]) => {
  for (const file of files) assert.equal(file.status, 'success', file.error_message ?? '');
};

test('values of columns that the table lacks go into the rescue column, as text', async () => {
  await db.query('create table unknown (id integer, rest jsonb, name text)');
  const files = await load(
    'unknown',
    ['id,name\n1,a\n', 'x,id,"say ""hi"" \\",name,x,rest\n5,2,"a ""b"" \\ ü",b,6,own\n,3,,c,,\n7,4,"",d,,\n'],
    UNKNOWN,
  );
  allSucceeded(files);
  assert.deepEqual(await db.query('select id, name, rest from unknown order by id'), [
    { id: 1, name: 'a', rest: null },
    { id: 2, name: 'b', rest: { x: '5', 'say "hi" \\': 'a "b" \\ ü', x_2: '6', rest: 'own' } },
    { id: 3, name: 'c', rest: null },
    { id: 4, name: 'd', rest: { x: '7', 'say "hi" \\': '' } },
  ]);
  assert.deepEqual(
    files.map(({ rows_read, rows_imported }) => [rows_read, rows_imported]),
    [
      [1, 1],
      [3, 3],
    ],
  );
});

test('more than 100 unknown columns, and those of Parquet', async () => {
  await db.query('create table many (id integer, rest jsonb)');
  const names = Array.from({ length: 150 }, (_, i) => `c${i}`);
  allSucceeded(await load('many', [`id,${names.join(',')}\n1,${names.join(',')}\n`], UNKNOWN));
  assert.deepEqual(
    (await db.one<{ rest: object }>('select rest from many')).rest,
    Object.fromEntries(names.map((n) => [n, n])),
  );
  await db.query('create table rescued_parquet (id integer, rest jsonb)');
  const file = await parquetOf(
    "select 1 as id, 2.5::double as price, {'a': [1, 2]} as object, null::text as nothing",
  );
  allSucceeded(await load('rescued_parquet', [file], { ...UNKNOWN, file_format: 'parquet' }));
  assert.deepEqual(await db.query('select id, rest from rescued_parquet'), [
    { id: 1, rest: { price: '2.5', object: '{"a":[1,2]}' } },
  ]);
});

test('columns that column_mappings leaves out are not rescued, and files without a header are by position', async () => {
  await db.query(
    'create table mapped (id integer, rest jsonb); create table placed (a integer, rest jsonb, b integer)',
  );
  world.put('mapped/1', 'id,secret,extra\n1,x,y\n');
  await world.insertConnector({
    name: 'mapped',
    pattern: 'mapped/*',
    target_table: 'mapped',
    state: 'paused',
    ...UNKNOWN,
  });
  await db.query(`insert into s3_connector.column_mappings (connector_name, source_column, target_column)
    values ('mapped', 'secret', null)`);
  await call(db, "call s3_connector.preview('mapped')");
  assert.deepEqual(
    await db.query(
      "select source_column, target_column from s3_connector.preview_columns where connector_name = 'mapped' order by position",
    ),
    [
      { source_column: 'id', target_column: 'id' },
      { source_column: 'secret', target_column: null },
      { source_column: 'extra', target_column: 'rest' },
    ],
  );
  await db.query("select s3_connector.resume('mapped')");
  allSucceeded(await world.settled('mapped'));
  assert.deepEqual(await db.query('select * from mapped'), [{ id: 1, rest: { extra: 'y' } }]);
  allSucceeded(await load('placed', ['1,2,3,4\n5,6,7,8\n'], { ...UNKNOWN, csv_skip_header: false }));
  assert.deepEqual(await db.query('select * from placed order by a'), [
    { a: 1, rest: { column3: '3', column4: '4' }, b: 2 },
    { a: 5, rest: { column3: '7', column4: '8' }, b: 6 },
  ]);
});

const STRICT = `id integer, n smallint, v varchar(3), d date, b boolean, m numeric(4,2), t text`;

test('values that their type refuses go into the rescue column, and the row lands', async () => {
  await db.query(`create table refused (${STRICT}, rest jsonb)`);
  const [file] = await load(
    'refused',
    [
      'id,n,v,d,b,m,t\n1,2,abc,2026-01-01,t,1.5,x\n2,70000,abcd,2026-13-01,perhaps,123.4,y\n3,x,abc   ,,f,1.239,\nnone,,,,,,z\n',
    ],
    VALUES,
  );
  assert.deepEqual(
    [file!.status, file!.rows_read, file!.rows_imported],
    ['success', 4, 4],
    file!.error_message ?? '',
  );
  assert.deepEqual(await db.query('select id, n, v, d::text, b, m::text, t, rest from refused order by id'), [
    { id: 1, n: 2, v: 'abc', d: '2026-01-01', b: true, m: '1.50', t: 'x', rest: null },
    {
      id: 2,
      n: null,
      v: null,
      d: null,
      b: null,
      m: null,
      t: 'y',
      rest: { n: '70000', v: 'abcd', d: '2026-13-01', b: 'perhaps', m: '123.4' },
    },
    { id: 3, n: null, v: 'abc', d: null, b: false, m: '1.24', t: null, rest: { n: 'x' } },
    { id: null, n: null, v: null, d: null, b: null, m: null, t: 'z', rest: { id: 'none' } },
  ]);
});

test('what is read as COPY reads it stays the same', async () => {
  // One column refuses a value, and every value goes through the staging table. The oracle is a table without such a row.
  const types =
    'id integer, ts timestamptz, f double precision, a integer[], j jsonb, u uuid, bin bytea, e mood, c char(5), n numeric';
  await db.query(
    `create type mood as enum ('good', 'bad'); create table oracle (${types}); create table same (${types}, rest jsonb)`,
  );
  const rows = [
    '1,2026-01-02 03:04:05,0.1,"{1,NULL,3}","{""a"": 1.50}",00000000-0000-0000-0000-000000000001,\\x00ff,good,ab,1.500',
    '2,2026-06-02 03:04,NaN,{},[],00000000-0000-0000-0000-000000000002,abc,bad,abcde,1e400',
  ];
  const header = 'id,ts,f,a,j,u,bin,e,c,n\n';
  allSucceeded(await load('oracle', [`${header}${rows.join('\n')}\n`], { time_zone: 'Europe/Berlin' }));
  const broken = 'x,soon,wide,"{1","{",0,\\xzz,ugly,abcdef,many';
  allSucceeded(
    await load('same', [`${header}${rows.join('\n')}\n${broken}\n`], {
      ...VALUES,
      time_zone: 'Europe/Berlin',
    }),
  );
  assert.deepEqual(
    await db.query('select o::text from oracle o order by id'),
    await db.query(
      'select (id, ts, f, a, j, u, bin, e, c, n)::text as o from same where rest is null order by id',
    ),
  );
  assert.deepEqual((await db.one<{ rest: object }>('select rest from same where rest is not null')).rest, {
    id: 'x',
    ts: 'soon',
    f: 'wide',
    a: '{1',
    j: '{',
    u: '0',
    bin: '\\xzz',
    e: 'ugly',
    c: 'abcdef',
    n: 'many',
  });
});

test('Parquet values that do not fit are rescued', async () => {
  await db.query('create table from_parquet (n smallint, t varchar(2), rest jsonb)');
  const file = await parquetOf("select * from (values (1, 'ab'), (70000, 'abc')) r(n, t)");
  allSucceeded(await load('from_parquet', [file], { ...VALUES, file_format: 'parquet' }));
  assert.deepEqual(await db.query('select * from from_parquet order by n'), [
    { n: 1, t: 'ab', rest: null },
    { n: null, t: null, rest: { n: '70000', t: 'abc' } },
  ]);
});

test('a not null column whose value was rescued makes a bad row, with its line', async () => {
  await db.query(
    'create table strict (n integer not null, rest jsonb); create table lenient (n integer not null, rest jsonb)',
  );
  const body = 'n\n1\n2\nx\n4\n';
  const [strict] = await load('strict', [body], VALUES);
  assert.equal(strict!.error_code, 'null_not_allowed', strict!.error_message ?? strict!.status);
  assert.match(strict!.error_message!, /line 4: /);
  const [lenient] = await load('lenient', [body], { ...VALUES, on_bad_row: 'skip' });
  assert.deepEqual([lenient!.status, lenient!.rows_imported, lenient!.rows_rejected], ['success', 3, 1]);
  assert.deepEqual(
    await db.query("select line, raw from s3_connector.rejected_rows where connector_name = 'lenient'"),
    [{ line: 4, raw: 'x' }],
  );
});

test('ragged rows stay bad rows', async () => {
  await db.query('create table ragged (id integer, rest jsonb)');
  const [file] = await load('ragged', ['id,x\n1,2\n3\n4,5,6\ny,7\n'], {
    ...UNKNOWN,
    ...VALUES,
    on_bad_row: 'skip',
  });
  assert.deepEqual([file!.rows_imported, file!.rows_rejected], [2, 2], file!.error_message ?? '');
  assert.deepEqual(await db.query('select * from ragged order by id'), [
    { id: 1, rest: { x: '2' } },
    { id: null, rest: { id: 'y', x: '7' } },
  ]);
});

test('a merge replaces what was rescued', async () => {
  await db.query('create table merged (id integer primary key, n integer, rest jsonb)');
  const files = await load('merged', ['id,n,x\n1,bad,5\n2,2,6\n', 'id,n\n1,7\n3,worse\n'], {
    ...UNKNOWN,
    ...VALUES,
    on_conflict: 'update',
  });
  allSucceeded(files);
  assert.deepEqual(await db.query('select * from merged order by id'), [
    { id: 1, n: 7, rest: null },
    { id: 2, n: 2, rest: { x: '6' } },
    { id: 3, n: null, rest: { n: 'worse' } },
  ]);
});

test('rows reach a view through the rescue, too', async () => {
  await db.query(
    'create table under (id integer, n integer, rest jsonb); create view over as select id, n, rest from under',
  );
  allSucceeded(await load('over', ['id,n,x\n1,bad,5\n2,2,\n'], { ...UNKNOWN, ...VALUES }));
  assert.deepEqual(await db.query('select * from under order by id'), [
    { id: 1, n: null, rest: { n: 'bad', x: '5' } },
    { id: 2, n: 2, rest: null },
  ]);
});

test('a created table has the rescue column, and added columns may have rescued values', async () => {
  await load('made', ['id\n1\n'], UNKNOWN);
  world.put('made/2', 'id,x\n2,5\n');
  allSucceeded(await world.pollAndSettle('made'));
  assert.deepEqual(await db.query('select * from made order by id'), [
    { id: 1, rest: null },
    { id: 2, rest: { x: '5' } },
  ]);
  await db.query('create table added (id integer, rest jsonb)');
  allSucceeded(await load('added', ['id,x\n1,5\nbad,6\n'], { ...VALUES, on_unknown_column: 'add' }));
  assert.deepEqual(await db.query('select * from added order by id'), [
    { id: 1, rest: null, x: 5 },
    { id: null, rest: { id: 'bad' }, x: 6 },
  ]);
});

test('a table without the rescue column gets the statement to run', async () => {
  await db.query('create table without (id integer); create table other_type (id integer, rest text)');
  const [without] = await load('without', ['id\n1\n'], UNKNOWN);
  assert.equal(without!.error_code, 'no_rescue_column', without!.error_message ?? without!.status);
  assert.match(without!.error_message!, /Run: alter table "public"\."without" add column "rest" jsonb;/);
  const [other] = await load('other_type', ['id\n1\n'], UNKNOWN);
  assert.match(other!.error_message!, /must be a jsonb that is not generated \(it is text\)/);
});

const REFUSED: [Record<string, unknown>, RegExp][] = [
  [{ on_unknown_column: 'rescue' }, /rescue_column must be given with on_unknown_column rescue/],
  [{ on_type_mismatch: 'rescue' }, /rescue_column must be given with on_type_mismatch rescue/],
  [{ rescue_column: 'rest' }, /must be null unless/],
  [{ ...UNKNOWN, file_id_column: 'rest' }, /other than time_column, file_id_column/],
];
for (const [columns, message] of REFUSED) {
  test(`the insert refuses ${JSON.stringify(columns)}`, async () => {
    await assert.rejects(
      world.insertConnector({ name: 'no', pattern: 'no/*', target_table: 'no', ...columns }),
      (error: { code?: string; hint?: string; message: string }) => {
        assert.match(error.message, message);
        assert.equal(error.code, '22023');
        assert.ok(error.hint);
        return true;
      },
    );
  });
}
