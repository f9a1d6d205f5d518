import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

let made = 0;
const nextName = () => `json_${++made}`;

const insert = (name: string, columns: Record<string, unknown> = {}) =>
  world.insertConnector({
    name,
    pattern: `${name}/**`,
    target_table: name,
    file_format: 'json',
    schedule: NEVER_AGAIN,
    ...columns,
  });

test('columns from the key and the id of the file stand beside those of the records', async () => {
  const name = nextName();
  world.put(`${name}/year=2026/1.json`, '{"a":1}\n{"a":2}');
  await insert(name, { hive_columns: ['year'], file_id_column: 'file_id' });
  const [file] = await world.settled(name);
  assert.equal(file!.error_message, null);
  const rows = await db.query(
    `select t.a, t.year, f.key from ${name} t join s3_connector.files f on f.id = t.file_id order by a`,
  );
  assert.deepEqual(rows, [
    { a: 1, year: '2026', key: file!.key },
    { a: 2, year: '2026', key: file!.key },
  ]);
});

test('a key of the records that the key of the file also gives is refused', async () => {
  const name = nextName();
  world.put(`${name}/year=2026/1.json`, '{"a":1,"year":2025}');
  await insert(name, { hive_columns: ['year'] });
  const [file] = await world.settled(name);
  assert.equal(file!.error_code, 'duplicate_column');
});

test('a file without any object makes no table, and says what is in it', async () => {
  const name = nextName();
  const file = await world.importFile(name, '[1, "x"]', { file_format: 'json' });
  assert.equal(file.error_code, 'invalid_json');
  assert.match(file.error_message!, /expected an object, but found 1/);
});

test('with $ mapped no key is unknown, and a default still gives way to a value', async () => {
  const name = nextName();
  await db.query(`create table ${name} (a int, b text default 'd', line jsonb)`);
  world.put(`${name}/1.json`, '{"a":1,"x":[]}\n{"b":"x"}');
  world.put(`${name}/2.json`, '{"a":3}');
  await insert(name, { max_parallel_files: 1, state: 'paused' });
  await db.query(
    `insert into s3_connector.column_mappings (connector_name, source_column, target_column) values ($1, '$', 'line')`,
    [name],
  );
  await db.query('select s3_connector.resume($1)', [name]);
  const files = await world.settled(name);
  assert.deepEqual(
    files.map(({ error_message }) => error_message),
    [null, null],
  );
  assert.deepEqual(await db.query(`select * from ${name}`), [
    { a: 1, b: null, line: { a: 1, x: [] } },
    { a: null, b: 'x', line: { b: 'x' } },
    { a: 3, b: 'd', line: { a: 3 } },
  ]);
});

test('preview shows every key of the file, and an unknown one as what an import would fail for', async () => {
  const name = nextName();
  await db.query(`create table ${name} (a int, b text default 'd', c int)`);
  world.put(`${name}/1.json`, `${'{"a":1}\n'.repeat(60_000)}{"b":"x","z":true}`);
  await insert(name, { state: 'paused' });
  await db.query(`call s3_connector.preview('${name}')`);
  const columns = await db.query(
    'select source_column, inferred_type, target_column from s3_connector.preview_columns where connector_name = $1 order by position',
    [name],
  );
  assert.deepEqual(columns, [
    { source_column: 'a', inferred_type: 'bigint', target_column: 'a' },
    { source_column: 'b', inferred_type: 'text', target_column: 'b' },
    { source_column: 'z', inferred_type: 'boolean', target_column: null },
  ]);
  await db.query(`call s3_connector.check('${name}')`);
  const [target] = await db.query<{ message: string }>(
    "select message from s3_connector.checks where connector_name = $1 and step = 'target'",
    [name],
  );
  assert.match(target!.message, /1 of the 2 columns|columns of .* go into a, c/);
});

test('a dry run says what an import would do', async () => {
  const name = nextName();
  world.put(`${name}/1.json`, '[{"a":1},{"a":"x"}]');
  await db.query(`create table ${name} (a int)`);
  await insert(name, { state: 'paused', on_bad_row: 'skip' });
  const [result] = await db.query<Record<string, unknown>>(
    `call s3_connector.dry_run_file('${name}', '${name}/1.json')`,
  );
  assert.equal(result!.rows_imported, 1);
  assert.equal(result!.rows_rejected, 1);
});

