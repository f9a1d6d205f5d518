import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

// Files that COPY cannot read as they are: each option of file_formats, with small files that PostgreSQL parses, and with large
// ones, whose values are encoded.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

interface Case {
  what: string;
  /** Columns of file_formats. */
  format: Record<string, unknown>;
  /** The columns of the table. */
  table: string;
  file: string | Buffer;
  rows: unknown[][];
  columns?: Record<string, unknown>;
}

const CASES: Case[] = [
  {
    what: 'lines before the header, and rows after the last',
    format: { skip_lines: 3, skip_footer: 2 },
    table: 'a integer, b text',
    file: 'Report "of\nsome, kind\n\na,b\n1,x\n2,"y\nz"\nTotal,3\n"End\nof",\n',
    rows: [
      [1, 'x'],
      [2, 'y\nz'],
    ],
  },
  {
    what: 'comments with quotes in them, and blank lines',
    format: { comment_prefix: '#', skip_blank_lines: true },
    table: 'a integer, b text',
    file: '# it\'s "so\n\na,b\n1,"#no\n#comment"\n  \n# end\n2,#\n',
    rows: [
      [1, '#no\n#comment'],
      [2, '#'],
    ],
  },
  {
    what: 'columns that a comment names',
    format: { comment_prefix: '#', csv_delimiter: '\t', csv_skip_header: false, null_values: ['-'] },
    table: '"sc-status" integer, date text',
    file: '#Version: 1.0\n#Fields: date sc-status\n2026-01-01\t200\n2026-01-02\t-\n',
    rows: [
      [200, '2026-01-01'],
      [null, '2026-01-02'],
    ],
  },
  {
    what: 'several texts that mean null',
    format: { null_values: ['', 'NULL', '\\N', 'NA'] },
    table: 'a text, b integer',
    file: 'a,b\nNULL,1\n"NULL",\\N\nNA,\n"",4\n',
    rows: [
      [null, 1],
      ['NULL', null],
      [null, null],
      ['', 4],
    ],
  },
  {
    what: 'no text that means null',
    format: { null_values: [] },
    table: 'a text',
    file: 'a\n""\nNULL\n',
    rows: [[''], ['NULL']],
  },
  {
    what: 'quoted nulls',
    format: { null_quoted: true, csv_skip_header: false },
    table: 'a text, b integer',
    file: '"bucket",""\n"","1"\n',
    rows: [
      ['bucket', null],
      [null, 1],
    ],
  },
  {
    what: 'decimal commas',
    format: { csv_delimiter: ';', decimal_separator: ',', thousands_separator: '.' },
    table: 'a numeric, b double precision, c text, d integer',
    file: 'a;b;c;d\n1.234.567,89;-0,5;1,5;1.000\n,5;1,5e3;x;-7\n',
    rows: [
      ['1234567.89', -0.5, '1,5', 1000],
      ['0.5', 1500, 'x', -7],
    ],
  },
  {
    what: 'days before months',
    format: { date_format: 'DMY' },
    table: 'a date, b timestamp, c timestamptz',
    file: 'a,b,c\n03.12.2026,03/12/2026 10:30,3-12-26 10:30\n2026-12-03,2026-12-03T01:02:03,31.01.70\n',
    rows: [
      ['2026-12-03', '2026-12-03 10:30:00', '2026-12-03 10:30:00+00'],
      ['2026-12-03', '2026-12-03 01:02:03', '1970-01-31 00:00:00+00'],
    ],
  },
  {
    what: 'months before days',
    format: { date_format: 'MDY' },
    table: 'a date',
    file: 'a\n12/03/2026\n1/2/1999\n',
    rows: [['2026-12-03'], ['1999-01-02']],
  },
  {
    what: 'seconds since 1970',
    format: { date_format: 'epoch' },
    table: 'a timestamptz, b date, c timestamp, d bigint',
    file: 'a,b,c,d\n1700000000,0,1700000000.123456,1700000000\n-1,86399,,0\n-0.5,1e,1,1\n'.replace('1e', '1'),
    rows: [
      ['2023-11-14 22:13:20+00', '1970-01-01', '2023-11-14 22:13:20.123456', 1700000000],
      ['1969-12-31 23:59:59+00', '1970-01-01', null, 0],
      ['1969-12-31 23:59:59.5+00', '1970-01-01', '1970-01-01 00:00:01', 1],
    ],
  },
  {
    what: 'nanoseconds since 1970',
    format: { date_format: 'epoch_ns' },
    table: 'a timestamptz',
    file: 'a\n1700000000123456789\n-1000\n999\n',
    rows: [
      ['2023-11-14 22:13:20.123457+00'],
      ['1969-12-31 23:59:59.999999+00'],
      ['1970-01-01 00:00:00.000001+00'],
    ],
  },
  {
    what: 'COPY’s text format',
    format: { layout: 'text', csv_delimiter: '\t', null_values: ['\\N'], csv_skip_header: false },
    table: 'a integer, b text',
    file: '1\ta\\tb\\\nc\\\\\n2\t\\N\n3\t"quoted", \\x41\\101\n',
    rows: [
      [1, 'a\tb\nc\\'],
      [2, null],
      [3, '"quoted", AA'],
    ],
  },
  {
    what: 'delimiters of several bytes',
    format: { csv_delimiter: '||' },
    table: 'a text, b text, c text',
    file: 'a||b||c\nx|y||"||"||\n',
    rows: [['x|y', '||', null]],
  },
  {
    what: 'no quotes',
    format: { csv_quote: '' },
    table: 'a text, b text',
    file: 'a,b\n3" nail,"x\n',
    rows: [['3" nail', '"x']],
  },
  {
    what: 'short and long rows',
    format: { on_short_row: 'fill', on_long_row: 'cut' },
    table: 'a integer, b text',
    file: 'a,b\n1\n2,x,extra\n3,y\n',
    rows: [
      [1, null],
      [2, 'x'],
      [3, 'y'],
    ],
  },
  {
    what: 'names in snake case',
    format: { column_names: 'snake' },
    table: 'order_id integer, total text, total_2 text, _2nd text',
    file: 'Order ID,Total (€),total,2nd\n1,a,b,c\n',
    rows: [[1, 'a', 'b', 'c']],
  },
  {
    what: 'bytes that are no text',
    format: { invalid_text: 'replace' },
    table: 'a text',
    file: Buffer.concat([Buffer.from('a\nx'), Buffer.from([0xff, 0x00]), Buffer.from('y\n')]),
    rows: [['x\ufffd\ufffdy']],
  },
  {
    what: 'line ends of Windows within a header, quotes and comments',
    format: { comment_prefix: '//', skip_lines: 1 },
    table: 'a integer, b text',
    file: '\ufeffintro\r\na,b\r\n// no\r\n1,"x\r\ny"\r\n2,z\r\n',
    rows: [
      [1, 'x\r\ny'],
      [2, 'z'],
    ],
  },
];

