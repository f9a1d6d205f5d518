import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { levelsOf } from '../../src/formats/parquet/nested.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// DuckDB's time for the JSON of a value doubles with each level of lists and maps in it.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker({ READER_STALL_SECONDS: '20' }));

/** Wraps a value that many times. */
function nested(levels: number, wrap: (value: string) => string, leaf = '1'): string {
  let value = leaf;
  for (let i = 0; i < levels; i++) value = wrap(value);
  return value;
}
const WRAPS = {
  lists: (value: string) => `[${value}]`,
  maps: (value: string) => `map {'k': ${value}}`,
  lists_of_structs: (value: string) => `[{'f': ${value}}]`,
  maps_of_lists_in_structs: (value: string) => `{'a b': map {'k': [${value}]}}`,
};

async function importFile(name: string, value: string, columns: Record<string, unknown> = {}) {
  world.put(`${name}/1`, await parquetOf(`select 7 as id, ${value} as f`));
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    file_format: 'parquet',
    target_table: name,
    ...columns,
  });
  const [file] = await world.settled(name);
  return file!;
}

for (const [name, wrap] of Object.entries(WRAPS)) {
  const perWrap = name === 'maps_of_lists_in_structs' ? 2 : 1;

  test(`a column that is nested too deeply fails its file at once: ${name}`, async () => {
    const file = await importFile(`deep_${name}`, nested(30 / perWrap, wrap));
    assert.deepEqual(
      [file.status, file.error_code, file.attempts],
      ['failure', 'unsupported_nesting', 1],
      file.error_message ?? '',
    );
    assert.match(file.error_message!, /column f .* 30 levels deep; 16 levels are allowed.*column_mappings/s);
  });

  test(`a column with the deepest allowed nesting is imported: ${name}`, async () => {
    const file = await importFile(`shallow_${name}`, nested(16 / perWrap, wrap));
    assert.deepEqual([file.status, file.rows_imported], ['success', 1], file.error_message ?? '');
  });
}

test('JSON within lists has a lower nesting limit', async () => {
  const json = `'{"a": 1}'::json`;
  const deep = await importFile('deep_json', nested(9, WRAPS.lists, json));
  assert.deepEqual([deep.status, deep.error_code], ['failure', 'unsupported_nesting']);
  const shallow = await importFile('shallow_json', nested(8, WRAPS.lists, json));
  assert.equal(shallow.status, 'success', shallow.error_message ?? '');
  const { f } = await db.one<{ f: string }>('select f::text from shallow_json');
  assert.equal(f, '[[[[[[[[{"a": 1}]]]]]]]]');
});

test('structs have a higher nesting limit', async () => {
  const file = await importFile(
    'structs',
    nested(40, (value) => `{'f': ${value}}`),
  );
  assert.equal(file.status, 'success', file.error_message ?? '');
});

test('a column that is nested too deeply can be left out', async () => {
  await db.query('create table without (id integer)');
  await world.insertConnector({
    name: 'without',
    pattern: 'without/*',
    file_format: 'parquet',
    target_table: 'without',
    state: 'paused',
  });
  await db.query("insert into s3_connector.column_mappings values ('without', 'f', null, null)");
  world.put('without/1', await parquetOf(`select 7 as id, ${nested(30, WRAPS.maps)} as f`));
  await db.query("select s3_connector.resume('without')");
  const [file] = await world.settled('without');
  assert.deepEqual([file!.status, file!.rows_imported], ['success', 1], file!.error_message ?? '');
});

test('a transform cannot read a column that is nested too deeply, and may not create one', async () => {
  const value = nested(30, WRAPS.lists_of_structs);
  const beside = await importFile('beside', value, { transform: 'select id, id + 1 as next from file' });
  assert.equal(beside.status, 'success', beside.error_message ?? '');
  assert.deepEqual(await db.query('select * from beside'), [{ id: 7, next: 8 }]);
  const made = await importFile('made', '1', { transform: `select id, ${value} as f from file` });
  assert.deepEqual(
    [made.status, made.error_code],
    ['failure', 'unsupported_nesting'],
    made.error_message ?? '',
  );
});

test('the nesting depth counts lists and maps within each other, with any types between or next to them', () => {
  const levels: [type: string, levels: number][] = [
    ['INTEGER', 0],
    ['DECIMAL(10,2)', 0],
    ['INTEGER[]', 1],
    ['INTEGER[3][]', 2],
    ['MAP(VARCHAR, INTEGER[])', 2],
    ['MAP(VARCHAR[], INTEGER)[]', 3],
    ['STRUCT(a INTEGER[], b MAP(VARCHAR, STRUCT(c INTEGER[][])))', 3],
    ['STRUCT("x[][](" INTEGER, "y""MAP(" DECIMAL(4,1)[])', 1],
    ["STRUCT(e ENUM('a[]', 'it''s (', 'MAP('))[]", 1],
    ['UNION(num INTEGER, list VARCHAR[])', 1],
  ];
  for (const [type, expected] of levels) assert.equal(levelsOf(type), expected, type);
});
