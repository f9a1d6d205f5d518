import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openWorld } from '../support/world.ts';

// Files that people could not load elsewhere, with the settings that load them, and the rows that must be in the table. Each is
// loaded plain and compressed, with line ends of Windows, and with its rows many times, so that values are encoded as well.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker({ ENCODE_CSV_FROM_BYTES: '1000' }));

interface Case {
  what: string;
  /** Header, if there is one, rows and what follows them. */
  head?: string;
  body: string;
  foot?: string;
  format?: Record<string, unknown>;
  table?: string;
  settings?: Record<string, unknown>;
  rows: unknown[][];
  rejected?: number;
}

const CASES: Case[] = [
  {
    what: 'a report with comments, a blank line and totals',
    head: '# ------\n# Analytics\n# 20260101-20260131\n\nDate,Users\n',
    body: '20260101,"1,234"\n20260102,99\n',
    foot: ',"1,333"\n',
    format: { comment_prefix: '#', skip_blank_lines: true, skip_footer: 1, thousands_separator: ',' },
    table: '"Date" date, "Users" integer',
    rows: [
      ['2026-01-01', 1234],
      ['2026-01-02', 99],
    ],
  },
  {
    what: 'a blank line at the end',
    head: 'id,v\n',
    body: '1,2\n',
    foot: '\n',
    format: { skip_blank_lines: true },
    table: 'id integer, v integer',
    rows: [[1, 2]],
  },
  {
    what: 'rows with a field more than the header',
    head: 'id,side\n',
    body: '1,sell,0\n',
    format: { on_long_row: 'cut' },
    table: 'id integer, side text',
    rows: [[1, 'sell']],
  },
  {
    what: 'quoted words for null',
    head: '"id","v"\n',
    body: '"1","NULL"\n"2",NULL\n"3","4"\n',
    format: { null_values: ['NULL'], null_quoted: true },
    table: 'id integer, v integer',
    rows: [
      [1, null],
      [2, null],
      [3, 4],
    ],
  },
  {
    what: 'quoted empty numbers',
    head: 'id,v\n',
    body: '"1",""\n"2","5"\n',
    format: { null_quoted: true },
    table: 'id integer, v integer',
    rows: [
      [1, null],
      [2, 5],
    ],
  },
  {
    what: 'days before months, some rows with both below 13, of which bad ones are left out',
    head: 'id,d\n',
    body: '1,31/12/2026\n2,01/02/2026\n3,13/02/2026\n4,02/13/2026\n',
    format: { date_format: 'DMY' },
    table: 'id integer, d date',
    settings: { on_bad_row: 'skip' },
    rows: [
      [1, '2026-12-31'],
      [2, '2026-02-01'],
      [3, '2026-02-13'],
    ],
    rejected: 1,
  },
  {
    what: 'a header with blanks',
    head: 'id, name ,amount\n',
    body: '1, x ,5\n',
    format: { column_names: 'snake' },
    table: 'id integer, name text, amount integer',
    rows: [[1, ' x ', 5]],
  },
  {
    what: 'empty texts that are NUL characters',
    body: '1\ta\n2\t\0\n3\t\n',
    format: {
      csv_delimiter: '\t',
      csv_quote: '',
      csv_skip_header: false,
      invalid_text: 'replace',
      null_values: ['', '\ufffd'],
    },
    table: 'a integer, b text',
    rows: [
      [1, 'a'],
      [2, null],
      [3, null],
    ],
  },
  {
    what: 'a row with a NUL character',
    head: 'id,v\n',
    body: '1,ok\n2,a\0b\n',
    table: 'id integer, v text',
    settings: { on_bad_row: 'skip', max_bad_rows: null },
    rows: [[1, 'ok']],
    rejected: 1,
  },
  {
    what: 'a first row that is short, without a header',
    body: '2,b,3\n4,c\n',
    table: 'a integer, b text, c integer',
    settings: { csv_skip_header: false, on_bad_row: 'skip', max_bad_rows: null },
    rows: [[2, 'b', 3]],
    rejected: 1,
  },
  {
    what: 'numbers with a leading zero or a plus sign, in text',
    head: 'zip,phone\n',
    body: '00501,+491234567\n12345,491234567\n',
    table: 'zip text, phone text',
    rows: [
      ['00501', '+491234567'],
      ['12345', '491234567'],
    ],
  },
  {
    what: 'a delimiter at the end of each row',
    head: 'a,b,\n',
    body: '1,2,\n',
    table: 'a integer, b integer',
    settings: { on_unknown_column: 'ignore' },
    rows: [[1, 2]],
  },
];

