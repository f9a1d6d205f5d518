import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { call } from '../requests/support.ts';
import { type ConnectorColumns, type FileRow, NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const RESCUE = { on_unknown_column: 'rescue', on_type_mismatch: 'rescue', rescue_column: 'rest' };

/** More than what is read of a file to find its first keys. */
const FILL = '{"id":0}\n'.repeat(40_000);

interface Mapping {
  source_column?: string;
  target_column: string | null;
  expression?: string;
  date_format?: string;
}

/** Imports a file of JSON lines into the table of that name. */
async function load(
  name: string,
  body: string,
  columns: Partial<ConnectorColumns> = {},
  mappings: Mapping[] = [],
): Promise<FileRow> {
  await prepare(name, body, columns, mappings);
  await db.query('select s3_connector.resume($1)', [name]);
  return (await world.settled(name))[0]!;
}

async function prepare(
  name: string,
  body: string,
  columns: Partial<ConnectorColumns> = {},
  mappings: Mapping[] = [],
) {
  world.put(`${name}/1.json`, body);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_format: 'json',
    schedule: NEVER_AGAIN,
    max_attempts: 1,
    state: 'paused',
    ...columns,
  });
  for (const { source_column = null, target_column, expression = null, date_format = null } of mappings)
    await db.query(
      `insert into s3_connector.column_mappings (connector_name, source_column, target_column, expression, date_format)
       values ($1, $2, $3, $4, $5)`,
      [name, source_column, target_column, expression, date_format],
    );
}

const succeeded = (file: FileRow) => assert.equal(file.status, 'success', file.error_message ?? '');

test('keys that the table lacks are added as columns, also those that come late in the file', async () => {
  await db.query('create table added (id integer)');
  const body = `{"id":1,"name":"a","tags":[1,2],"user":{"x":1}}\n${FILL}{"id":2,"late":2.5}\n`;
  succeeded(await load('added', body, { on_unknown_column: 'add' }));
  assert.deepEqual(
    await db.query(
      `select id, name, tags, "user", late, pg_typeof(tags)::text as list, pg_typeof("user")::text as object from added where id > 0 order by id`,
    ),
    [
      { id: 1, name: 'a', tags: ['1', '2'], user: { x: 1 }, late: null, list: 'bigint[]', object: 'jsonb' },
      { id: 2, name: null, tags: null, user: null, late: 2.5, list: 'bigint[]', object: 'jsonb' },
    ],
  );
});

test('a key is added that only comes after the first ones', async () => {
  await db.query('create table late (id integer)');
  succeeded(await load('late', `${FILL}{"id":2,"late":"x"}\n`, { on_unknown_column: 'add' }));
  assert.deepEqual(await db.query('select id, late from late where id > 0'), [{ id: 2, late: 'x' }]);
});

test('preview shows the statement that adds keys', async () => {
  await db.query('create table seen (id integer)');
  await prepare('seen', '{"id":1,"name":"a"}\n', { on_unknown_column: 'add' });
  const { notices } = await call(db, "call s3_connector.preview('seen')");
  const messages = notices.map(({ message }) => message).join('\n');
  assert.match(messages, /alter table "public"\."seen" add column "name" text/);
  assert.deepEqual(
    await db.query(
      "select source_column, target_column from s3_connector.preview_columns where connector_name = 'seen' order by position",
    ),
    [
      { source_column: 'id', target_column: 'id' },
      { source_column: 'name', target_column: 'name' },
    ],
  );
});

test('unknown keys are rescued with their JSON values, also those that come late', async () => {
  await db.query('create table rescued (id integer, rest jsonb)');
  const body = `${FILL}{"id":1,"name":"a","n":null,"user":{"x":[1]}}\n{"id":2}\n`;
  succeeded(await load('rescued', body, RESCUE));
  assert.deepEqual(await db.query('select id, rest from rescued where id > 0 order by id'), [
    { id: 1, rest: { name: 'a', user: { x: [1] } } },
    { id: 2, rest: null },
  ]);
});

test('values that do not fit are rescued, and those of arrays that fit are not', async () => {
  await db.query('create table values_kept (id integer, tags integer[], rest jsonb)');
  const body =
    '{"id":1,"tags":[1,2]}\n{"id":"x","tags":[3]}\n{"id":3,"tags":{"a":1}}\n{"id":4,"tags":[5,"y"],"more":true}\n';
  for (const on_bad_row of ['fail', 'skip']) {
    await db.query('truncate values_kept');
    const name = `values_${on_bad_row}`;
    succeeded(await load(name, body, { ...RESCUE, on_bad_row, target_table: 'values_kept' }));
    assert.deepEqual(await db.query('select id, tags, rest from values_kept order by id'), [
      { id: 1, tags: [1, 2], rest: null },
      { id: 3, tags: null, rest: { tags: '{"a":1}' } },
      { id: 4, tags: null, rest: { tags: '{"5","y"}', more: true } },
      { id: null, tags: [3], rest: { id: 'x' } },
    ]);
  }
});

