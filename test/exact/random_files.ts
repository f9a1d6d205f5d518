import fc from 'fast-check';
import { DIALECTS } from '../csv/random_csv.ts';
import type { Group } from './harness.ts';
import { SPELLINGS } from './spellings.ts';

// Random tables, and random files for them: mostly ordinary rows, with some unusual spellings and a few
// misplaced bytes.

/** Values of any size, for types with few spellings. */
const VALUES: Record<string, fc.Arbitrary<string>> = {
  integer: fc.integer().map(String),
  bigint: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  numeric: fc.stringMatching(/^-?[0-9]{1,40}(\.[0-9]{1,40})?(e-?[0-9]{1,3})?$/),
  'numeric(10,2)': fc.double({ min: -1e8, max: 1e8, noNaN: true }).map(String),
  real: fc.oneof(fc.float().map(String), fc.double().map(String)),
  'double precision': fc.oneof(
    fc.double().map(String),
    fc.stringMatching(/^-?[0-9]{1,25}(\.[0-9]{1,25})?(e-?[0-9]{1,3})?$/),
  ),
  text: fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.replaceAll('\0', '')),
  'varchar(4)': fc.string({ unit: 'grapheme', maxLength: 5 }),
  date: fc.date({ noInvalidDate: true }).map((date) => date.toISOString().replace(/T.*/, '')),
  timestamp: fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  timestamptz: fc
    .tuple(fc.date({ noInvalidDate: true }), fc.constantFrom('', 'Z', '+05:30', '-08'), fc.nat(9_999_999))
    .map(
      ([date, zone, part]) => `${date.toISOString().slice(0, -5)}.${String(part).padStart(7, '0')}${zone}`,
    ),
  uuid: fc.uuid(),
  json: fc.json(),
  jsonb: fc.json(),
  bytea: fc.uint8Array({ maxLength: 20 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
};

export interface Column {
  type: string;
  usual: fc.Arbitrary<string>;
  wild: fc.Arbitrary<string>;
}

/** Types that need no definition but their name. */
export const columns: fc.Arbitrary<Column> = fc.constantFrom(
  ...Object.values(SPELLINGS)
    .filter(({ setup, extension }) => setup === undefined && extension === undefined)
    .map(({ type, usual, wild }) => ({
      type,
      usual: VALUES[type]
        ? fc.oneof(fc.constantFrom(...usual), VALUES[type])
        : (fc.constantFrom(...usual) as fc.Arbitrary<string>),
      wild: fc.constantFrom(...wild),
    })),
);

/** Bytes that change the meaning of others. */
const strayBytes = fc.constantFrom(
  ...['"', '""', ',', ';', '\n', '\r', '\r\n', '\\', '\\.\n', '\n\\.\n', ' ', '\t', "'", '|', '\n\n', '\x01'],
  ...['\0', '\xff', '\xc3', '\xef\xbb\xbf', 'NULL', '-', ''],
);

const quotings = fc.constantFrom('needed', 'needed', 'always', 'numbers');

/** One connector, its table, and some files for it. */
export const randomGroups: fc.Arbitrary<Group> = fc
  .record({
    columns: fc.array(columns, { minLength: 1, maxLength: 6 }),
    dialect: fc.constantFrom(...DIALECTS),
    header: fc.boolean(),
    newline: fc.constantFrom('\n', '\n', '\r\n', '\r'),
    time_zone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu'),
    withId: fc.boolean(),
  })
  .chain((form) =>
    fc.array(fileOf(form), { minLength: 1, maxLength: 5 }).map((files): Group => {
      const { dialect, header, time_zone, withId } = form;
      const names = form.columns.map((_, i) => `c${i}`);
      const start = header ? names.join(dialect.delimiter) + form.newline : '';
      return {
        columns: form.columns.map(({ type }, i) => `c${i} ${type}`).join(', '),
        fills: names,
        settings: {
          csv_delimiter: dialect.delimiter,
          csv_quote: dialect.quote,
          csv_escape: dialect.escape,
          csv_null: dialect.nullText,
          csv_skip_header: header,
          time_zone,
          ...(withId ? { file_id_column: 'file_id' } : {}),
        },
        files: Object.fromEntries(
          files.map((body, i) => [`file ${i}`, Buffer.concat([Buffer.from(start), body])]),
        ),
      };
    }),
  );

interface Form {
  columns: Column[];
  dialect: (typeof DIALECTS)[0];
  newline: string;
}

function fileOf({ columns, dialect, newline }: Form): fc.Arbitrary<Buffer> {
  const row = fc.tuple(...columns.map(({ usual }) => fc.option(usual, { freq: 6 })));
  const wildCell = fc
    .nat(columns.length - 1)
    .chain((column) => fc.tuple(fc.constant(column), fc.nat(), columns[column]!.wild));
  return fc
    .record({
      rows: fc.array(row, { maxLength: 12 }),
      wild: fc.array(wildCell, { maxLength: 3 }),
      quoting: quotings,
      stray: fc.option(fc.tuple(fc.nat(), fc.nat(3), strayBytes), { freq: 1 }),
      open: fc.boolean(),
    })
    .map(({ rows, wild, quoting, stray, open }) => {
      const cells = rows.map((values) => [...values]);
      for (const [column, at, spelling] of wild) {
        if (cells.length > 0) cells[at % cells.length]![column] = spelling;
      }
      const lines = cells.map((values) =>
        values.map((value) => writeField(value, dialect, quoting)).join(dialect.delimiter),
      );
      const text = Buffer.from(lines.join(newline) + (open || lines.length === 0 ? '' : newline));
      if (stray === null) return text;
      const at = stray[0] % (text.length + 1);
      return Buffer.concat([
        text.subarray(0, at),
        Buffer.from(stray[2], 'latin1'),
        text.subarray(at + stray[1]),
      ]);
    });
}

function writeField(value: string | null, dialect: Form['dialect'], quoting: string): string {
  const { delimiter, quote, escape: escapeChar, nullText } = dialect;
  if (value === null) return nullText;
  const special = [delimiter, quote, escapeChar, '\n', '\r'].some((char) => value.includes(char));
  const wanted = quoting === 'always' || (quoting === 'numbers' && /^\d/.test(value));
  if (!special && !wanted && value !== nullText) return value;
  const escaped = Array.from(value, (char) =>
    char === quote || char === escapeChar ? escapeChar + char : char,
  );
  return quote + escaped.join('') + quote;
}
