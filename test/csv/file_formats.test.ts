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
    what: 'rows after the last that have other columns',
    format: { skip_footer: 2 },
    table: 'a integer, b text',
    file: 'a,b\n1,x\n2,y\n\nTotal: 2 rows\n',
    rows: [
      [1, 'x'],
      [2, 'y'],
    ],
  },
  {
    what: 'rows of empty fields between tabs',
    format: { skip_blank_lines: true, csv_delimiter: '\t' },
    table: 'a text, b text',
    file: 'a\tb\n\t\n  \n1\tx\n',
    rows: [
      [null, null],
      ['1', 'x'],
    ],
  },
  {
    what: 'delimiters beyond ASCII',
    format: { csv_delimiter: '¦' },
    table: 'a text, b text',
    file: 'a¦b\n1¦"x¦y"\n',
    rows: [['1', 'x¦y']],
  },
  {
    what: 'bytes that look like escapes in Shift-JIS',
    format: { layout: 'text', csv_encoding: 'sjis', csv_delimiter: '\t', null_values: ['\\N'] },
    table: 'a text, b text',
    file: Buffer.from('a\tb\n\x83\x5cn\t\\\x83\x5c\n', 'latin1'),
    rows: [['ソn', 'ソ']],
  },
  {
    what: 'backslashes before characters that end with one in Shift-JIS',
    format: { comment_prefix: '#', csv_encoding: 'sjis', csv_escape: '\\' },
    table: 'a text, b text',
    file: Buffer.from('a,b\n"\\\x83\x5c","x"\n', 'latin1'),
    rows: [['\\ソ', 'x']],
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

/** What the programs write, as the builtin formats of their names read it. */
const PRESETS: (Omit<Case, 'format' | 'what'> & { name: string })[] = [
  {
    name: 'tsv',
    table: 'a integer, b text',
    file: 'a\tb\n1\t"x\ty"\n',
    rows: [[1, 'x\ty']],
  },
  {
    name: 'excel',
    table: '"Amount" numeric, "Date" date',
    file: '\ufeffAmount,Date\r\n"1,234.50",12/3/2026\r\n"12,000",1/31/1999\r\n',
    rows: [
      ['1234.50', '2026-12-03'],
      ['12000', '1999-01-31'],
    ],
  },
  {
    name: 'excel_de',
    table: '"Nr" integer, "Datum" date, "Betrag" numeric, "Text" text',
    file: '\ufeffNr;Datum;Betrag;Text\r\n1;31.12.2026;1.234,56;"Müller; Söhne"\r\n2;01.02.2026;-0,5;Straße\r\n',
    rows: [
      [1, '2026-12-31', '1234.56', 'Müller; Söhne'],
      [2, '2026-02-01', '-0.5', 'Straße'],
    ],
  },
  {
    name: 'cloudfront',
    table: '"sc-bytes" bigint, date date, time time, "x-edge-location" text, "c-ip" inet, "cs-method" text',
    file: '#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method\n2026-01-02\t09:59:49\tLHR50\t1658497\t192.0.2.4\tGET\n2026-01-02\t10:59:49\t-\t77\t192.0.2.4\t"GET\n',
    rows: [
      [1658497, '2026-01-02', '09:59:49', 'LHR50', '192.0.2.4', 'GET'],
      [77, '2026-01-02', '10:59:49', null, '192.0.2.4', '"GET'],
    ],
  },
  {
    name: 'alb',
    table: 'type text, time timestamptz, elb text, status integer, request text, agent text',
    file: 'http 2026-01-02T22:23:00.186641Z app/my/50dc 200 "GET http://x:80/ HTTP/1.1" "curl 7\\x22" new\nh2 2026-01-02T22:23:00Z app/my/50dc - "- http://x:80- -" "-"\n',
    rows: [
      [
        'http',
        '2026-01-02 22:23:00.186641+00',
        'app/my/50dc',
        200,
        'GET http://x:80/ HTTP/1.1',
        'curl 7\\x22',
      ],
      ['h2', '2026-01-02 22:23:00+00', 'app/my/50dc', null, '- http://x:80- -', null],
    ],
  },
  {
    name: 's3_access',
    table:
      'owner text, bucket text, day text, zone text, ip inet, requester text, key text, uri text, status integer',
    file: '79a5 b [06/Feb/2026:00:00:38 +0000] 192.0.2.3 - a/b.csv "GET /b?x HTTP/1.1" 200\n79a5 b [06/Feb/2026:00:00:39 +0000] 192.0.2.3 79a5 - "-" 404 more\n',
    rows: [
      [
        '79a5',
        'b',
        '[06/Feb/2026:00:00:38',
        '+0000]',
        '192.0.2.3',
        null,
        'a/b.csv',
        'GET /b?x HTTP/1.1',
        200,
      ],
      ['79a5', 'b', '[06/Feb/2026:00:00:39', '+0000]', '192.0.2.3', '79a5', null, null, 404],
    ],
  },
  {
    name: 's3_inventory',
    table: 'bucket text, key text, size bigint, modified timestamptz, class text',
    file: '"bkt","a/b.csv","12","2026-01-02T03:04:05.000Z","STANDARD"\n"bkt","a/","","2026-01-02T03:04:05.000Z",""\n',
    rows: [
      ['bkt', 'a/b.csv', 12, '2026-01-02 03:04:05+00', 'STANDARD'],
      ['bkt', 'a/', null, '2026-01-02 03:04:05+00', null],
    ],
  },
  {
    name: 'mysql',
    table: 'a integer, b text, c text',
    file: '1\ta\\tb\t\\N\n2\tline\\\nbreak\tx\n3\tback\\\\slash\t\\N\n',
    rows: [
      [1, 'a\tb', null],
      [2, 'line\nbreak', 'x'],
      [3, 'back\\slash', null],
    ],
  },
  {
    name: 'snowflake',
    table: 'a integer, b text, c text',
    file: '1,x\\, y,\\N\n2,"q",\n',
    rows: [
      [1, 'x, y', null],
      [2, '"q"', ''],
    ],
  },
  {
    name: 'hive',
    table: 'a integer, b text, c text',
    file: '1\x01C:\\dir\x01\\N\n2\x01"x\x01\n',
    rows: [
      [1, 'C:\\dir', null],
      [2, '"x', ''],
    ],
  },
  {
    name: 'athena',
    table: 'a integer, b text',
    file: '"a","b"\n"1",""\n"2",\n',
    rows: [
      [1, ''],
      [2, null],
    ],
  },
];

let made = 0;

const insertFormat = (name: string, columns: Record<string, unknown>) =>
  world.insertFormat({ name, ...columns });

/** Imports a file into a table of the same name, and returns the table's rows. */
async function importFile(
  format: string,
  { table, file, rows, columns = {} }: Pick<Case, 'table' | 'file' | 'rows' | 'columns'>,
): Promise<void> {
  const name = `table_${++made}`;
  await db.query(`create table ${name} (${table})`);
  const imported = await world.importFile(name, file, { file_format: format, ...columns });
  assert.deepEqual(
    [imported.status, imported.rows_imported],
    ['success', rows.length],
    imported.error_message ?? '',
  );
  const [list] = await db.query<{ columns: string }>(
    `select string_agg(case when format_type(atttypid, null) ~ '^(date|time|numeric)' then quote_ident(attname) || '::text'
        else quote_ident(attname) end, ', ' order by attnum) as columns
      from pg_attribute where attrelid = $1::regclass and attnum > 0`,
    [name],
  );
  const found = await db.query<{ row: unknown[] }>(
    `select json_build_array(${list!.columns}) as row from ${name}`,
  );
  assert.deepEqual(
    found.map(({ row }) => row),
    rows,
  );
}

for (const testCase of CASES) {
  test(`${testCase.what} are read as the format says`, async () => {
    const format = `format ${++made}`;
    await insertFormat(format, testCase.format);
    await importFile(format, testCase);
  });
}

for (const { name, ...preset } of PRESETS) {
  test(`the builtin format ${name} reads what its program writes`, () => importFile(name, preset));
}

test('every builtin format of CSV is tested', async () => {
  const names = await db.query<{ name: string }>(
    "select name from s3_connector.file_formats where builtin and kind = 'csv'",
  );
  const tested = PRESETS.map(({ name }) => name);
  // An ELB log is an ALB log with fewer fields.
  const others = ['csv', 'elb'];
  assert.deepEqual(names.map(({ name }) => name).sort(), [...tested, ...others].sort());
});

// Small files are parsed by PostgreSQL. This one is encoded, in a thread.
test('a large file is encoded, and its errors have the line of the file', async () => {
  await insertFormat('large', {
    comment_prefix: '#',
    skip_lines: 2,
    csv_delimiter: ';',
    decimal_separator: ',',
  });
  const lines = Array.from({ length: 200_000 }, (_, n) => (n % 1000 === 5 ? `# ${n}\n${n};0,5` : `${n};0,5`));
  const head = 'intro\n\nn;x\n';
  await db.query('create table large (n integer, x numeric)');
  world.put('large/1.csv', `${head}${lines.join('\n')}\n`);
  world.put('large/2.csv', `${head}${lines.join('\n')}\n`.replace('150000;0,5', '150000;0.5'));
  await world.insertConnector({
    name: 'large',
    pattern: 'large/*',
    target_table: 'large',
    file_format: 'large',
  });
  const [good, bad] = await world.settled('large');
  assert.deepEqual([good!.status, good!.rows_imported], ['success', 200_000], good!.error_message ?? '');
  assert.deepEqual(await db.query('select sum(n)::text as n, sum(x)::text as x from large'), [
    { n: '19999900000', x: '100000.0' },
  ]);
  // Three lines before the first row, and 150 comments.
  assert.match(bad!.error_message!, /line 150154, column x: .*"0.5 \(decimal separator ,\)"/);
});

test('rows that are left out are shown as the file has them, with their lines', async () => {
  await insertFormat('left out', {
    comment_prefix: '#',
    null_values: ['-'],
    date_format: 'DMY',
    csv_delimiter: '|',
  });
  await db.query('create table left_out (n integer, d date)');
  world.put('left/1.csv', 'n|d\n# one\n1|-\nx|01.02.2026\n# two\n3|31.31.2026\n4\n5|01.02.2026\n');
  await world.insertConnector({
    name: 'left out',
    pattern: 'left/*',
    target_table: 'left_out',
    file_format: 'left out',
    on_bad_row: 'skip',
  });
  const [file] = await world.settled('left out');
  assert.deepEqual(
    [file!.status, file!.rows_imported, file!.rows_rejected],
    ['success', 2, 3],
    file!.error_message ?? '',
  );
  assert.deepEqual(
    await db.query(
      "select line, column_name, raw from s3_connector.rejected_rows where connector_name = 'left out' order by line",
    ),
    [
      { line: 4, column_name: 'n', raw: 'x|01.02.2026' },
      { line: 6, column_name: 'd', raw: '3|31.31.2026' },
      { line: 7, column_name: null, raw: '4' },
    ],
  );
  assert.deepEqual(await db.query('select n, d::text from left_out order by n'), [
    { n: 1, d: null },
    { n: 5, d: '2026-02-01' },
  ]);
});

test('a new table has the types of the values as the format writes them', async () => {
  await insertFormat('new', {
    csv_delimiter: ';',
    decimal_separator: ',',
    thousands_separator: '.',
    date_format: 'DMY',
    column_names: 'snake',
  });
  world.put('new/1.csv', 'Order No;Amount;Day;Note\n1;1.234,5;31.12.2026;1,5 kg\n2;7;01.01.2026;x\n');
  await world.insertConnector({
    name: 'new',
    pattern: 'new/*',
    target_table: 'new_table',
    file_format: 'new',
  });
  await world.settled('new');
  assert.deepEqual(
    await db.query('select order_no, amount::text, day::text, note from new_table order by 1'),
    [
      { order_no: 1, amount: '1234.5', day: '2026-12-31', note: '1,5 kg' },
      { order_no: 2, amount: '7', day: '2026-01-01', note: 'x' },
    ],
  );
});

test('a column has a date format of its own', async () => {
  await db.query('create table own_format (a date, b timestamptz)');
  world.put('own/1.csv', 'a,b\n03/12/2026,1700000000000\n');
  await world.insertConnector({
    name: 'own',
    pattern: 'own/*',
    target_table: 'own_format',
    file_format: 'csv',
    state: 'paused',
  });
  await db.query(
    `insert into s3_connector.column_mappings (connector_name, source_column, target_column, date_format)
      values ('own', 'a', 'a', 'DMY'), ('own', 'b', 'b', 'epoch_ms')`,
  );
  await db.query("select s3_connector.resume('own')");
  const [file] = await world.settled('own');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(await db.query('select a::text, b::text from own_format'), [
    { a: '2026-12-03', b: '2023-11-14 22:13:20+00' },
  ]);
});

const ROW = 100_000;

/** Imports files, each into the same table, and returns the code and the message of each. */
async function refusals(
  name: string,
  format: Record<string, unknown>,
  table: string,
  files: (string | Buffer)[],
  columns: Record<string, unknown> = {},
) {
  await insertFormat(name, format);
  await db.query(`create table ${name} (${table})`);
  for (const [i, file] of files.entries()) world.put(`${name}/${i}.csv`, file);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_format: name,
    ...columns,
  });
  const settled = await world.settled(name);
  return settled.map(({ error_code, error_message }) => [
    error_code,
    // Without the key and the hint.
    error_message?.replace(/^[^:]*: /, '').replace(/\. [A-Z].*$/, '') ?? null,
  ]);
}

