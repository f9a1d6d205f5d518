import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';
import { openWorld } from '../support/world.ts';

// Files at the edges of the options of file_formats: each is read right, or refused with a reason.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

let made = 0;

/** Imports a file into a new table, or into one with the given columns; returns the file's row, and the rows as arrays. */
async function load(
  file: Buffer | string,
  {
    format = {},
    table,
    ...settings
  }: { format?: Record<string, unknown>; table?: string } & Record<string, unknown>,
) {
  const name = `odd_${++made}`;
  await world.insertFormat({ name, ...format });
  if (table) await db.query(`create table ${name} (${table})`);
  const imported = await world.importFile(name, file, { file_format: name, ...settings });
  const [exists] = await db.query<{ found: boolean }>('select to_regclass($1) is not null as found', [name]);
  const rows = exists!.found
    ? await db.query<{ row: Record<string, unknown> }>(`select to_json(t) as row from ${name} t`)
    : [];
  return {
    code: imported.error_code,
    message: imported.error_message ?? '',
    rows: rows.map(({ row }) => Object.values(row)),
  };
}

const W3C = { comment_prefix: '#', csv_delimiter: '\t', csv_skip_header: false };

test('a row with another number of fields than the comment names is a bad row, also the first', async () => {
  const fields = '#Fields: a b c\n';
  const short = await load(`${fields}1\t2\n3\t4\n`, { format: W3C, table: 'c text, b text, a text' });
  assert.deepEqual([short.code, short.rows], ['ragged_row', []]);
  assert.match(short.message, /expected 3 fields, got 2, in the row that starts at line 2/);
  const skipped = await load(`${fields}1\t2\n3\t4\t5\n`, {
    format: W3C,
    table: 'c text, b text, a text',
    on_bad_row: 'skip',
  });
  assert.deepEqual([skipped.code, skipped.rows], [null, [['5', '4', '3']]]);
  const cut = await load(`${fields}1\t2\t3\t4\n`, {
    format: { ...W3C, on_long_row: 'cut' },
    table: 'c text, b text, a text',
  });
  assert.deepEqual([cut.code, cut.rows], [null, [['3', '2', '1']]]);
});

test('a comment may separate the names as the rows do', async () => {
  const format = { comment_prefix: '#', csv_skip_header: false };
  const { code, rows } = await load('#Fields: "b b", a\n1,2\n', { format, table: 'a text, "b b" text' });
  assert.deepEqual([code, rows], [null, [['2', '1']]]);
});

test('rows of a footer that together are too long for the memory fail the file', async () => {
  const long = `${'x'.repeat(1_900_000)}\n`;
  const { code, message } = await load(gzipSync(`a\n${long.repeat(12)}`), {
    format: { skip_footer: 1000 },
    table: 'a text',
  });
  assert.equal(code, 'footer_too_large', message);
  assert.match(message, /skip_footer/);
});

test('an escape for a byte beyond ASCII is read in UTF-8 alone', async () => {
  const format = { layout: 'text', csv_delimiter: '\t', csv_encoding: 'latin1', null_values: ['\\N'] };
  const high = await load('a\n\\xe9\n', { format, table: 'a text' });
  assert.equal(high.code, 'unsupported_encoding', high.message);
  assert.match(high.message, /line 2.*byte beyond ASCII/);
  const low = await load(Buffer.from('a\n\\x41\xe9\\101\n', 'latin1'), { format, table: 'a text' });
  assert.deepEqual([low.code, low.rows], [null, [['AéA']]]);
  const utf8 = await load('a\n\\xc3\\xa9\n', {
    format: { ...format, csv_encoding: 'utf-8' },
    table: 'a text',
  });
  assert.deepEqual([utf8.code, utf8.rows], [null, [['é']]]);
});

