/** The objects that histories put into the bucket: small files with odd values, bad rows and new columns. */
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { zipSync } from 'fflate';
import { toParquet } from './parquet_bodies.ts';

/** A row, or a change of a row. */
export interface Row {
  op: 'I' | 'U' | 'D';
  id: number;
  v: number | null;
  w: string | null;
}

/** What is wrong with one row: `word`: a text in a column of integers; `wide`: a bigint; `long`: one field too many. */
export type Flaw = 'none' | 'word' | 'wide' | 'long';

export interface Body {
  rows: Row[];
  flaw: Flaw;
  /** How many columns the table does not have at first. */
  extra: 0 | 1 | 2;
  packing: Packing;
  /** Whether the file has so many rows that a thread encodes it. */
  large: boolean;
}

/** How a text is compressed. Parquet is not compressed a second time. */
export type Packing = 'none' | 'gzip' | 'zip' | 'zstd';

export type Kind = 'append' | 'merge' | 'changes';
export type Format = 'csv' | 'json' | 'parquet';

/** One version of an object. */
export interface Version {
  /** Unique: it is a value of every row, so two versions never have the same ETag. */
  number: number;
  etag: string;
  bytes: Buffer;
  body: Body;
  /** The text of each row, as the file has it, and the line on which it starts. Of Parquet, the oracle reads the rows. */
  records: { text: string; line: number }[];
  header: string;
  columns: string[];
}

/** Rows that make a file large: see ENCODE_CSV_FROM_BYTES in world.ts. */
const LARGE_ROWS = 150;
const WORDS = ['a', '', ' blank ', 'a, b', 'say "hi"', 'two\nlines', 'é€😀', 'NULL', '\\N', '\\.x', "it's"];

const arbitraryRow: fc.Arbitrary<Row> = fc.record({
  op: fc.constantFrom('I', 'U', 'D'),
  id: fc.integer({ min: 0, max: 4 }),
  v: fc.option(fc.integer({ min: -3, max: 99 }), { freq: 5 }),
  w: fc.option(fc.constantFrom(...WORDS), { freq: 5 }),
});

