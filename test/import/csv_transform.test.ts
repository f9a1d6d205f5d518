import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

async function load(
  name: string,
  body: string | Buffer | Uint8Array,
  transform: string,
  columns: Record<string, unknown> = {},
) {
  world.put(`${name}/1`, typeof body === 'string' ? body : Buffer.from(body));
  await world.insertConnector({
    name,
    pattern: `${name}/**`,
    target_table: name,
    max_attempts: 1,
    schedule: NEVER_AGAIN,
    transform,
    ...columns,
  });
  return (await world.settled(name))[0]!;
}

const succeeded = (file: { status: string; error_message: string | null }) =>
  assert.equal(file.status, 'success', file.error_message ?? '');

test("DuckDB reads a CSV with all columns as text, and the transform's rows make the table", async () => {
  const file = await load(
    'made',
    'id,price,note\n007,"1,5","a ""b"""\n8,2,\n9,,"two\nlines"\n',
    "select id, replace(price, ',', '.')::decimal(8,2) as price, note, typeof(id) as type from file where id <> '8'",
  );
  succeeded(file);
  assert.deepEqual([file.rows_read, file.rows_imported], [2, 2]);
  assert.deepEqual(
    await db.query('select id, price, note, type, pg_typeof(price)::text as p from made order by 1'),
    [
      { id: '007', price: '1.50', note: 'a "b"', type: 'VARCHAR', p: 'numeric' },
      { id: '9', price: null, note: 'two\nlines', type: 'VARCHAR', p: 'numeric' },
    ],
  );
  await world.spoolEmptied();
});

test('the options of the format that DuckDB has are its own', async () => {
  await db.query(`insert into s3_connector.file_formats
      (name, kind, csv_delimiter, csv_quote, csv_escape, csv_skip_header, skip_lines, null_values, null_quoted)
    values ('theirs', 'csv', '||', '''', '\\', false, 2, array['NULL', 'n/a'], true)`);
  const file = await load(
    'options',
    "preamble\n1||2\n'it\\'s'||'NULL'\nn/a||\n",
    'select column1 as a, column2 as b from file',
    { file_format: 'theirs' },
  );
  succeeded(file);
  assert.deepEqual(await db.query('select * from options'), [
    { a: "it's", b: null },
    { a: null, b: '' },
  ]);
});

test('compressed files and each entry of a zip are transformed', async () => {
  const csv = 'n\n1\n2\n';
  const sum = 'select sum(n::integer)::bigint as total from file';
  succeeded(await load('gzipped', gzipSync(csv), sum));
  succeeded(await load('zstd', zstdCompressSync(csv), sum));
  succeeded(await load('zipped', zipSync({ 'a.csv': strToU8(csv), 'b.csv': strToU8('n\n3\n4\n') }), sum));
  assert.deepEqual(await db.query('select total from gzipped union all select total from zstd'), [
    { total: 3 },
    { total: 3 },
  ]);
  assert.deepEqual(await db.query('select total from zipped order by 1'), [{ total: 3 }, { total: 7 }]);
  const bad = await load('bad_zip', zipSync({ 'a.csv': strToU8(csv), 'b.csv': strToU8('n\nx\n') }), sum);
  assert.match(bad.error_message!, /bad_zip\/1: b\.csv, .*Could not convert string 'x' to INT32/);
  await world.spoolEmptied();
});

test('a line that DuckDB cannot read fails the file with its number', async () => {
  for (const [name, body, line, reason] of [
    ['short', 'a,b\n1,2\n3\n', 3, /Expected Number of Columns: 2 Found: 1/],
    ['long', 'a,b\n1,2,3\n', 2, /Expected Number of Columns: 2 Found: 3/],
    ['closed', 'a,b\n1,2\n3,"x"y\n', 3, /unterminated quote/],
    ['unclosed', 'a,b\n1,2\n3,"x\n', 3, /never closed/],
    ['last', 'a,b\r\n1,"2\r\n"\r\n3, "x,y', 4, /never closed/],
    ['doubled', 'a,b\n"1""",2\n3,"4""', 3, /never closed/],
    ['latin', Buffer.from('a,b\n1,2\n\xe9,3\n', 'latin1'), 3, /not utf-8/],
    ['wide', `a,b\n1,2\n3,${'x'.repeat(70_000)}\n`, 3, /Maximum line size/],
  ] as const) {
    const file = await load(`bad_${name}`, body, 'select a from file', {
      on_bad_row: 'skip',
      max_row_bytes: 65_536,
    });
    assert.deepEqual(
      [file.error_code, file.rows_imported],
      [/never closed/.test(String(reason)) ? 'unterminated_quote' : 'bad_row', null],
      `${name}: ${file.error_message}`,
    );
    assert.ok(file.error_message!.includes(`line ${line}: `), file.error_message!);
    assert.match(file.error_message!, reason);
    assert.doesNotMatch(file.error_message!, /spool|tmp/);
  }
});

test('quotes within a value, and blanks around quotes, are read as DuckDB reads them', async () => {
  const file = await load('quotes', 'a,b\n5" pipe, "x" \n"q""",""\n', 'from file');
  succeeded(file);
  assert.deepEqual(await db.query('select * from quotes order by 1'), [
    { a: '5" pipe', b: 'x' },
    { a: 'q"', b: '' },
  ]);
});

test('rows of the transform that PostgreSQL refuses are bad rows of the transform', async () => {
  await db.query('create table picky (n integer check (n <> 4))');
  const file = await load('picky', 'n\n1\n2\n3\n', 'select n::integer * 2 as n from file', {
    on_bad_row: 'skip',
  });
  succeeded(file);
  assert.deepEqual([file.rows_read, file.rows_imported, file.rows_rejected], [3, 2, 1]);
  assert.deepEqual(
    await db.query("select line, raw from s3_connector.rejected_rows where connector_name = 'picky'"),
    [{ line: 2, raw: '4' }],
  );
});

test('a transform of a CSV reads nothing but its file, and runs only where transforms are allowed', async () => {
  const file = await load('outside', 'n\n1\n', "select * from read_csv('/etc/passwd')");
  assert.deepEqual([file.error_code, file.status], ['transform_failed', 'failure'], file.error_message ?? '');
  const broken = await load('broken', 'n\n1\n', 'select m from file');
  assert.match(broken.error_message!, /the transform cannot be run: .*m/);
});

test('a large CSV is transformed in the memory of a reader', async () => {
  const row = `${'x'.repeat(90)}\n`;
  const body = gzipSync(`a\n${row.repeat(600_000)}`, { level: 1 });
  const file = await load('large', body, 'select length(a) as length, count(*) as rows from file group by 1');
  succeeded(file);
  assert.deepEqual(await db.query('select length::integer, rows::integer from large'), [
    { length: 90, rows: 600_000 },
  ]);
});

test('a format that a transform uses cannot get an option that DuckDB lacks', async () => {
  await db.query("insert into s3_connector.file_formats (name, kind) values ('shared', 'csv')");
  await world.insertConnector({
    name: 'user',
    pattern: 'user/**',
    target_table: 'user_rows',
    file_format: 'shared',
    transform: 'from file',
    state: 'paused',
  });
  await assert.rejects(
    db.query("update s3_connector.file_formats set skip_footer = 1 where name = 'shared'"),
    /transform must be null with skip_footer = '1'/,
  );
  await db.query("update s3_connector.file_formats set skip_lines = 1 where name = 'shared'");
});