/** How often the rows are repeated in the large form of a file. */
const TIMES = 500;
const windows = (text: string) => text.replaceAll('\n', '\r\n');

const FORMS: Record<string, (testCase: Case) => { file: string | Buffer; times: number }> = {
  plain: ({ head = '', body, foot = '' }) => ({ file: head + body + foot, times: 1 }),
  'without the last line end': ({ head = '', body, foot = '' }) => ({
    file: (head + body + foot).replace(/\n$/, ''),
    times: 1,
  }),
  compressed: ({ head = '', body, foot = '' }) => ({
    file: gzipSync(windows(head + body + foot)),
    times: 1,
  }),
  'with a byte order mark': ({ head = '', body, foot = '' }) => ({
    file: `\ufeff${head}${body}${foot}`,
    times: 1,
  }),
  large: ({ head = '', body, foot = '' }) => ({ file: head + body.repeat(TIMES) + foot, times: TIMES }),
};

let made = 0;

for (const testCase of CASES) {
  test(`${testCase.what}: the rows are right in every form of the file`, async () => {
    const { table, format = {}, settings = {}, rows, rejected = 0 } = testCase;
    const prefix = `reported_${++made}`;
    await world.insertFormat({ name: prefix, ...format });
    const names: Record<string, string> = {};
    for (const [i, [form, make]] of Object.entries(FORMS).entries()) {
      const name = `${prefix}_${i}`;
      names[form] = name;
      await db.query(`create table ${name} (${table})`);
      world.put(`${name}/1.csv`, make(testCase).file);
      await world.insertConnector({
        name,
        pattern: `${name}/*`,
        target_table: name,
        file_format: prefix,
        ...settings,
      });
    }
    for (const [form, make] of Object.entries(FORMS)) {
      const { times } = make(testCase);
      const [file] = await world.settled(names[form]!);
      assert.deepEqual(
        [file!.status, file!.rows_imported, file!.rows_rejected],
        ['success', times * rows.length, times * rejected],
        `${form}: ${file!.error_message}`,
      );
      const found = await db.query<{ row: Record<string, unknown>; times: number }>(
        `select to_json(t) as row, count(*)::integer as times from ${names[form]} t group by t order by t`,
      );
      assert.deepEqual(
        found.map(({ row, times }) => [Object.values(row), times]),
        rows.map((values) => [values, times]),
        form,
      );
    }
  });
}

test('a first file of blank lines makes no table, and the next one does', async () => {
  world.put('blank/1.csv', '\n \n');
  world.put('blank/2.csv', 'id,v\n1,2\n');
  await world.insertConnector({ name: 'blank', pattern: 'blank/*', target_table: 'blank' });
  const [first, second] = await world.settled('blank');
  assert.deepEqual([first!.error_code, second!.status], ['not_csv', 'success']);
  assert.deepEqual(await db.query('select id::integer, v::integer from blank'), [{ id: 1, v: 2 }]);
});

test('repeated names of a header are numbered by position, and refused by name with that hint', async () => {
  const file = 'id,name,name\n1,a,b\n';
  for (const [name, columns] of [
    ['twice', {}],
    ['twice_numbered', { match_columns_by: 'position' }],
  ] as const) {
    world.put(`${name}/1.csv`, file);
    await world.insertConnector({ name, pattern: `${name}/*`, target_table: name, ...columns });
  }
  const [byName] = await world.settled('twice');
  assert.equal(byName!.error_code, 'duplicate_column');
  assert.match(byName!.error_message!, /set match_columns_by to position/);
  await world.settled('twice_numbered');
  assert.deepEqual(await db.query('select id::integer, name, name_2 from twice_numbered'), [
    { id: 1, name: 'a', name_2: 'b' },
  ]);
});
