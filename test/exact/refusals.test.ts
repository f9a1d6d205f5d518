import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { zipSync } from 'fflate';
import type pg from 'pg';
import { pick, seeded } from '../support/random.ts';
import { openWorld } from '../support/world.ts';
import { startWorker, WAYS } from './harness.ts';
import { copyByHand, type Options } from './oracle.ts';

// Rows that are left out have the same line, column and reason as when COPY refuses each of them alone.

const COLUMNS = ['a', 'b', 'c', 'd'];
const TABLE = 'a integer, b text, c numeric(6,2), d small';

/** Rows of four fields, with what is wrong in each; bytes as Latin-1. */
const RECORDS = {
  good: ['7,x,1,1', '8,"two\nlines",2,2', ',,,', '9,"a ""quoted"" one",1.5,3'],
  badValues: ['bad,x,1,1', '7,x,bad,1', '7,x,1,0', '7,"two\nlines",bad,1', '7,x,99999,1', '"",x,1,1'],
  short: ['7', '7,x', '7,x,1', '', '7,"two\n\nlines"', ',', '"7"'],
  shortAndBad: ['bad', 'bad,x', '7,x,bad', 'bad,x,1', '7,x,99999', '""', '1.5,"two\nlines"'],
  long: ['7,x,1,1,', '7,x,1,1,1', '7,"two\nlines",1,1,"a\nb"', ',,,,,,,,,'],
  longAndBad: ['bad,x,1,1,1', '7,x,1,0,1', ',,bad,,,'],
  encoding: ['7,\xff,1,1', '7,\xff', '7,\xe2\x82', '7,x,1,1,\xff', '7,x,1,1,\xe2\x82', '\xff'],
  beyondAscii: ['7,\xc3\xa4,1,1', '7,\xc3\xa4', '7,\xe6\x97\xa5,1,1,\xe6\x97\xa5', 'bad,\xc3\xa4'],
};
const ALL = Object.values(RECORDS).flat();
/** With carriage returns, COPY names the row before one in a wrong encoding; in Shift-JIS a lead byte swallows a newline. */
const WELL_ENCODED = Object.entries(RECORDS).flatMap(([kind, records]) =>
  kind === 'encoding' ? [] : records,
);
const ASCII = WELL_ENCODED.filter((record) => !/[\x80-\xff]/.test(record));
const SHIFT_JIS = [
  ...ASCII,
  '7,\x83\x5c',
  '7,\x83\x5c,1,1',
  '7,x,1,1,\x83\x22',
  '7,x,1,1,"\x83\x22\n"',
  '7,\x81\xffx',
];

interface Case {
  name: string;
  settings: Options & Record<string, unknown>;
  /** As bytes in Latin-1, without their newlines. */
  records: string[];
  newline: string;
}

const mixed = (seed: number, count: number, from: readonly string[] = ALL) => {
  const random = seeded(seed);
  return Array.from({ length: count }, () => pick(random, from));
};
const runs = (seed: number, count: number) => {
  const random = seeded(seed);
  return Array.from({ length: count }, () =>
    new Array<string>(1 + random(80)).fill(pick(random, ALL)),
  ).flat();
};
const lines = (records: string[], newline: string) =>
  records.map((record) => record.replaceAll('\n', newline));

const headed = { csv_skip_header: true };
const headless = { csv_skip_header: false };
const other = { csv_delimiter: ';', csv_quote: "'", csv_escape: '\\', csv_null: 'NULL' };
const dialect = (record: string) =>
  record
    .replaceAll(',', ';')
    .replace(/""quoted""/, "\\'quoted\\'")
    .replaceAll('"', "'");

const CASES: Case[] = [
  { name: 'all kinds of rows', settings: headed, records: mixed(1, 300), newline: '\n' },
  { name: 'runs of one kind', settings: headed, records: runs(2, 20), newline: '\n' },
  { name: 'no header', settings: headless, records: ['7,x,1,1', ...mixed(3, 100)], newline: '\n' },
  { name: 'carriage return and line feed', settings: headed, records: mixed(4, 150), newline: '\r\n' },
  { name: 'no header, both', settings: headless, records: ['7,x,1,1', ...mixed(5, 80)], newline: '\r\n' },
  { name: 'carriage returns', settings: headed, records: mixed(6, 100, WELL_ENCODED), newline: '\r' },
  { name: 'all rows short', settings: headed, records: mixed(7, 200, RECORDS.short), newline: '\n' },
  { name: 'all rows long', settings: headed, records: mixed(8, 200, RECORDS.long), newline: '\n' },
  {
    name: 'short, with bad values',
    settings: headed,
    records: mixed(9, 100, RECORDS.shortAndBad),
    newline: '\n',
  },
  {
    name: 'another dialect',
    settings: { ...headed, ...other },
    records: mixed(10, 150).map(dialect),
    newline: '\n',
  },
  ...['latin1', 'win1252', 'euc_kr', 'sjis'].map((csv_encoding, i) => ({
    name: `in ${csv_encoding}`,
    settings: { ...headed, csv_encoding },
    records: mixed(11 + i, 100, csv_encoding === 'sjis' ? SHIFT_JIS : [...ALL, '7,x,1,1,\x81', '7,x\x81,1']),
    newline: '\n',
  })),
];

interface Refused {
  line: number;
  column: string | null;
  reason: string;
}

const world = await openWorld();
const { db } = world;
const expected = new Map<Case, { refused: Refused[]; taken: number }>();