test('records are merged by key, and reach a view by INSERT', async () => {
  const name = nextName();
  await db.query(`create table ${name} (id int primary key, tags text[], doc jsonb)`);
  world.put(`${name}/1.json`, '{"id":1,"tags":["a"],"doc":"x"}{"id":2}');
  world.put(`${name}/2.json`, '[{"id":2,"tags":["b","c"]},{"id":3,"doc":{"k":[1]}}]');
  await insert(name, { file_format: 'firehose', on_conflict: 'update', max_parallel_files: 1 });
  const merged = await world.settled(name);
  assert.deepEqual(
    merged.map(({ error_message }) => error_message),
    [null, null],
  );
  await db.query(`create table ${name}_base (id int, tags text[]);
    create view ${name}_view as select id, tags from ${name}_base`);
  await insert(`${name}_view`, { pattern: `${name}/1.json`, on_unknown_column: 'ignore' });
  const [viewed] = await world.settled(`${name}_view`);
  assert.equal(viewed!.error_message, null);
  assert.deepEqual(await db.query(`select * from ${name} order by id`), [
    { id: 1, tags: ['a'], doc: 'x' },
    { id: 2, tags: ['b', 'c'], doc: null },
    { id: 3, tags: null, doc: { k: [1] } },
  ]);
  assert.deepEqual(await db.query(`select * from ${name}_base order by id`), [
    { id: 1, tags: ['a'] },
    { id: 2, tags: null },
  ]);
});

test('limits and errors name the record', async () => {
  const name = nextName();
  await db.query(`create table ${name} (a int)`);
  const files: [body: string, code: string, message: RegExp][] = [
    [
      '{"a":1}\n{"a":2}\n{"a":"x"}\n{"a":',
      'bad_value',
      /line 3, column a: invalid input syntax for type integer: "x"/,
    ],
    ['[{"a":1},{"a":1.0}]', 'bad_value', /row 2, column a: invalid input syntax for type integer: "1.0"/],
    ['{"a":1}\n{"a":}\n{"a":3}', 'invalid_json', /line 2: the record is not valid JSON: expected a value/],
    ['a,b\n1,2\n', 'not_json', /begins with "a,b/],
    ['PAR1', 'not_json', /it is Parquet/],
    ['<Error/>', 'not_json', /XML/],
    [`{"a":1,"b":"${'x'.repeat(3000)}"}`, 'row_too_large', /line 1 is longer than the 2000 bytes/],
    ['{"a":1}'.repeat(11), 'too_many_rows', /at least 11 rows; max_rows is 10/],
  ];
  for (const [i, [body]] of files.entries()) world.put(`${name}/${i}.json`, body);
  await insert(name, { max_row_bytes: 2000, max_rows: 10, on_unknown_column: 'ignore' });
  const ended = await world.settled(name);
  for (const [i, [, code, message]] of files.entries()) {
    assert.equal(ended[i]!.error_code, code, ended[i]!.error_message!);
    assert.match(ended[i]!.error_message!, message);
  }
  assert.deepEqual(await db.query(`select * from ${name}`), []);
});

test('JSON that is read as CSV is refused with the format to set', async () => {
  const name = nextName();
  world.put(`${name}/1.json`, '{"a":1,"b":2}\n{"a":3,"b":4}\n');
  await insert(name, { file_format: 'csv' });
  const [file] = await world.settled(name);
  assert.equal(file!.error_code, 'not_csv');
  assert.match(file!.error_message!, /set file_format to 'json'/);
});

test('options that cannot work are refused where they are written', async () => {
  const format = (columns: string, values: string) =>
    db.query(`insert into s3_connector.file_formats (name, ${columns}) values ('bad', ${values})`);
  await assert.rejects(
    format('kind, json_records', `'csv', '$.a'`),
    /json_records .*null unless kind is json/s,
  );
  await assert.rejects(format('kind, json_records', `'json', '$.a[0]'`), /json_records .*a path of keys/s);
  await assert.rejects(format('kind, json_records', `'json', 'Records'`), /json_records .*a path of keys/s);
  await assert.rejects(
    insert('bad', { match_columns_by: 'position' }),
    /match_columns_by .*name with file_format json/s,
  );
  await insert('paths', { state: 'paused' });
  const map = (path: string) =>
    db.query(
      `insert into s3_connector.column_mappings (connector_name, source_column, target_column) values ('paths', $1, $2)`,
      [path, `c${path.length}`],
    );
  for (const path of ['$', '$.a', '$."odd \\" name".b[10]', '$oid']) await map(path);
  for (const path of ['$.', '$.a.', '$[x]', '$.a b', '$."a'])
    await assert.rejects(map(path), /source_column .*a path/s, path);
});

test('every builtin format of JSON is tested', async () => {
  const names = await db.query<{ name: string }>(
    "select name from s3_connector.file_formats where builtin and kind = 'json' order by name",
  );
  const tests = await Promise.all(
    ['connectors', 'read'].map((file) => readFile(new URL(`${file}.test.ts`, import.meta.url), 'utf8')),
  );
  for (const { name } of names)
    assert.ok(
      tests.some((text) => text.includes(`file_format: '${name}'`)),
      name,
    );
});
