import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/** A row: its columns in binary form, hashed, and as text. */
export interface Row {
  bits: string;
  shown: string;
}

/** The result of a file: its rows, or the refusal, as `line 2, column a: why` if it has a place. */
export type Outcome =
  /** With the lines of left-out rows, if any. */
  { rows: Row[]; rejected: number[] } | { rows: null; code: string; message: string };

/** The columns of a connector that define how a file is read, with their defaults. */
export interface Options {
  csv_delimiter?: string;
  csv_quote?: string;
  csv_escape?: string;
  csv_null?: string;
  csv_encoding?: string;
  csv_skip_header?: boolean;
  time_zone?: string | undefined;
  file_format?: string;
}

/** The name of a file format with the layout text. */
export const TEXT_LAYOUT = 'text layout';

/** Runs PostgreSQL's own COPY on the bytes, and rolls it back. */
export async function copyByHand(
  client: pg.Client,
  table: string,
  columns: string[],
  bytes: Buffer,
  options: Options,
  rows: string,
): Promise<Outcome> {
  const zone = pg.escapeLiteral(options.time_zone ?? 'UTC');
  await client.query(`begin; set local timezone to ${zone}; set local intervalstyle to postgres`);
  try {
    const copy = client.query(copyFrom(statement(table, columns, options)));
    await pipeline(Readable.from([bytes]), copy);
    return { rows: (await client.query<Row>(rows)).rows, rejected: [] };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    return { rows: null, code: error.code!, message: `${placeOf(error)}${reasonOf(error)}` };
  } finally {
    await client.query('rollback');
  }
}

function statement(table: string, columns: string[], options: Options): string {
  const {
    csv_delimiter = ',',
    csv_quote = '"',
    csv_escape = '"',
    csv_null = '',
    csv_encoding = 'utf-8',
  } = options;
  const isText = options.file_format === TEXT_LAYOUT;
  const encoding = csv_encoding.startsWith('utf-16') ? 'utf-8' : csv_encoding;
  const list = Object.entries({
    delimiter: csv_delimiter,
    ...(isText ? {} : { quote: csv_quote, escape: csv_escape }),
    null: csv_null,
    encoding,
  }).map(([name, value]) => `${name} ${pg.escapeLiteral(value)}`);
  return `copy ${table} (${columns.join(', ')}) from stdin
    with (format ${isText ? 'text' : 'csv'}, header ${options.csv_skip_header ?? false}, ${list.join(', ')})`;
}

function placeOf({ where }: pg.DatabaseError): string {
  const found = /COPY \w+, line (\d+)(?:, column (\w+|"(?:[^"]|"")+"))?/.exec(where ?? '');
  if (!found) return '';
  return `line ${found[1]}${found[2] === undefined ? '' : `, column ${found[2]}`}: `;
}

function reasonOf({ message, detail }: pg.DatabaseError): string {
  return detail ? `${message} (${detail})` : message;
}
