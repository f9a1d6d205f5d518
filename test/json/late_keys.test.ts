import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

// The worker plans the columns by the keys of the first 256 KB. What comes later, or under another name, must land all the same.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

/** More than the worker reads before it plans. */
const MANY = Array.from({ length: 30_000 }, (_, i) => `{"id":${i}}\n`).join('');

interface Load {
  table: string;
  rows?: string;
  file: string;
  connector?: Record<string, unknown>;
  mappings?: [source: string, target: string][];
}

/** Imports a file into a table of the name, and returns how it ended. */
async function load(name: string, { table, rows, file, connector = {}, mappings = [] }: Load) {
  await db.query(`create table ${name} (${table})`);
  if (rows) await db.query(`insert into ${name} values ${rows}`);
  world.put(`${name}/1.json`, file);
  await db.query('begin');
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_format: 'json',
    ...connector,
  });
  for (const [source, target] of mappings)
    await db.query(
      'insert into s3_connector.column_mappings (connector_name, source_column, target_column) values ($1, $2, $3)',
      [name, source, target],
    );
  await db.query('commit');
  const [ended] = await world.settled(name);
  assert.equal(ended!.error_message, null);
  return ended!;
}

test('a path and a key that name the same value fill two columns', async () => {
  await load('same_value', {
    table: 'id int, copy int, again int',
    file: '{"id":1}\n{"id":2}\n',
    mappings: [
      ['$.id', 'copy'],
      ['$."id"', 'again'],
    ],
  });
  assert.deepEqual(await db.query('select * from same_value order by id'), [
    { id: 1, copy: 1, again: 1 },
    { id: 2, copy: 2, again: 2 },
  ]);
});

test('a key that comes late is found behind a key that is unknown', async () => {
  await load('behind_unknown', {
    table: "id int, b text default 'd'",
    file: `${MANY}{"id":-1,"unknown":1,"b":"x","other":2}\n`,
    connector: { on_unknown_column: 'ignore' },
  });
  const last = await db.query('select id, b from behind_unknown order by id limit 2');
  assert.deepEqual(last, [
    { id: -1, b: 'x' },
    { id: 0, b: null },
  ]);
});

test('a delete behind rows without a change is never taken for an insert', async () => {
  await db.query('create table late_change (id int primary key)');
  world.put('late_change/1.json', `${MANY}{"unknown":1,"Op":"D","id":7}\n`);
  await world.insertConnector({
    name: 'late_change',
    pattern: 'late_change/*',
    target_table: 'late_change',
    file_format: 'json',
    on_unknown_column: 'ignore',
    change_column: 'Op',
    change_values: 'dms',
  });
  const [ended] = await world.settled('late_change');
  assert.equal(ended!.error_code, 'null_not_allowed');
  assert.match(ended!.error_message!, /line 1: null value in column "Op"/);
});

test('a column is filled by its name, and not by a comment that begins with it', async () => {
  const long = `${'measured '.repeat(10)}value`;
  await db.query(`create table commented (id int, status text, "${long}" int)`);
  await db.query(
    `comment on column commented.status is 'status of the order, and not of the payment: one of open, shipped, closed'`,
  );
  await db.query(`comment on column commented."${long}" is '${long}'`);
  world.put('commented/1.json', `${MANY}{"id":-1,"status":"x","${long}":5}\n`);
  await world.insertConnector({
    name: 'commented',
    pattern: 'commented/*',
    target_table: 'commented',
    file_format: 'json',
    on_unknown_column: 'ignore',
  });
  const [ended] = await world.settled('commented');
  assert.equal(ended!.error_message, null);
  const [row] = await db.query<object>('select * from commented where id < 0');
  assert.deepEqual(Object.values(row!), [-1, 'x', 5]);
});

for (const settings of [
  { on_conflict: 'update' },
  { change_column: 'op', change_values: '{"u": "update"}' },
]) {
  const [setting] = Object.keys(settings) as [string];
  test(`${setting}: a column whose key no record has keeps its values`, async () => {
    const table = `keeps_by_${setting}`;
    const ended = await load(table, {
      table: 'id int primary key, name text, price int',
      rows: "(1, 'a', 5), (2, 'b', 6)",
      file: '{"id":1,"name":"x","op":"u"}\n{"id":3,"op":"u"}\n',
      connector: { on_unknown_column: 'ignore', ...settings },
    });
    assert.equal(ended.rows_imported, 2);
    assert.deepEqual(await db.query(`select * from ${table} order by id`), [
      { id: 1, name: 'x', price: 5 },
      { id: 2, name: 'b', price: 6 },
      { id: 3, name: null, price: null },
    ]);
  });
}

test('on_conflict: a column whose key comes late is updated', async () => {
  await load('updated_late', {
    table: 'id int primary key, price int',
    rows: '(-5, 5)',
    file: `${MANY}{"id":-1,"price":7}\n`,
    connector: { on_conflict: 'update' },
  });
  assert.deepEqual(await db.query('select * from updated_late where price is not null order by id'), [
    { id: -5, price: 5 },
    { id: -1, price: 7 },
  ]);
});

test('a sequence is compared as a number also if the whole record has a column', async () => {
  await load('sequence_of_record', {
    table: 'id int primary key, v text, line jsonb',
    file: '{"op":"u","id":1,"v":"new","seq":10}\n{"op":"u","id":1,"v":"old","seq":9}\n',
    connector: { change_column: 'op', change_values: '{"u": "update"}', sequence_column: 'seq' },
    mappings: [['$', 'line']],
  });
  assert.deepEqual(await db.query('select id, v, line from sequence_of_record'), [
    { id: 1, v: 'new', line: { op: 'u', id: 1, v: 'new', seq: 10 } },
  ]);
});
