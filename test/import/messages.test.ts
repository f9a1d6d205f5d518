import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

// Messages show what a person cannot see, and their hints lead somewhere.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

async function load(name: string, body: string, settings: Record<string, unknown> = {}) {
  world.put(`${name}/1.csv`, body);
  await world.insertConnector({ name, pattern: `${name}/*`, target_table: name, ...settings });
  const [file] = await world.settled(name);
  return file!;
}

test('a name is shown with its blanks, its invisible characters, and the column that it looks like', async () => {
  await db.query('create table looks (name text, id text, zero text)');
  const file = await load('looks', ' name ,\u0456d,ze\u200bro,other\n1,2,3,4\n');
  assert.equal(file.error_code, 'unknown_column');
  assert.match(
    file.error_message!,
    /lacks: " name " \(the table has "name"\), "\u0456d" \(\u0456 is U\+0456, the table has "id"\), "ze\\u\{200b\}ro" \(.*the table has "zero"\), "other"/,
  );
});

const TWICE = 'a,b,a\n1,x,2\n';

test('repeated names: the hint leads to a table with numbered names', async () => {
  const file = await load('twice', TWICE);
  assert.equal(file.error_code, 'duplicate_column');
  assert.match(file.error_message!, /match_columns_by to position/);
  await db.query(`select s3_connector.pause('twice');
    update s3_connector.connectors set match_columns_by = 'position' where name = 'twice';
    select s3_connector.resume('twice'); select s3_connector.retry('twice')`);
  const [again] = await world.settled('twice');
  assert.equal(again!.error_message, null);
  assert.deepEqual(await db.query('select * from twice'), [{ a: 1, b: 'x', a_2: 2 }]);
});

test('repeated names and an existing table: the hint leads to a match by position', async () => {
  await db.query('create table twice_there (a int, b text, c int)');
  const file = await load('twice_there', TWICE);
  assert.equal(file.error_code, 'duplicate_column');
  assert.match(file.error_message!, /"a" and "a" both go into column "a".*match_columns_by to position/);
  await db.query(`select s3_connector.pause('twice_there');
    update s3_connector.connectors set match_columns_by = 'position' where name = 'twice_there';
    select s3_connector.resume('twice_there'); select s3_connector.retry('twice_there')`);
  const [again] = await world.settled('twice_there');
  assert.equal(again!.error_message, null);
  assert.deepEqual(await db.query('select * from twice_there'), [{ a: 1, b: 'x', c: 2 }]);
});

/** A row that does not fit into a page: 2,000 columns of texts that cannot be stored elsewhere. */
const WIDE = Array.from({ length: 1500 }, (_, i) => `c${i}`);
const tooBig = (id: number) => [id, ...WIDE.map(() => '12345678')].join(',');
const small = (id: number) => [id, ...WIDE.map(() => '')].join(',');

test('a row that is too big for a page is the one that is left out', async () => {
  const columns = `id int, ${WIDE.map((name) => `${name} bigint`).join(', ')}`;
  await db.query(`create table too_big (${columns}); create table too_big_fails (${columns})`);
  const ids = Array.from({ length: 12 }, (_, i) => i + 1);
  const body = ids.map((id) => `${id === 3 || id === 7 ? tooBig(id) : small(id)}\n`).join('');
  const file = await load('too_big', body, { csv_skip_header: false, on_bad_row: 'skip' });
  assert.deepEqual([file.status, file.rows_imported, file.rows_rejected], ['success', 10, 2]);
  assert.deepEqual(
    await db.query(
      "select line from s3_connector.rejected_rows where connector_name = 'too_big' order by line",
    ),
    [{ line: 3 }, { line: 7 }],
  );
  const fails = await load('too_big_fails', body, { csv_skip_header: false });
  assert.match(fails.error_message!, /one of the rows up to line \d+: row is too big/);
});
