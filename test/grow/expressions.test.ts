import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { call } from '../requests/support.ts';
import { type ConnectorColumns, type FileRow, NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const UNKNOWN = { on_unknown_column: 'rescue', rescue_column: 'rest' };
const VALUES = { on_type_mismatch: 'rescue', rescue_column: 'rest' };

type Mapping = [source: string | null, target: string, expression: string];

/** Imports a CSV into the table of that name, with computed columns. */
async function load(
  name: string,
  body: string,
  mappings: Mapping[],
  columns: Partial<ConnectorColumns>,
): Promise<FileRow> {
  await prepare(name, body, mappings, columns);
  await db.query('select s3_connector.resume($1)', [name]);
  return (await world.settled(name))[0]!;
}

async function prepare(name: string, body: string, mappings: Mapping[], columns: Partial<ConnectorColumns>) {
  world.put(`${name}/1`, body);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    max_attempts: 1,
    schedule: NEVER_AGAIN,
    state: 'paused',
    ...columns,
  });
  for (const mapping of mappings)
    await db.query(
      `insert into s3_connector.column_mappings (connector_name, source_column, target_column, expression)
       values ($1, $2, $3, $4)`,
      [name, ...mapping],
    );
}

const succeeded = (file: FileRow) => assert.equal(file.status, 'success', file.error_message ?? '');

test('a computed column that the table lacks is added with the type of its expression', async () => {
  await db.query('create table added (id integer)');
  const mappings: Mapping[] = [['price', 'cents', '(value::numeric * 100)::bigint']];
  succeeded(await load('added', 'id,price,note\n1,2.50,x\n', mappings, { on_unknown_column: 'add' }));
  assert.deepEqual(
    await db.query('select id, cents::text, note, pg_typeof(cents)::text as type from added'),
    [{ id: 1, cents: '250', note: 'x', type: 'bigint' }],
  );
});

test('preview shows the statement that adds a computed column, and checks the expressions', async () => {
  await db.query('create table seen (id integer, total numeric)');
  const mappings: Mapping[] = [
    ['price', 'cents', '(value::numeric * 100)::bigint'],
    [null, 'total', 'row."id"::numeric * 2'],
  ];
  await prepare('seen', 'id,price\n1,2.50\n', mappings, { on_unknown_column: 'add' });
  const { notices } = await call(db, "call s3_connector.preview('seen')");
  assert.ok(
    notices.some(({ message }) => message.includes('alter table "public"."seen" add column "cents" bigint')),
    JSON.stringify(notices),
  );
  const columns = await db.query(
    "select source_column, target_column, target_type from s3_connector.preview_columns where connector_name = 'seen' order by position",
  );
  assert.deepEqual(columns, [
    { source_column: 'id', target_column: 'id', target_type: 'integer' },
    { source_column: 'price', target_column: 'cents', target_type: 'bigint' },
    { source_column: null, target_column: 'total', target_type: 'numeric' },
  ]);
});

const ITEMS = 'id,size,price,extra\n1,5,$1.50,a\n2,large,$2,b\n3,7,$3,\nnone,8,$4,c\n';

test('unknown columns and refused values are rescued beside a column that value computes', async () => {
  await db.query('create table by_value (id integer, price numeric, rest jsonb, size smallint)');
  const mappings: Mapping[] = [['price', 'price', "replace(value, '$', '')::numeric"]];
  succeeded(await load('by_value', ITEMS, mappings, { ...UNKNOWN, ...VALUES }));
  assert.deepEqual(await db.query('select id, size, price, rest from by_value order by price'), [
    { id: 1, size: 5, price: '1.50', rest: { extra: 'a' } },
    { id: 2, size: null, price: '2', rest: { size: 'large', extra: 'b' } },
    { id: 3, size: 7, price: '3', rest: null },
    { id: null, size: 8, price: '4', rest: { id: 'none', extra: 'c' } },
  ]);
});

test('an expression over the row reads fields that are rescued, too', async () => {
  await db.query('create table by_row (id integer, rest jsonb, label text)');
  const mappings: Mapping[] = [[null, 'label', `row."id" || ' ' || row."price"`]];
  succeeded(await load('by_row', 'price,id\n$1.50,1\n$2,none\n', mappings, { ...UNKNOWN, ...VALUES }));
  assert.deepEqual(await db.query('select id, label, rest from by_row order by id'), [
    { id: 1, label: '1 $1.50', rest: { price: '$1.50' } },
    { id: null, label: 'none $2', rest: { id: 'none', price: '$2' } },
  ]);
});

test('a widened column stands beside a computed one', async () => {
  await db.query('create table widened (id smallint, twice bigint)');
  const mappings: Mapping[] = [['n', 'twice', 'value::bigint * 2']];
  succeeded(await load('widened', 'id,n\n1,2\n70000,3\n', mappings, { on_type_mismatch: 'widen' }));
  assert.deepEqual(await db.query('select id, twice::int from widened order by id'), [
    { id: 1, twice: 4 },
    { id: 70000, twice: 6 },
  ]);
});

test('a computed column is never missing', async () => {
  await db.query('create table computed (id integer, label text, b integer)');
  const mappings: Mapping[] = [[null, 'label', `'number ' || row."id"`]];
  const file = await load('computed', 'id\n1\n', mappings, { on_missing_column: 'fail' });
  assert.equal(file.error_code, 'missing_column', file.error_message ?? '');
  assert.match(file.error_message!, /has columns that the file lacks: "b"\./);
});

test('a row whose expression fails is rejected with its column, while others are rescued', async () => {
  await db.query('create table rejected (id integer, half integer, rest jsonb)');
  const mappings: Mapping[] = [['n', 'half', 'value::integer / 2']];
  const file = await load('rejected', 'id,n,extra\n1,4,a\n2,odd,b\nx,6,c\n', mappings, {
    ...UNKNOWN,
    ...VALUES,
    on_bad_row: 'skip',
  });
  succeeded(file);
  assert.deepEqual(await db.query('select id, half, rest from rejected order by half'), [
    { id: 1, half: 2, rest: { extra: 'a' } },
    { id: null, half: 3, rest: { id: 'x', extra: 'c' } },
  ]);
  assert.deepEqual(
    await db.query(
      "select line::int, column_name from s3_connector.rejected_rows where connector_name = 'rejected'",
    ),
    [{ line: 3, column_name: 'half' }],
  );
});