test('max_row_bytes counts the bytes of the file, also those of a comment', async () => {
  const head = 'a,b\n';
  const files = [
    // With quotes around each value it is longer.
    `${head}1,${'x'.repeat(ROW - 2)}\n`,
    `${head}1,${'x'.repeat(ROW - 1)}\n`,
    `${head}#${'x'.repeat(3 * ROW)}\n1,x\n`,
  ];
  const got = await refusals('long_rows', { comment_prefix: '#' }, 'a text, b text', files, {
    max_row_bytes: ROW,
  });
  assert.deepEqual(
    got.map(([code]) => code),
    [null, 'row_too_large', 'row_too_large'],
  );
  assert.match(got[2]![1]!, /line 2 /);
});

test('a NUL character that an escape stands for is refused with its line, and so is the end marker', async () => {
  const format = { layout: 'text', csv_delimiter: '\t', comment_prefix: '#' };
  const files = ['a\tb\n# no\n1\tx\n2\tx\\0\n', 'a\n# no\nx\n\\.\n'];
  const got = await refusals('escaped_nul', format, 'a text, b text', files);
  assert.deepEqual(got, [
    ['nul_character', 'NUL character at line 4, field 2: text in PostgreSQL cannot hold it'],
    [
      'end_of_data_marker',
      'line 4 is \\. alone, which PostgreSQL treats as the end of the data: it would drop the rest of the file',
    ],
  ]);
});

