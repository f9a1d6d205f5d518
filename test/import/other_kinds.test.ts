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

/** As programs wrote it before POSIX: only the checksum tells it. */
function oldTar(body: string): Buffer {
  const archive = tar(body);
  archive.fill(0, 257, 265);
  archive.fill(' ', 148, 156);
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return archive;
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
  'a workbook among other documents': [
    Buffer.from(zipSync({ '[Content_Types].xml': strToU8('<T/>'), 'word/document.xml': strToU8('<w/>') })),
    /is an Excel workbook \(xlsx\), or another document of Office/,
  ],
  'a Word document': [
    Buffer.from(zipSync({ 'word/document.xml': strToU8('<w/>') })),
    /is a Word document \(docx\)/,
  ],
  'a sheet of LibreOffice': [
    Buffer.from(
      zipSync({
        mimetype: strToU8('application/vnd.oasis.opendocument.spreadsheet'),
        'content.xml': strToU8('<office:document-content/>'),
      }),
    ),
    /is an OpenDocument file \(ods\).*Save its sheet as CSV/,
  ],
  'an old tar archive': [oldTar(ROWS), /is a tar archive/],
  ORC: [Buffer.from(`ORC\x11\0\0\x0a\x06${'\0'.repeat(60)}`, 'latin1'), /is ORC/],
  Feather: [Buffer.from(`FEA1\0\0\0\0${'\x08'.repeat(60)}`, 'latin1'), /is Arrow/],
  'a picture': [Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1'), /is a picture.*Remove it/],
  'an unknown binary file': [
    Buffer.from(`\x80\x04\x95\x0f\0\0\x10\x11\x12\x14${'\0'.repeat(60)}`, 'latin1'),
    /is binary/,
  ],
  YAML: ['---\nname: x\nvalues:\n  - 1\n  - 2\n', /is YAML/],
  'YAML without a first line': ['name: x\nversion: 2\nitems: [1, 2]\n', /is YAML/],
  'a configuration file': ['[section]\na=1\nb=2\n', /is a configuration file/],
  Markdown: ['# Title\n\nSome text\n\n- a\n- b\n', /is Markdown/],
  SQL: ['-- dump\n--\nDROP TABLE IF EXISTS t;\nCREATE TABLE t (id int);\n', /is SQL/],
  'JSON arrays of numbers': ['[1, 2]\n[3, 4]\n', /is JSON, and not CSV/],
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
  'a delimiter of two different characters': [
    'id|~|name|~|v\n1|~|a|~|2\n',
    /separated by '\|~\|'.*csv_delimiter '\|~\|'/,
  ],
  'tildes read as commas': ['id~name\n1~a\n2~b\n', /2 columns by '~'/],
  "the separators of Hive's text": ['1\x01a\n2\x01b\n', /2 columns by e'\\x01'/],
  'blanks read as commas': ['id name v\n1 a 2\n2 b 3\n', /3 columns by ' '/],
  "a web server's log": [
    '127.0.0.1 - bob [10/Oct/2026:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326\n'.repeat(3),
    /8 columns by ' '/,
  ],
  'text with \\N for null': [
    '1\ta\tb\t\\N\n2\tline\\\nbreak\tx\n',
    /\\N for null.*set file_format of the connector to mysql/i,
  ],
  'a log of CloudFront': [
    '#Version: 1.0\n#Fields: date time x-edge-location\n2026-01-02\t09:59:49\tLHR50\n',
    /begins with "#".*CloudFront.*file_format of the connector to cloudfront/,
  ],
  'a log of IIS': [
    '#Software: IIS 10.0\n#Version: 1.0\n#Fields: date time s-ip\n2026-01-02 00:00:01 10.0.0.1\n2026-01-02 00:00:02 10.0.0.2\n',
    /begins with "#".*comment_prefix '#' and csv_delimiter ' '/,
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
  for (const [bytes, name] of [
    [Buffer.from('id,name\n1,é\n', 'utf16le'), 'utf-16le'],
    [Buffer.from('id,name\n1,é\n', 'utf16le').swap16(), 'utf-16be'],
  ] as const) {
    const unmarked = await failed(bytes, { target_table: 'there' });
    assert.equal(unmarked.code, 'invalid_encoding');
    assert.match(unmarked.message!, new RegExp(`UTF-16.*csv_encoding of the connector to ${name}\\.`));
  }
});

test('what is only unusual makes a table', async () => {
  const files = {
    'one column of text with commas': ['message\nhello, you\n"a, b"\n', { csv_delimiter: ';' }, 'message'],
    'a column of JSON': ['id,doc\n1,"{""a"": 1}"\n', {}, 'id'],
    'names in brackets': ['[id],[name]\n1,a\n', {}, '[id]'],
    'a name with a less-than sign': ['<5,>5\n1,2\n', {}, '<5'],
    'one column': ['id\n1\n2\n', {}, 'id'],
    'semicolons in the header alone': ['a;b\n1\n2\n', {}, 'a;b'],
    times: ['at\n10:00:00\n11:00:00\n', {}, 'at'],
    'names of people': ['full name\nAda Lovelace\nAlan Turing\n', {}, 'full name'],
    'a name with a hash': ['#id,name\n1,a\n', {}, '#id'],
    'a name that begins as ORC does': ['ORC_ID\n1\n', {}, 'ORC_ID'],
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

test('an entry of a zip that is no data is named, with how to leave it out', async () => {
  const data = strToU8('a,b\n1,2\n');
  for (const [name, content, says] of [
    ['README.txt', strToU8('Some text.\nIt, has, commas.\n'), /README\.txt, .*set zip_entries/],
    ['notes.pdf', strToU8('%PDF-1.4\n'), /notes\.pdf, the file is PDF.*set zip_entries/],
    ['b.csv', strToU8('x,y\n1,2\n'), /b\.csv, the file has columns.*set zip_entries/],
  ] as const) {
    const file = await failed(Buffer.from(zipSync({ 'a.csv': data, [name]: content })));
    assert.match(file.message ?? 'no error', says);
  }
});