test('a refused value makes its column wider', async () => {
  await db.query('create table widened (x text, id smallint)');
  succeeded(await load('widened', '{"id":1}\n{"id":70000,"x":"y"}\n', { on_type_mismatch: 'widen' }));
  assert.deepEqual(await db.query('select * from widened order by id'), [
    { id: 1, x: null },
    { id: 70000, x: 'y' },
  ]);
});

test('a column whose key no record has is missing', async () => {
  await db.query('create table missing (id integer, n integer, m integer)');
  const columns = { on_missing_column: 'fail' };
  const file = await load('missing', `${FILL}{"m":1}\n`, columns);
  assert.equal(file.error_code, 'missing_column', file.error_message ?? '');
  assert.match(file.error_message!, /lacks: "n"\./);
});

test('expressions read a key, a path, the record and the row as text', async () => {
  await db.query('create table computed (id integer, upper text, twice bigint, x text, label text)');
  const mappings: Mapping[] = [
    { source_column: 'name', target_column: 'upper', expression: 'upper(value)' },
    { source_column: '$.user.n', target_column: 'twice', expression: 'value::bigint * 2' },
    { source_column: '$', target_column: 'x', expression: "value::jsonb #>> '{user,tags,0}'" },
    { target_column: 'label', expression: `row."id" || ' ' || row."name"` },
  ];
  const body = `${FILL}{"id":1,"name":"a \\"b\\"","user":{"n":21,"tags":["t"]}}\n`;
  succeeded(await load('computed', body, {}, mappings));
  assert.deepEqual(await db.query('select * from computed where id > 0'), [
    { id: 1, upper: 'A "B"', twice: 42, x: 't', label: '1 a "b"' },
  ]);
});

test('a template of times is computed from the text of a key', async () => {
  await db.query('create table dated (id integer, day date)');
  const mappings: Mapping[] = [{ source_column: 'day', target_column: 'day', date_format: 'DD.MM.YYYY' }];
  succeeded(await load('dated', '{"id":1,"day":"31.12.2026"}\n{"id":2}\n', {}, mappings));
  assert.deepEqual(await db.query('select id, day::text from dated order by id'), [
    { id: 1, day: '2026-12-31' },
    { id: 2, day: null },
  ]);
});

test('an expression is computed beside unknown keys that are rescued', async () => {
  await db.query('create table both_kept (id integer, twice bigint, rest jsonb)');
  const mappings: Mapping[] = [
    { source_column: 'n', target_column: 'twice', expression: 'value::bigint * 2' },
  ];
  const body = '{"id":1,"n":2,"more":[1]}\n{"id":"x","n":3}\n';
  succeeded(await load('both_kept', body, RESCUE, mappings));
  assert.deepEqual(await db.query('select * from both_kept order by twice'), [
    { id: 1, twice: 4, rest: { more: [1] } },
    { id: null, twice: 6, rest: { id: 'x' } },
  ]);
});

test('records of JSON are changes, whose other keys are rescued', async () => {
  await db.query(
    "create table changed (id integer primary key, name text, rest jsonb); insert into changed values (2, 'old'), (3, 'old')",
  );
  const changes = { change_column: '__op', change_values: 'debezium', sequence_column: '__lsn' };
  const body =
    '{"__op":"c","id":1,"name":"b","__lsn":10,"more":1}\n{"__op":"c","id":1,"name":"a","__lsn":9}\n{"__op":"u","id":2,"name":"new","__lsn":11}\n{"__op":"d","id":3,"__lsn":12}\n';
  succeeded(await load('changed', body, { ...RESCUE, ...changes }));
  assert.deepEqual(await db.query('select * from changed order by id'), [
    { id: 1, name: 'b', rest: { more: 1 } },
    { id: 2, name: 'new', rest: null },
  ]);
});

test('a new table has the keys of a sample of files, and mixed values are jsonb', async () => {
  world.put('sampled/1.json', '{"a":1,"b":"x","at":"2026-01-01"}');
  world.put('sampled/2.json', '{"a":"y","c":[1],"at":"2026-01-01T10:00:00Z"}');
  await world.insertConnector({
    name: 'sampled',
    pattern: 'sampled/*',
    target_table: 'sampled',
    file_format: 'json',
    schedule: NEVER_AGAIN,
  });
  for (const file of await world.settled('sampled')) succeeded(file);
  assert.deepEqual(
    await db.query(
      "select attname::text as name, format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'sampled'::regclass and attnum > 0 order by attnum",
    ),
    [
      { name: 'a', type: 'jsonb' },
      { name: 'b', type: 'text' },
      { name: 'at', type: 'timestamp with time zone' },
      { name: 'c', type: 'bigint[]' },
    ],
  );
});
