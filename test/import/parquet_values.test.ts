import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { struct, writeParquet } from '../support/parquet_writer.ts';
import { openWorld } from '../support/world.ts';

// Values of Parquet whose type is not the table's: each goes in without loss, or its row is refused.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const load = async (name: string, query: string, settings: Record<string, unknown> = {}) => {
  world.put(`${name}/1.parquet`, await parquetOf(query));
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    file_format: 'parquet',
    target_table: name,
    ...settings,
  });
  const [file] = await world.settled(name);
  return file!;
};
const rejected = (name: string) =>
  db.query(
    'select line, column_name, error from s3_connector.rejected_rows where connector_name = $1 order by line',
    [name],
  );

test('a number with a fraction, NaN, or a number that is too large for an integer is refused with its row', async () => {
  await db.query('create table not_whole (id integer, n integer)');
  const file = await load(
    'not_whole',
    "select * from (values (1, 3.0::double), (2, 2.5), (3, 'nan'), (4, 3e9), (5, 'inf'), (6, null)) t(id, n)",
    { on_bad_row: 'skip' },
  );
  assert.deepEqual([file.status, file.rows_imported, file.error_message], ['success', 2, null]);
  assert.deepEqual(await db.query('select id, n from not_whole order by id'), [
    { id: 1, n: 3 },
    { id: 6, n: null },
  ]);
  assert.deepEqual(await rejected('not_whole'), [
    { line: 2, column_name: 'n', error: 'invalid input syntax for type integer: "2.5"' },
    { line: 3, column_name: 'n', error: 'invalid input syntax for type integer: "nan"' },
    { line: 4, column_name: 'n', error: 'value "3000000000" is out of range for type integer' },
    { line: 5, column_name: 'n', error: 'invalid input syntax for type integer: "inf"' },
  ]);
});

test('a decimal with a fraction is no integer', async () => {
  await db.query('create table decimals (n bigint)');
  const file = await load('decimals', 'select * from (values (3.00::decimal(10,2)), (3.01)) t(n)');
  assert.equal(file.error_code, 'bad_value');
  assert.match(file.error_message!, /row 2, column n: .*"3\.01"/);
});

test('bytes that are no UTF-8 are no text, and the message says what to do', async () => {
  await db.query('create table no_text (id integer, t text); create table some_text (id integer, t text)');
  const query = "select * from (values (1, encode('é')), (2, '\\xFF'::blob), (3, '\\x00'::blob)) t(id, t)";
  const file = await load('no_text', query);
  assert.equal(file.error_code, 'invalid_encoding');
  assert.match(file.error_message!, /row 2, column t: .*UTF-8.*bytea.*column_mappings/);
  const some = await load('some_text', query, { on_bad_row: 'skip' });
  assert.deepEqual([some.status, some.rows_imported, some.rows_rejected], ['success', 1, 2]);
  assert.deepEqual(await db.query('select * from some_text'), [{ id: 1, t: 'é' }]);
  assert.deepEqual(
    (await rejected('some_text')).map(({ line, column_name }) => [line, column_name]),
    [
      [2, 't'],
      [3, 't'],
    ],
  );
});

test('NaN within a struct or a list is a text of its JSON, as in to_json', async () => {
  const file = await load(
    'nan_within',
    "select {'a': 'nan'::double, 'b': 1.5} as s, [['inf'::double], ['-inf'::double]] as l, 'NaN' as t",
  );
  assert.equal(file.error_message, null);
  assert.deepEqual(await db.query('select s, l from nan_within'), [
    { s: { a: 'NaN', b: 1.5 }, l: [['Infinity'], ['-Infinity']] },
  ]);
});

test('a column without a type becomes text, which later files fill with theirs', async () => {
  // Arrow writes its type null as an INT32 with the logical type 11.
  world.put(
    'untyped/1.parquet',
    writeParquet({ type: 'INT32', logicalType: { 11: struct({}) }, values: [] }),
  );
  world.put('untyped/2.parquet', await parquetOf("select 'x' as v"));
  world.put('untyped/3.parquet', await parquetOf('select 5 as v'));
  await world.insertConnector({
    name: 'untyped',
    pattern: 'untyped/*',
    file_format: 'parquet',
    target_table: 'untyped',
  });
  const files = await world.settled('untyped');
  assert.deepEqual(
    files.map((file) => file.error_message),
    [null, null, null],
  );
  assert.deepEqual(await db.query('select v from untyped order by v'), [{ v: '5' }, { v: 'x' }]);
});
