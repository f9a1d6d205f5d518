import fc from 'fast-check';
import type { Group } from './harness.ts';
import { TEXT_LAYOUT } from './oracle.ts';
import { type Column, columns } from './random_files.ts';

// Random files in COPY's text format.

const FORMS = [
  { delimiter: '\t', nullText: '\\N' },
  { delimiter: ',', nullText: '\\N' },
  { delimiter: '|', nullText: '' },
  { delimiter: '\t', nullText: 'NULL' },
];
type Form = (typeof FORMS)[0] & { columns: Column[]; newline: string };

/** Bytes that change the meaning of others. */
const strayBytes = fc.constantFrom(
  ...[
    '\\',
    '\\\\',
    '\\N',
    '\\t',
    '\\n',
    '\\r',
    '\\x41',
    '\\x',
    '\\101',
    '\\0',
    '\\8',
    '\\"',
    '\\,',
    '\\|',
    '\\\t',
    '\\g',
  ],
  ...[
    '\\b\\f\\v',
    '\\\n',
    '\\\r',
    '\\\r\n',
    '\n\\.\n',
    '"',
    ',',
    '|',
    '\t',
    '\n',
    '\r',
    '\r\n',
    '\0',
    '\xff',
    '\\xc3\\xa4',
    '\\xff',
  ],
);

export const randomTextGroups: fc.Arbitrary<Group> = fc
  .record({
    form: fc.constantFrom(...FORMS),
    columns: fc.array(columns, { minLength: 1, maxLength: 5 }),
    header: fc.boolean(),
    newline: fc.constantFrom('\n', '\n', '\r\n', '\r'),
    withId: fc.boolean(),
  })
  .chain(({ form, columns, header, newline, withId }) =>
    fc.array(fileOf({ ...form, columns, newline }), { minLength: 1, maxLength: 5 }).map((files): Group => {
      const names = columns.map((_, i) => `c${i}`);
      const start = header ? names.join(form.delimiter) + newline : '';
      return {
        columns: columns.map(({ type }, i) => `c${i} ${type}`).join(', '),
        fills: names,
        settings: {
          file_format: TEXT_LAYOUT,
          csv_delimiter: form.delimiter,
          csv_null: form.nullText,
          csv_skip_header: header,
          ...(withId ? { file_id_column: 'file_id' } : {}),
        },
        files: Object.fromEntries(
          files.map((body, i) => [`file ${i}`, Buffer.concat([Buffer.from(start), body])]),
        ),
      };
    }),
  );

function fileOf(form: Form): fc.Arbitrary<Buffer> {
  const row = fc.tuple(
    ...form.columns.map(({ usual, wild }) =>
      fc.option(fc.oneof({ weight: 30, arbitrary: usual }, { weight: 1, arbitrary: wild }), { freq: 6 }),
    ),
  );
  return fc
    .record({
      rows: fc.array(row, { maxLength: 12 }),
      named: fc.boolean(),
      strays: fc.array(fc.tuple(fc.nat(), fc.nat(1), strayBytes), { maxLength: 2 }),
      open: fc.boolean(),
    })
    .map(({ rows, named, strays, open }) => {
      const lines = rows.map((values) =>
        values.map((value) => writeField(value, form, named)).join(form.delimiter),
      );
      let bytes = Buffer.from(lines.join(form.newline) + (open || lines.length === 0 ? '' : form.newline));
      for (const [place, without, stray] of strays) {
        const at = place % (bytes.length + 1);
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(stray, 'latin1'),
          bytes.subarray(at + without),
        ]);
      }
      return bytes;
    });
}

/** @param named whether control characters are written as `\n` */
function writeField(value: string | null, { delimiter, nullText }: Form, named: boolean): string {
  if (value === null) return nullText;
  const escaped = value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', named ? '\\n' : '\\x0a')
    .replaceAll('\r', named ? '\\r' : '\\015')
    .replaceAll(delimiter, `\\${delimiter}`);
  return escaped === nullText ? escaped.replace(/^(.)/, '\\x4e') : escaped;
}