before(async () => {
  await db.query('create domain small as integer check (value > 0 and value < 100)');
  const client = await db.connect();
  await client.query(`create table judged (${TABLE})`);
  for (const each of CASES) expected.set(each, await judge(client, each));
  await client.end();
});

/** Gives COPY each row alone. */
async function judge(client: pg.Client, { settings, records, newline }: Case) {
  const refused: Refused[] = [];
  let line = settings.csv_skip_header ? 2 : 1;
  for (const record of lines(records, newline)) {
    // A line before it tells COPY the newline of the file.
    const bytes = Buffer.from(`h${newline}${record}${newline}`, 'latin1');
    const options = { ...settings, csv_skip_header: true };
    const outcome = await copyByHand(client, 'judged', COLUMNS, bytes, options, 'select 1');
    if (outcome.rows === null) {
      const [, column, reason] = /^(?:line \d+(?:, column (\w+))?: )?(.*)$/s.exec(outcome.message)!;
      refused.push({ line, column: column ?? null, reason: reason! });
    }
    line += `${record}${newline}`.split(newline).length - 1;
  }
  return { refused, taken: records.length - refused.length };
}

function fileOf({ settings, records, newline }: Case): Buffer {
  const header = settings.csv_skip_header ? [COLUMNS.join(settings.csv_delimiter ?? ',')] : [];
  return Buffer.from(lines([...header, ...records], newline).join(newline) + newline, 'latin1');
}

let tables = 0;

/** Imports a case's rows, and returns the refused ones. */
async function refusedOf(each: Case, body: Buffer, settings = {}, columns = TABLE) {
  const table = `refused_${++tables}`;
  await db.query(`create table ${table} (${columns})`);
  world.put(`${table}/1`, body);
  await world.insertConnector({
    name: table,
    pattern: `${table}/*`,
    target_table: table,
    on_bad_row: 'skip',
    max_bad_rows: null,
    ...each.settings,
    ...settings,
  });
  const [file] = await world.settled(table);
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  const { count } = await db.one<{ count: number }>(`select count(*) from ${table}`);
  const refused = await db.query<Refused>(
    'select line, column_name as column, error as reason from s3_connector.rejected_rows where connector_name = $1 order by line',
    [table],
  );
  return { taken: count, refused: refused.toSorted((one, two) => one.line - two.line) };
}

for (const [name, way] of Object.entries(WAYS)) {
  test(`rows that are left out have COPY's error messages, ${name}`, async (t) => {
    const worker = await startWorker(world, way);
    for (const each of CASES)
      await t.test(each.name, async () => {
        assert.ok(expected.get(each)!.refused.length > 20);
        const { refused, taken } = await refusedOf(each, fileOf(each), { file_format: way.file_format });
        // After a broken character, the normal form has a quote.
        const broken = /(invalid byte sequence .*?: 0x..).*/;
        const said = (rows: Refused[]) =>
          way.file_format === 'csv'
            ? rows
            : rows.map((row) => ({ ...row, reason: row.reason.replace(broken, '$1') }));
        const copy = expected.get(each)!;
        assert.deepEqual([said(refused), taken], [said(copy.refused), copy.taken]);
      });
    await worker.end('SIGTERM');
  });
}

test('where the reader rewrites rows, it refuses ragged rows itself and leaves the others to COPY', async (t) => {
  const worker = await world.startWorker();
  const each = CASES[0]!;
  const { refused, taken } = expected.get(each)!;
  const isRagged = ({ reason }: Refused) => /^(extra data|missing data)/.test(reason);
  const body = fileOf(each);
  const ways: Record<string, [settings: Record<string, unknown>, columns: string, isWhole: boolean]> = {
    'the file id is added': [{ file_id_column: 'file_id' }, `${TABLE}, file_id bigint`, true],
    'a column is left out': [{ on_unknown_column: 'ignore' }, 'a integer, b text, d small', false],
  };
  for (const [name, [settings, columns, isWhole]] of Object.entries(ways)) {
    await t.test(name, async () => {
      const ours = await refusedOf(each, body, settings, columns);
      const ragged = ours.refused.filter(({ reason }) => /^expected 4 fields, got \d+/.test(reason));
      const said = new Map(refused.map((row) => [row.line, row]));
      // COPY does not check the values of a short row, nor those of left-out columns.
      for (const row of refused.filter(isRagged)) assert.ok(ragged.some(({ line }) => line === row.line));
      for (const row of ours.refused)
        if (!ragged.includes(row)) assert.deepEqual(row, said.get(row.line), `line ${row.line}`);
      if (isWhole)
        assert.deepEqual(
          ours.refused.map(({ line }) => line),
          refused.map(({ line }) => line),
        );
      else assert.ok(ours.taken > taken);
    });
  }
  await worker.end('SIGTERM');
});

test('entries of an archive are checked one by one', async () => {
  const worker = await world.startWorker();
  const list = CASES.slice(0, 3).filter(({ settings }) => settings === headed);
  const zip = Buffer.from(zipSync(Object.fromEntries(list.map((each, i) => [`${i}.csv`, fileOf(each)]))));
  const ours = await refusedOf(list[0]!, zip);
  const wanted = list
    .flatMap((each) => expected.get(each)!.refused)
    .toSorted((one, two) => one.line - two.line);
  const sorted = (rows: Refused[]) => rows.map((row) => JSON.stringify(row)).toSorted();
  assert.deepEqual(sorted(ours.refused), sorted(wanted));
  await worker.end('SIGTERM');
});