test('comments within a file name the same columns as its first', async () => {
  const format = { comment_prefix: '#', csv_delimiter: ' ', csv_skip_header: false };
  const files = [
    '#Fields: a b\n1 2\n#Fields: a b\n3 4\n',
    '#Fields: b a\n5 6\n',
    '#Fields: a b\n7 8\n#Fields: b a\n9 10\n',
  ];
  const got = await refusals('begun_anew', format, 'a integer, b integer', files);
  assert.deepEqual(got, [
    [null, null],
    [null, null],
    ['other_columns', 'the comment on line 3 names the columns "b", "a"; the file began with "a", "b"'],
  ]);
  assert.deepEqual(await db.query('select a, b from begun_anew order by a'), [
    { a: 1, b: 2 },
    { a: 3, b: 4 },
    { a: 6, b: 5 },
  ]);
});

test('texts beyond ASCII are refused for files that are not UTF-8', async () => {
  const format = { null_values: ['–', ''], csv_encoding: 'win1252' };
  const [[code]] = (await refusals('beyond', format, 'a text', ['a\n\x96\n'])) as [[string]];
  assert.equal(code, 'unsupported_encoding');
});

test('a bad row with newlines that are no line ends is left out alone', async () => {
  const name = 'cells';
  await db.query(`create table ${name} (n integer, note text)`);
  const rows = ['1,"a\nb\nc"', 'x,"a\nb\nc"', '3,y', '4,y', 'x,"a\nb"', '6,z'];
  world.put(`${name}/1.csv`, `n,note\r\n${rows.join('\r\n')}\r\n`);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_format: 'excel',
    on_bad_row: 'skip',
  });
  await world.settled(name);
  assert.deepEqual(
    (await db.query<{ n: number }>(`select n from ${name} order by n`)).map(({ n }) => n),
    [1, 3, 4, 6],
  );
  assert.deepEqual(
    await db.query(
      'select line, raw from s3_connector.rejected_rows where connector_name = $1 order by line',
      [name],
    ),
    [
      { line: 3, raw: 'x,"a\nb\nc"' },
      { line: 6, raw: 'x,"a\nb"' },
    ],
  );
});

test('numbers of a new table are no times unless their column has a date format', async () => {
  await insertFormat('seconds', { date_format: 'epoch' });
  world.put('seconds/1.csv', 'id,at\n1,1700000000\n');
  await world.insertConnector({
    name: 'seconds',
    pattern: 'seconds/*',
    target_table: 'seconds',
    file_format: 'seconds',
    state: 'paused',
  });
  await db.query(
    `insert into s3_connector.column_mappings (connector_name, source_column, target_column, date_format)
      values ('seconds', 'at', 'at', 'epoch')`,
  );
  await db.query("select s3_connector.resume('seconds')");
  const [file] = await world.settled('seconds');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(await db.query('select id::text, at::text from seconds'), [
    { id: '1', at: '2023-11-14 22:13:20+00' },
  ]);
});
