import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type pg from 'pg';
import { testDatabase } from '../support/database.ts';

const db = await testDatabase();
let mine: pg.Client;
let other: pg.Client;

before(async () => {
  for (const role of [await db.createRole(), await db.createRole()]) {
    await db.query(`grant s3_connector_admin to ${role.name}`);
    if (mine === undefined) mine = await db.connect(role);
    else other = await db.connect(role);
  }
});

const insertConnector = (client: pg.Client, name: string, columns: Record<string, unknown>) => {
  const row = { name, bucket: 'bucket', pattern: '**', target_table: 't', ...columns };
  return client.query(
    `insert into s3_connector.connectors (${Object.keys(row)}) values (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
    Object.values(row),
  );
};

const refused = (client: pg.Client, statement: string, code: string, message: RegExp) =>
  assert.rejects(client.query(statement), (error: { code: string; message: string; hint: string }) => {
    assert.equal(error.code, code);
    assert.match(`${error.message} | ${error.hint}`, message);
    return true;
  });

test('a format of one’s own is named by several connectors, and their csv_ columns change it for one of them', async () => {
  await mine.query(
    "insert into s3_connector.file_formats (name, kind, csv_delimiter, null_values) values ('ours', 'csv', ';', array['NULL'])",
  );
  await insertConnector(mine, 'plain', { file_format: 'ours' });
  await insertConnector(mine, 'changed', { file_format: 'ours', csv_delimiter: '|', csv_null: '' });
  const formats = await db.query(
    `select c.name, f.csv_delimiter, f.csv_quote, f.null_values
      from s3_connector.connectors c cross join s3_connector_private.format_of(c) f order by c.name`,
  );
  assert.deepEqual(formats, [
    { name: 'changed', csv_delimiter: '|', csv_quote: '"', null_values: [''] },
    { name: 'plain', csv_delimiter: ';', csv_quote: '"', null_values: ['NULL'] },
  ]);
});

test('a format changes when the connectors that use it are paused', async () => {
  const change = "update s3_connector.file_formats set csv_delimiter = '|' where name = 'ours'";
  await refused(
    mine,
    change,
    '55006',
    /connector 'changed' uses it, and is running: pause it first.*Pause it: select/s,
  );
  await mine.query("select s3_connector.pause('plain'), s3_connector.pause('changed')");
  await mine.query(change);
  assert.deepEqual(
    await db.query("select csv_delimiter from s3_connector.file_formats where name = 'ours'"),
    [{ csv_delimiter: '|' }],
  );
});

test('a format that a connector uses cannot be deleted or renamed', async () => {
  await refused(
    mine,
    "delete from s3_connector.file_formats where name = 'ours'",
    '55006',
    /cannot delete .* connector 'changed' uses it/,
  );
  await refused(
    mine,
    "update s3_connector.file_formats set name = 'theirs' where name = 'ours'",
    '55006',
    /cannot rename .* connector 'changed' uses it/,
  );
});

test('nobody changes a builtin format, or the format of another owner, or one that another owner uses', async () => {
  const may = "update s3_connector.file_formats set csv_delimiter = '|' where name =";
  await refused(mine, `${may} 'csv'`, '42501', /builtin formats belong to the connector/);
  await refused(mine, "delete from s3_connector.file_formats where name = 'parquet'", '42501', /builtin/);
  await refused(
    mine,
    "insert into s3_connector.file_formats (name, kind, builtin) values ('x', 'csv', true)",
    '42501',
    /builtin/,
  );
  await refused(other, `${may} 'ours'`, '42501', /it belongs to/);
  await insertConnector(other, 'of another', { file_format: 'ours', state: 'paused' });
  await refused(mine, `${may} 'ours'`, '42501', /connector 'of another' of .* uses it/);
  await refused(
    mine,
    "update s3_connector.file_formats set owner = 'postgres' where name = 'ours'",
    '42501',
    /belongs to/,
  );
});

const REFUSALS: [columns: string, values: string, message: RegExp][] = [
  ['name, kind', "' x', 'csv'", /name must be 1 to 200 bytes long/],
  ['name, kind', "'x', 'xml'", /kind must be csv, json or parquet \(got: 'xml'\)/],
  ['name, kind', "'x', null", /kind must be given/],
  ['name, kind, csv_delimiter', "'x', 'csv', ''", /csv_delimiter must have 1 to 20 bytes/],
  [
    'name, kind, csv_quote',
    "'x', 'csv', ','",
    /csv_quote must be one single-byte character that is not in csv_delimiter/,
  ],
  ['name, kind, csv_escape', "'x', 'csv', ''", /csv_escape/],
  ['name, kind, csv_encoding', "'x', 'csv', 'klingon'", /csv_encoding/],
  ['name, kind, null_values', "'x', 'csv', '{a,null}'", /null_values must be a list of at most 100 texts/],
  [
    'name, kind, null_values',
    `'x', 'csv', '{",a"}'`,
    /null_values must not contain a line break, csv_delimiter or csv_quote/,
  ],
  ['name, kind, layout', "'x', 'csv', 'x'", /layout must be csv or text/],
  [
    'name, kind, layout, csv_delimiter',
    "'x', 'csv', 'text', 'a'",
    /csv_delimiter must not begin with a small letter/,
  ],
  ['name, kind, skip_lines', "'x', 'csv', -1", /skip_lines must be between 0 and 1000000/],
  ['name, kind, skip_footer', "'x', 'csv', 2000", /skip_footer must be between 0 and 1000/],
  ['name, kind, comment_prefix', "'x', 'csv', ''", /comment_prefix must have 1 to 20 bytes/],
  ['name, kind, on_short_row', "'x', 'csv', 'cut'", /on_short_row must be fail or fill/],
  ['name, kind, on_long_row', "'x', 'csv', 'fill'", /on_long_row must be fail or cut/],
  ['name, kind, decimal_separator', "'x', 'csv', '·'", /decimal_separator must be a dot or a comma/],
  [
    'name, kind, thousands_separator',
    "'x', 'csv', '.'",
    /thousands_separator must be one character other than decimal_separator/,
  ],
  ['name, kind, date_format', "'x', 'csv', 'd.m.y'", /date_format must be server, ISO, DMY/],
  ['name, kind, column_names', "'x', 'csv', 'camel'", /column_names must be as_is or snake/],
  ['name, kind, invalid_text', "'x', 'csv', 'drop'", /invalid_text must be fail or replace/],
  ['name, kind, infer_types', "'x', 'csv', 'first'", /infer_types must be sample or text/],
];

for (const [columns, values, message] of REFUSALS) {
  test(`a format with ${columns} ${values} is refused with a message`, async () => {
    await refused(
      mine,
      `insert into s3_connector.file_formats (${columns}) values (${values})`,
      '22023',
      message,
    );
  });
}

test('a connector with a format that does not exist is refused with the similar names', async () => {
  await assert.rejects(insertConnector(mine, 'x', { file_format: 'csb' }), {
    code: '22023',
    hint: /Similar names: 'csv'/,
  });
});
