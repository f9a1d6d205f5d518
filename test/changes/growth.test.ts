import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { call } from '../requests/support.ts';
import { type ConnectorColumns, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const DMS = { change_column: 'Op', change_values: 'dms' };
const RESCUE = { on_unknown_column: 'rescue', on_type_mismatch: 'rescue', rescue_column: 'rest' };

type Mapping = [source: string | null, target: string, expression: string];

/** Imports one file. Returns its counts (read, inserted, updated, deleted, rejected, skipped), or its error. */
async function apply(
  name: string,
  body: string,
  columns: Partial<ConnectorColumns> = {},
  mappings: Mapping[] = [],
) {
  world.put(`${name}/1`, body);
  const settings = { name, pattern: `${name}/*`, target_table: name, ...DMS, ...columns };
  await world.insertConnector({ ...settings, state: 'paused' });
  for (const mapping of mappings)
    await db.query(
      `insert into s3_connector.column_mappings (connector_name, source_column, target_column, expression)
       values ($1, $2, $3, $4)`,
      [name, ...mapping],
    );
  await db.query('select s3_connector.resume($1)', [name]);
  const [file] = (await world.settled(name)) as unknown as Record<string, number | string>[];
  return file!.status === 'success'
    ? ['read', 'inserted', 'updated', 'deleted', 'rejected', 'skipped'].map((what) => file![`rows_${what}`])
    : [file!.error_code, file!.error_message];
}

const rowsOf = (table: string) => db.query(`select * from ${table} order by 1`);

const rejectedOf = (name: string) =>
  db.query('select line::int, column_name from s3_connector.rejected_rows where connector_name = $1', [name]);

test('a new column is added, and the column of changes and the sequence are not', async () => {
  await db.query('create table added (id integer primary key)');
  const columns = { on_unknown_column: 'add', sequence_column: 'seq' };
  assert.deepEqual(await apply('added', 'Op,id,seq,name\nI,1,2,b\nI,1,1,a\n', columns), [2, 1, 0, 0, 0, 1]);
  assert.deepEqual(await rowsOf('added'), [{ id: 1, name: 'b' }]);
});

test('preview shows the column that would be added, and says what becomes of rows', async () => {
  await db.query('create table seen (id integer primary key)');
  world.put('seen/1', 'Op,id,name\nI,1,a\n');
  const columns = { ...DMS, on_unknown_column: 'add', state: 'paused' };
  await world.insertConnector({ name: 'seen', pattern: 'seen/*', target_table: 'seen', ...columns });
  const { notices } = await call(db, "call s3_connector.preview('seen')");
  const messages = notices.map(({ message }) => message).join('\n');
  assert.match(messages, /alter table "public"\."seen" add column "name" text/);
  assert.match(messages, /column Op says what becomes of a row/);
});

test('a refused value makes its column wider', async () => {
  await db.query('create table widened (id smallint primary key, n integer)');
  const body = 'Op,id,n\nI,1,1\nU,70000,5000000000\nD,3,1\n';
  assert.deepEqual(await apply('widened', body, { on_type_mismatch: 'widen' }), [3, 2, 0, 0, 0, 1]);
  assert.deepEqual(await rowsOf('widened'), [
    { id: 1, n: 1 },
    { id: 70000, n: 5000000000 },
  ]);
});

test('unknown columns and refused values are rescued, and an update replaces what was rescued', async () => {
  await db.query(
    `create table rescued (id integer primary key, n integer, rest jsonb);
     insert into rescued values (2, 2, '{"extra": "old"}'), (3, 3, '{"extra": "old"}')`,
  );
  const body = 'Op,id,n,extra\nI,1,many,a\nU,2,5,\nD,3,few,\nI,4,4,d\n';
  assert.deepEqual(await apply('rescued', body, RESCUE), [4, 2, 1, 1, 0, 0]);
  assert.deepEqual(await rowsOf('rescued'), [
    { id: 1, n: null, rest: { n: 'many', extra: 'a' } },
    { id: 2, n: 5, rest: null },
    { id: 4, n: 4, rest: { extra: 'd' } },
  ]);
});

test('a change, a place in the sequence and a key that do not fit are never rescued', async () => {
  await db.query('create table strict (id integer primary key, seq integer, n integer, rest jsonb)');
  const columns = { ...RESCUE, sequence_column: 'seq', on_bad_row: 'skip' };
  const body = 'Op,id,seq,n\nI,1,1,a\nI,1,next,2\nX,2,1,2\nI,three,1,2\nU,4,1,b\n';
  assert.deepEqual(await apply('strict', body, columns), [5, 2, 0, 0, 3, 0]);
  assert.deepEqual(await rowsOf('strict'), [
    { id: 1, seq: 1, n: null, rest: { n: 'a' } },
    { id: 4, seq: 1, n: null, rest: { n: 'b' } },
  ]);
  assert.deepEqual((await rejectedOf('strict')).map(({ line }) => line).sort(), [3, 4, 5]);
});

test('values are computed and rescued where only the merge refuses a row', async () => {
  await db.query(
    'create table steps (id integer primary key, n integer check (n < 100), twice bigint, rest jsonb)',
  );
  const mappings: Mapping[] = [['half', 'twice', 'value::bigint * 2']];
  const body = 'Op,id,n,half,extra\nI,1,1,10,a\nI,2,500,10,b\nU,1,x,11,c\nI,3,3,odd,d\n';
  assert.deepEqual(
    await apply('steps', body, { ...RESCUE, on_bad_row: 'skip' }, mappings),
    [4, 1, 1, 0, 2, 0],
  );
  assert.deepEqual(await rowsOf('steps'), [{ id: 1, n: null, twice: 22, rest: { n: 'x', extra: 'c' } }]);
  assert.deepEqual(await rejectedOf('steps'), [
    { line: 3, column_name: null },
    { line: 5, column_name: 'twice' },
  ]);
});

test('an expression may say what becomes of a row', async () => {
  await db.query('create table told (id integer primary key, n integer); insert into told values (2, 1)');
  const mappings: Mapping[] = [['Op', 'Op', 'upper(left(value, 1))']];
  const body = 'Op,id,n\ninsert,1,1\ndelete,2,1\nupdate,3,3\n';
  assert.deepEqual(await apply('told', body, {}, mappings), [3, 2, 0, 1, 0, 0]);
  assert.deepEqual(await rowsOf('told'), [
    { id: 1, n: 1 },
    { id: 3, n: 3 },
  ]);
});

test('a computed sequence needs a type', async () => {
  await db.query('create table ordered (id integer primary key, n integer)');
  const mappings: Mapping[] = [['seq', 'seq', "replace(value, '-', '')::bigint"]];
  const body = 'Op,id,n,seq\nU,1,1,1-0\nU,1,2,9\n';
  const [code] = await apply('ordered', body, { sequence_column: 'seq' }, mappings);
  assert.equal(code, 'sequence_type_unknown');
  await db.query(`select s3_connector.pause('ordered');
    update s3_connector.column_mappings set data_type = 'bigint' where connector_name = 'ordered';
    select s3_connector.resume('ordered'); select s3_connector.retry('ordered')`);
  const [file] = await world.settled('ordered');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(await rowsOf('ordered'), [{ id: 1, n: 1 }]);
});

test('a missing column fails the file, but for those of changes that a full load lacks', async () => {
  await db.query('create table missing (id integer primary key, n integer, m integer)');
  const columns = { on_missing_column: 'fail' };
  const [code, message] = await apply('missing', 'id,n\n1,1\n', columns);
  assert.equal(code, 'missing_column');
  assert.match(String(message), /has columns that the file lacks: "m"\./);
});
