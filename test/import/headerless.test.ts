import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

// A file without a header fills the columns of its table, as COPY does.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const load = (name: string, body: string, settings: Record<string, unknown> = {}) =>
  world.importFile(name, body, { csv_skip_header: false, ...settings });
const rejected = (name: string) =>
  db.query(
    'select line, error as reason from s3_connector.rejected_rows where connector_name = $1 order by line',
    [name],
  );

test('a short first row is refused as COPY refuses it, and the other rows are imported', async () => {
  await db.query('create table short_first (a int, b text, c int)');
  const file = await load('short_first', '1\n2,b,3\n4,c,5\n', { on_bad_row: 'skip' });
  assert.deepEqual([file.status, file.rows_imported, file.rows_rejected], ['success', 2, 1]);
  assert.deepEqual(await db.query('select * from short_first order by a'), [
    { a: 2, b: 'b', c: 3 },
    { a: 4, b: 'c', c: 5 },
  ]);
  assert.deepEqual(await rejected('short_first'), [{ line: 1, reason: 'missing data for column "b"' }]);
});

test('a short first row fails the file if bad rows fail it', async () => {
  await db.query('create table short_fails (a int, b text)');
  const file = await load('short_fails', '1\n2,b\n');
  assert.equal(file.error_code, 'bad_row');
  assert.match(
    file.error_message!,
    /line 1, column b: missing data for column "b"|line 1: missing data for column "b"/,
  );
});

test('a preamble is left out with on_bad_row skip', async () => {
  await db.query('create table preamble (day date, at time, bytes int)');
  const file = await load('preamble', '#Version: 1.0\n#Fields: day at bytes\n2026-01-02\t09:59:49\t7\n', {
    csv_delimiter: '\t',
    on_bad_row: 'skip',
  });
  assert.deepEqual([file.status, file.rows_imported, file.rows_rejected], ['success', 1, 2]);
});

test('a long first row is refused as any other', async () => {
  await db.query('create table long_first (a int, b int)');
  const file = await load('long_first', '1,2,3\n4,5\n', { on_bad_row: 'skip' });
  assert.deepEqual([file.status, file.rows_imported, file.rows_rejected], ['success', 1, 1]);
  assert.deepEqual(await rejected('long_first'), [
    { line: 1, reason: 'extra data after last expected column' },
  ]);
});

test('columns that the table lacks are unknown, or left out', async () => {
  await db.query('create table lacks (a int, b int); create table lacks_some (a int, b int)');
  const file = await load('lacks', '1,2,3\n4,5,6\n');
  assert.equal(file.error_code, 'unknown_column');
  const left = await load('lacks_some', '1,2,3\n4,5,6\n', { on_unknown_column: 'ignore' });
  assert.deepEqual([left.status, left.rows_imported], ['success', 2]);
});

test("a constant's column is none of the file's", async () => {
  await db.query(
    'create table constants (file_id bigint, a int, g int generated always as (a + 1) stored, b text)',
  );
  const file = await load('constants', '1,x\n2\n3,z\n', { file_id_column: 'file_id', on_bad_row: 'skip' });
  assert.deepEqual([file.status, file.rows_imported, file.rows_rejected], ['success', 2, 1]);
  assert.deepEqual(await db.query('select a, b from constants order by a'), [
    { a: 1, b: 'x' },
    { a: 3, b: 'z' },
  ]);
});

test('an identity that is generated always is not missing in the file', async () => {
  const table = 'id bigint generated always as identity, a int, b text';
  for (const name of ['no_ids', 'some_ids', 'cut_ids', 'first_short'])
    await db.query(`create table ${name} (${table})`);
  const rowsOf = (name: string) => db.query(`select * from ${name} order by id`);
  assert.equal((await load('no_ids', '7,x\n8,y\n')).rows_imported, 2);
  assert.deepEqual(await rowsOf('no_ids'), [
    { id: 1, a: 7, b: 'x' },
    { id: 2, a: 8, b: 'y' },
  ]);
  assert.equal((await load('some_ids', '40,7,x\n')).rows_imported, 1);
  assert.deepEqual(await rowsOf('some_ids'), [{ id: 40, a: 7, b: 'x' }]);
  await db.query(
    "insert into s3_connector.file_formats (name, kind, on_long_row) values ('cuts', 'csv', 'cut')",
  );
  assert.equal((await load('cut_ids', '7,8,more\n', { file_format: 'cuts' })).rows_imported, 1);
  assert.deepEqual(await rowsOf('cut_ids'), [{ id: 1, a: 7, b: '8' }]);
  const short = await load('first_short', '7\n8,y\n', { on_bad_row: 'skip' });
  assert.deepEqual([short.rows_imported, short.rows_rejected], [1, 1]);
});

test('a byte order mark is no data', async () => {
  await db.query('create table marked (a text, n int); create table marked_number (n int)');
  const text = await load('marked', '\ufeffA1,1\nB2,2\n');
  assert.deepEqual([text.status, text.rows_imported], ['success', 2]);
  assert.deepEqual(await db.query('select a from marked order by n'), [{ a: 'A1' }, { a: 'B2' }]);
  const number = await load('marked_number', '\ufeff1\n2\n');
  assert.deepEqual([number.status, number.rows_imported], ['success', 2]);
  const made = await load('marked_made', '\ufeff1,x\n2,y\n');
  assert.deepEqual([made.status, made.rows_imported], ['success', 2]);
  assert.equal((await db.one('select sum(column1) from marked_made')).sum, '3');
  const only = await load('marked_only', '\ufeff');
  assert.deepEqual([only.status, only.rows_imported], ['success', 0]);
});

test('without a table, the first row says how many columns there are', async () => {
  const file = await load('made_without', '1,x\n2\n3,z\n', { on_bad_row: 'skip' });
  assert.deepEqual([file.status, file.rows_imported, file.rows_rejected], ['success', 2, 1]);
});
