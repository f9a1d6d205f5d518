import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

// Columns by position, some of which column_mappings sends elsewhere or leaves out: no value is lost in silence.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

interface Mapping {
  source_column: string;
  target_column: string | null;
  data_type?: string;
  expression?: string;
}

/** Imports a file into a table of the connector's name, which is made first unless `columns` is null. */
async function load(
  name: string,
  columns: string | null,
  mappings: Mapping[],
  body: string,
  settings: Record<string, unknown> = {},
) {
  if (columns !== null) await db.query(`create table ${name} (${columns})`);
  world.put(`${name}/1`, body);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    match_columns_by: 'position',
    state: 'paused',
    ...settings,
  });
  for (const { source_column, target_column, data_type = null, expression = null } of mappings) {
    await db.query(
      `insert into s3_connector.column_mappings (connector_name, source_column, target_column, data_type, expression)
       values ($1, $2, $3, $4, $5)`,
      [name, source_column, target_column, data_type, expression],
    );
  }
  await db.query('select s3_connector.resume($1)', [name]);
  return (await world.settled(name))[0]!;
}

const rowsOf = async (table: string) =>
  (await db.query<{ row: string }>(`select t::text as row from ${table} t`)).map(({ row }) => row);
const FIRST_TO_SECOND = { source_column: 'a', target_column: 'b' };
const SECOND_TO_FIRST = { source_column: 'b', target_column: 'a' };
const upper = { expression: 'upper(value)' };

test('two columns that a mapping sends into one fail the file, also where the names are the same', async () => {
  for (const [name, mapping] of [
    ['taken', FIRST_TO_SECOND],
    ['taken_computed', { ...FIRST_TO_SECOND, ...upper }],
  ] as const) {
    const file = await load(name, 'a text, b text', [mapping], 'a,b\nx,y\n');
    assert.equal(file.error_code, 'duplicate_column', file.error_message ?? file.status);
    assert.match(file.error_message!, /columns "a" and "b" both go into column "b"/);
  }
});

test('each column goes where its mapping says, and the others to their places', async () => {
  for (const [name, mappings, row] of [
    ['swapped', [FIRST_TO_SECOND, SECOND_TO_FIRST], '(y,x,z,)'],
    ['swapped_computed', [{ ...FIRST_TO_SECOND, ...upper }, SECOND_TO_FIRST], '(y,X,z,)'],
    ['sent', [{ source_column: 'b', target_column: 'd' }], '(x,,z,y)'],
    ['sent_computed', [{ source_column: 'b', target_column: 'd', ...upper }], '(x,,z,Y)'],
  ] as const) {
    const file = await load(name, 'a text, b text, c text, d text', [...mappings], 'a,b,c\nx,y,z\n');
    assert.equal(file.status, 'success', file.error_message ?? '');
    assert.deepEqual(await rowsOf(name), [row]);
  }
});

test('a column that is left out has no place, in a table that exists and in a new one, with a header and without', async () => {
  for (const [name, columns] of [
    ['short', 'a text, c text'],
    ['made', null],
  ] as const) {
    const header = await load(name, columns, [{ source_column: 'b', target_column: null }], 'a,b,c\nx,y,z\n');
    assert.equal(header.status, 'success', header.error_message ?? '');
    assert.deepEqual(await rowsOf(name), ['(x,z)']);
    for (const [without, left] of [
      ['middle', 'column2'],
      ['end', 'column3'],
    ] as const) {
      const table = `${name}_${without}`;
      const mappings = [
        { source_column: left, target_column: null },
        { source_column: 'column1', target_column: 'a' },
      ];
      const file = await load(table, columns, mappings, 'x,y,z\nu,v,w\n', { csv_skip_header: false });
      assert.equal(file.status, 'success', file.error_message ?? '');
      assert.deepEqual(await rowsOf(table), left === 'column2' ? ['(x,z)', '(u,w)'] : ['(x,y)', '(u,v)']);
    }
  }
});

test('a repeated name of the header is mapped by its number', async () => {
  const file = await load(
    'numbered',
    'a text, b text',
    [{ source_column: 'x_2', target_column: 'b', ...upper }],
    'x,x\np,q\n',
  );
  assert.equal(file.status, 'success', file.error_message ?? '');
  assert.deepEqual(await rowsOf('numbered'), ['(p,Q)']);
});

test('a mapping to a column that the table lacks fails the file, unless unknown columns are ignored', async () => {
  const mapping = { source_column: 'b', target_column: 'z' };
  const file = await load('lacking', 'a text, b text', [mapping], 'a,b\nx,y\n');
  assert.equal(file.error_code, 'unknown_column', file.error_message ?? file.status);
  assert.match(file.error_message!, /"b" \(as "z"\)/);
  const ignored = await load('ignored', 'a text, b text', [mapping], 'a,b\nx,y\n', {
    on_unknown_column: 'ignore',
  });
  assert.equal(ignored.status, 'success', ignored.error_message ?? '');
  assert.deepEqual(await rowsOf('ignored'), ['(x,)']);
});

test('an expression over a column that the file lacks leaves the default, and the file has a notice', async () => {
  for (const match_columns_by of ['name', 'position']) {
    const name = `lacked_by_${match_columns_by}`;
    const file = await load(
      name,
      "a text, b text default 'none'",
      [{ source_column: 'price', target_column: 'b', expression: 'value || row."a"' }],
      'a\nx\n',
      { match_columns_by },
    );
    assert.equal(file.status, 'success', file.error_message ?? '');
    assert.deepEqual(await rowsOf(name), ['(x,none)']);
    const [found] = await db.query<{ notice: string }>(
      'select notice from s3_connector.files where connector_name = $1',
      [name],
    );
    assert.match(found!.notice, /expression for "price", which the file lacks/);
  }
});