export const arbitraryBody: fc.Arbitrary<Body> = fc.record({
  rows: fc.array(arbitraryRow, { maxLength: 3 }),
  flaw: fc.oneof(
    { weight: 8, arbitrary: fc.constant<Flaw>('none') },
    { weight: 3, arbitrary: fc.constantFrom<Flaw>('word', 'wide', 'long') },
  ),
  extra: fc.oneof(
    { weight: 6, arbitrary: fc.constant<0 | 1 | 2>(0) },
    { weight: 2, arbitrary: fc.constantFrom<0 | 1 | 2>(1, 2) },
  ),
  packing: fc.constantFrom('none', 'none', 'none', 'gzip', 'gzip', 'zstd', 'zip'),
  large: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

/** Most are good, because one bad file ends its bundle. */
export const arbitrarySmallBody: fc.Arbitrary<Body> = fc
  .tuple(arbitraryBody, fc.integer({ min: 0, max: 19 }))
  .map(([body, dice]) =>
    dice === 19
      ? body
      : { ...body, flaw: 'none', extra: 0, packing: body.packing === 'zip' ? 'none' : body.packing },
  );

export function showBody({ rows, flaw, extra, packing, large }: Body): string {
  const marks = [
    ...(flaw === 'none' ? [] : [flaw]),
    ...(extra > 0 ? [`${extra} more columns`] : []),
    ...(packing === 'none' ? [] : [packing]),
    ...(large ? ['large'] : []),
  ];
  const shown = rows.map(({ op, id, v, w }) => `${op}${id}:${v}:${JSON.stringify(w)}`);
  return `[${shown.join(' ')}]${marks.length > 0 ? ` (${marks.join(', ')})` : ''}`;
}

let versions = 0;

/** Returns the flaw of a body as a file of this format: only CSV can have a long row, and a column of Parquet has one type. */
export function flawOf({ flaw }: Body, format: Format): Flaw {
  if (flaw === 'long' && format !== 'csv') return 'none';
  return flaw === 'word' && format === 'parquet' ? 'none' : flaw;
}

/** Writes a body as an object; its ETag is known when the bucket has stored it. */
export async function writeVersion(body: Body, kind: Kind, format: Format): Promise<Omit<Version, 'etag'>> {
  versions += 1;
  const number = versions;
  const flaw = flawOf(body, format);
  const rows = rowsOf(body, kind);
  const extras = Array.from({ length: body.extra }, (_, i) => `x${i + 1}`);
  const columns = [...(kind === 'changes' ? ['Op'] : []), 'ver', 'id', 'v', 'w', ...extras];
  const { header, texts } =
    format === 'csv'
      ? csvOf(number, rows, columns, flaw)
      : { header: '', texts: jsonOf(number, rows, columns, flaw) };
  let line = header === '' ? 1 : 2;
  const records = texts.map((text) => {
    const record = { text, line };
    line += text.split('\n').length - 1;
    return record;
  });
  const bytes =
    format === 'parquet'
      ? await parquetOf(number, rows, columns, flaw)
      : pack(Buffer.from(header + texts.join('')), body.packing);
  return { number, bytes, body, records, header, columns };
}

function pack(text: Buffer, packing: Packing): Buffer {
  switch (packing) {
    case 'none':
      return text;
    case 'gzip':
      return gzipSync(text);
    case 'zstd':
      return zstdCompressSync(text);
    case 'zip':
      return Buffer.from(zipSync({ rows: text }));
  }
}

/** A merge has each key once in a file, because PostgreSQL refuses to update a row twice. */
function rowsOf({ rows, large, flaw, extra }: Body, kind: Kind): Row[] {
  const more: Row[] = Array.from({ length: large ? LARGE_ROWS : 0 }, (_, i) => ({
    op: 'I',
    id: 10 + i,
    v: i,
    w: `row ${i}`,
  }));
  // A flaw needs a row, and a column needs a value.
  const needed: Row[] = flaw !== 'none' || extra > 0 ? [{ op: 'I', id: 9, v: 1, w: 'last' }] : [];
  const all = [...rows, ...more, ...needed];
  return kind === 'merge' ? all.filter((row, i) => all.findIndex(({ id }) => id === row.id) === i) : all;
}

function csvOf(
  number: number,
  rows: Row[],
  columns: string[],
  flaw: Flaw,
): { header: string; texts: string[] } {
  const texts = rows.map((row, i) => {
    const isBad = flaw !== 'none' && i === rows.length - 1;
    const fields = columns.map((column) => csvField(fieldOf(column, number, row, isBad ? flaw : 'none')));
    return `${[...fields, ...(isBad && flaw === 'long' ? ['more'] : [])].join(',')}\n`;
  });
  return { header: `${columns.join(',')}\n`, texts };
}

function jsonOf(number: number, rows: Row[], columns: string[], flaw: Flaw): string[] {
  return rows.map((row, i) => {
    const isBad = flaw !== 'none' && i === rows.length - 1;
    const fields = columns.map((column) => [column, fieldOf(column, number, row, isBad ? flaw : 'none')]);
    return `${JSON.stringify(Object.fromEntries(fields))}\n`;
  });
}

async function parquetOf(number: number, rows: Row[], columns: string[], flaw: Flaw): Promise<Buffer> {
  const typed = columns.map((name) => {
    const type = name === 'v' && flaw === 'wide' ? 'BIGINT' : 'INTEGER';
    return { name, type: /^(ver|id|v)$/.test(name) ? type : 'VARCHAR' } as const;
  });
  const values = rows.map((row, i) => {
    const isBad = flaw !== 'none' && i === rows.length - 1;
    return columns.map((column) => fieldOf(column, number, row, isBad ? flaw : 'none'));
  });
  return await toParquet(typed, values);
}

function fieldOf(column: string, number: number, row: Row, flaw: Flaw): string | number | null {
  if (column === 'Op') return row.op;
  if (column === 'ver') return number;
  if (column === 'v') return flaw === 'word' ? 'n/a' : flaw === 'wide' ? 3_000_000_000 : row.v;
  if (column === 'id' || column === 'w') return row[column];
  return `${column} of ${row.id}`;
}

function csvField(value: string | number | null): string {
  if (value === null) return '';
  const text = String(value);
  return text === '' || /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