let made = 0;

async function importFile(
  name: string,
  { format, table, columns = {} }: Pick<Case, 'format' | 'table' | 'columns'>,
  body: Buffer,
) {
  const row = { name, kind: 'csv', ...format };
  await db.query(
    `insert into s3_connector.file_formats (${Object.keys(row)}) values (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
    Object.values(row),
  );
  await db.query(`create table ${name} (${table})`);
  world.put(`${name}/1.csv`, body);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_format: name,
    ...columns,
  });
  const [file] = await world.settled(name);
  return file!;
}

for (const testCase of CASES) {
  test(`${testCase.what} are read as the format says`, async () => {
    const name = `format_${++made}`;
    const body = Buffer.isBuffer(testCase.file) ? testCase.file : Buffer.from(testCase.file);
    const file = await importFile(name, testCase, body);
    assert.deepEqual(
      [file.status, file.rows_imported],
      ['success', testCase.rows.length],
      file.error_message ?? '',
    );
    const columns = await db.query<{ list: string }>(
      "select string_agg(case when format_type(atttypid, null) ~ '^(date|time|numeric)' then quote_ident(attname) || '::text' else quote_ident(attname) end, ', ' order by attnum) as list from pg_attribute where attrelid = $1::regclass and attnum > 0",
      [name],
    );
    const rows = await db.query<{ row: unknown[] }>(
      `select json_build_array(${columns[0]!.list}) as row from ${name}`,
    );
    assert.deepEqual(
      rows.map(({ row }) => row),
      testCase.rows,
    );
  });
}