const REPLACED: [encoding: string, file: Buffer, rows: unknown[][]][] = [
  [
    'utf-16',
    Buffer.concat([
      Buffer.from('\ufeffa,b\n1,', 'utf16le'),
      Buffer.from([0, 0xd8]),
      Buffer.from('x\n2,\0\n', 'utf16le'),
    ]),
    [
      ['1', '\ufffdx'],
      ['2', '\ufffd'],
    ],
  ],
  [
    'sjis',
    Buffer.from('a,b\n1,\x83\n2,\x83\x5c\n3,\xfd\xfe\0\n', 'latin1'),
    [
      ['1', '\ufffd'],
      ['2', 'ソ'],
      ['3', '\ufffd\ufffd\ufffd'],
    ],
  ],
  [
    'gb18030',
    Buffer.from('a,b\n1,\xff\n2,\xd6\xd0\n', 'latin1'),
    [
      ['1', '\ufffd'],
      ['2', '中'],
    ],
  ],
  [
    'win1252',
    Buffer.from('a,b\n1,\x80\0\n2,\xe9\n', 'latin1'),
    [
      ['1', '€\ufffd'],
      ['2', 'é'],
    ],
  ],
];

for (const [encoding, file, rows] of REPLACED) {
  test(`bytes that are no ${encoding} are replaced if the format says so`, async () => {
    const got = await load(file, {
      format: { csv_encoding: encoding, invalid_text: 'replace' },
      table: 'a text, b text',
    });
    assert.deepEqual([got.code, got.rows], [null, rows], got.message);
  });
}

test('a list of words that are also marks of other kinds of files is a CSV', async () => {
  for (const word of ['ORC', 'PAR1', 'Obj', 'ARROW1', 'PK', 'BZh', 'Rar!', 'SQLite format 3', 'ustar']) {
    const { code, rows, message } = await load(`${word}\n1\n2\n`, {});
    assert.deepEqual([code, rows], [null, [[1], [2]]], `${word}: ${message}`);
  }
  const orc = await load(Buffer.from('ORC\x0a\x03\0\0\0\x12\x04', 'latin1'), {});
  assert.equal(orc.code, 'not_csv');
});

test('a connector does not override the delimiter of a text layout with one that escapes use', async () => {
  await db.query(
    "insert into s3_connector.file_formats (name, kind, layout, csv_delimiter) values ('as text', 'csv', 'text', '|')",
  );
  await assert.rejects(
    world.insertConnector({
      name: 'n',
      pattern: 'n/*',
      target_table: 'n',
      file_format: 'as text',
      csv_delimiter: 'n',
    }),
    /csv_delimiter must not begin with a small letter/,
  );
});

test('the error of a file with two-character delimiters says how to load it', async () => {
  const { code, message } = await load('a||b\n1||2\n', {});
  assert.equal(code, 'not_csv');
  assert.match(message, /file_formats with csv_delimiter '\|\|'/);
});

test('the error of a file that begins with comments or a preamble says how to load it', async () => {
  const comments = await load('# exported 2026-01-01\n# by tool\nid,v\n1,2\n', {});
  assert.match(`${comments.code} ${comments.message}`, /not_csv .*begins with "#".*comment_prefix '#'/);
  const preamble = await load('Report of May\n\nid,v,w\n1,2,3\n4,5,6\n', {});
  assert.match(
    `${preamble.code} ${preamble.message}`,
    /not_csv .*line 1 has 1 column.*line 3.*3 columns.*skip_lines 2/,
  );
});

test('a format says which entries of a zip are imported', async () => {
  const zip = Buffer.from(
    zipSync({
      'README.txt': strToU8('About\nthese, files\n'),
      'data/1.csv': strToU8('a,b\n1,x\n'),
      'data/2.csv': strToU8('a,b\n2,y\n'),
    }),
  );
  const table = 'a integer, b text';
  const all = await load(zip, { table });
  assert.deepEqual([all.code, all.rows], ['unknown_column', []]);
  const some = await load(zip, { format: { zip_entries: 'data/*.csv' }, table });
  assert.deepEqual(
    [some.code, some.rows],
    [
      null,
      [
        [1, 'x'],
        [2, 'y'],
      ],
    ],
  );
  const none = await load(zip, { format: { zip_entries: '*.tsv' }, table });
  assert.equal(none.code, 'unsupported_zip');
  assert.match(none.message, /none of the 3 entries .* zip_entries \*\.tsv.*"README.txt"/);
  const plain = await load('a,b\n3,z\n', { format: { zip_entries: '*.tsv' }, table });
  assert.deepEqual(plain.rows, [[3, 'z']]);
  await assert.rejects(load('', { format: { zip_entries: '[a' } }), /zip_entries/);
});
