import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';
import { call } from '../requests/support.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// A file of another kind makes no table. The error says what it is and what to do.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

let made = 0;

async function failed(body: Buffer | string, settings: Record<string, unknown> = {}) {
  const name = `kind_${++made}`;
  world.put(`${name}/1.csv`, body);
  await world.insertConnector({ name, pattern: `${name}/*`, target_table: name, ...settings });
  const [file] = await world.settled(name);
  const [table] = await db.query<{ made: string | null }>('select to_regclass($1)::text as made', [name]);
  return { name, code: file!.error_code, message: file!.error_message, made: table!.made };
}

/** A tar archive with one file. */
function tar(body: string): Buffer {
  const header = Buffer.alloc(512);
  header.write('data.csv');
  header.write('0000644\0', 100);
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('ustar\x0000', 257);
  return Buffer.concat([header, Buffer.from(body.padEnd(512, '\0')), Buffer.alloc(1024)]);
}

const SHEET = '<?xml version="1.0"?>\n<worksheet><sheetData/></worksheet>';
const ROWS = 'id;name;price\n1;a;2,5\n2;b;3,5\n';

const KINDS: Record<string, [body: Buffer | string, says: RegExp, settings?: Record<string, unknown>]> = {
  'an error of S3': [
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>\n',
    /is XML.*error message of a server/,
  ],
  'a page': ['\n<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n', /is an HTML page/],
  'JSON lines': ['{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n', /is JSON lines.*set file_format to 'json'/],
  'a JSON array in one line': ['[{"a": 1}, {"a": 2}]', /is JSON, and not CSV/],
  'JSON over several lines': ['[\n  {\n    "a": 1\n  }\n]\n', /is JSON, and not CSV/],
  'a tar archive': [tar(ROWS), /is a tar archive.*into the bucket/],
  'a compressed tar archive': [gzipSync(tar(ROWS)), /is a tar archive/],
  'a workbook': [
    Buffer.from(
      zipSync({
        '[Content_Types].xml': strToU8('<Types/>'),
        '_rels/.rels': strToU8('<Relationships/>'),
        'xl/workbook.xml': strToU8('<workbook/>'),
        'xl/worksheets/sheet1.xml': strToU8(SHEET),
      }),
    ),
    /is an Excel workbook \(xlsx\).*Save its sheet as CSV/,
  ],
  'a workbook whose sheet comes first': [
    Buffer.from(
      zipSync({ 'xl/worksheets/sheet1.xml': strToU8(SHEET), '[Content_Types].xml': strToU8('<T/>') }),
    ),
    /is an Excel workbook \(xlsx\)/,
  ],
  'UTF-32': [Buffer.from('\xff\xfe\0\0i\0\0\0d\0\0\0\n\0\0\0', 'latin1'), /is text in UTF-32/],
  'semicolons read as commas': [
    ROWS,
    /one column by csv_delimiter ',', and 3 columns by ';'.*set csv_delimiter to ';'/,
    {},
  ],
  'a delimiter of two characters': [
    'id||name\n1||a\n',
    /separated by '\|\|'.*file_formats with csv_delimiter '\|\|'/,
  ],
  'tabs read as semicolons': ['a\tb\n1\t2\n', /2 columns by a tab/, { csv_delimiter: ';' }],
  'semicolons without a header': ['1;a\n2;b\n', /2 columns by ';'/, { csv_skip_header: false }],
  "Excel's first line": [`sep=;\r\n${ROWS}`, /first line is "sep=;".*csv_delimiter/, { csv_delimiter: ';' }],
  'blank lines': ['\n\n', /nothing but blank lines/],
};

for (const [what, [body, says, settings]] of Object.entries(KINDS)) {
  test(`${what}: no table is made, and the error says what the file is`, async () => {
    const file = await failed(body, settings);
    assert.equal(file.code, 'not_csv', file.message ?? 'no error');
    assert.match(file.message!, says);
    assert.equal(file.made, null);
  });
}

test('Parquet, and UTF-16, as CSV say which setting to change, also for an existing table', async () => {
  await db.query('create table there (id int)');
  const parquet = await failed(await parquetOf('select 1 as id'), { target_table: 'there' });
  assert.equal(parquet.code, 'not_csv');
  assert.match(parquet.message!, /is Parquet.*file_format/);
  const utf16 = await failed(Buffer.from('\ufeffid\n1\n', 'utf16le'), { target_table: 'there' });
  assert.equal(utf16.code, 'invalid_encoding');
  assert.match(utf16.message!, /UTF-16.*csv_encoding/);
});

test('what is only unusual makes a table', async () => {
  const files = {
    'one column of text with commas': ['message\nhello, you\n"a, b"\n', { csv_delimiter: ';' }, 'message'],
    'a column of JSON': ['id,doc\n1,"{""a"": 1}"\n', {}, 'id'],
    'names in brackets': ['[id],[name]\n1,a\n', {}, '[id]'],
    'a name with a less-than sign': ['<5,>5\n1,2\n', {}, '<5'],
    'one column': ['id\n1\n2\n', {}, 'id'],
    'semicolons in the header alone': ['a;b\n1\n2\n', {}, 'a;b'],
  } as const;
  for (const [what, [body, settings, column]] of Object.entries(files)) {
    const file = await failed(body, settings);
    assert.deepEqual([file.code, file.made], [null, file.name], `${what}: ${file.message}`);
    const columns = await db.query(
      'select attname from pg_attribute where attrelid = $1::regclass and attname = $2',
      [file.name, column],
    );
    assert.equal(columns.length, 1, what);
  }
});

test('a table that is there is filled with JSON lines as text, as COPY would', async () => {
  await db.query('create table lines (line text)');
  const file = await failed('{"a": 1}\n', {
    target_table: 'lines',
    csv_skip_header: false,
    csv_delimiter: '\x01',
    csv_quote: '\x02',
  });
  assert.equal(file.message, null);
  assert.deepEqual(await db.query('select * from lines'), [{ line: '{"a": 1}' }]);
});

test('a blank first file blocks no later one', async () => {
  world.put('blank-first/1.csv', '\n\n');
  world.put('blank-first/2.csv', 'id\n1\n');
  await world.insertConnector({ name: 'blank-first', pattern: 'blank-first/*', target_table: 'blank_first' });
  const files = await world.settled('blank-first');
  assert.deepEqual(
    files.map(({ status, error_code }) => [status, error_code]),
    [
      ['failure', 'not_csv'],
      ['success', null],
    ],
  );
});

test('check and preview show it', async () => {
  world.put('shown/1.csv', ROWS);
  await world.insertConnector({ name: 'shown', pattern: 'shown/*', target_table: 'shown', state: 'paused' });
  await call(db, "call s3_connector.check('shown')");
  const checks = await db.query(
    "select * from s3_connector.checks where connector_name = 'shown' and not ok",
  );
  assert.match(JSON.stringify(checks), /3 columns by ';'/);
  const { notices } = await call(db, "call s3_connector.preview('shown')");
  assert.match(JSON.stringify(notices), /an import would fail: .*3 columns by ';'/);
});
