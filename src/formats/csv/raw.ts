/** COPY inputs in CSV format, which PostgreSQL parses itself. */
import pg from 'pg';
import { ConnectorError } from '../../errors.ts';
import type { ConstantColumn } from '../constants.ts';
import type { CopyInput } from '../format.ts';
import { type RowBytes, rowBytes } from '../row_bytes.ts';
import { type CsvDialect, copyEncoding } from './dialect.ts';
import { type Newline, newlineBytes } from './scanner.ts';

const NOTHING = new Uint8Array(0);

/** Where the rows are in the file. */
export interface RawPlace {
  newline: Newline | null;
  /** Maps a line of these rows to the file's line, both from 1. */
  lineOf(line: number): number;
}

/**
 * Returns the input for rows of a CSV file. An empty header line comes first: COPY learns the kind of newline from the first
 * line, and counts lines within quotes by it.
 */
export function rawInput(rows: RowBytes, dialect: CsvDialect, { newline, lineOf }: RawPlace): CopyInput {
  const lineEnd = newlineBytes(newline);
  return {
    options: `${copyOptions(dialect)}, header`,
    lineOf: (line) => lineOf(line - 1),
    unit: 'line',
    data: withEmptyLine(rows, lineEnd),
    bare: { head: lineEnd, rows, tail: NOTHING, lineEnd },
  };
}

/**
 * Returns bytes as a header line. COPY checks a header's encoding, but does not split it into fields.
 * @param bytes one line for COPY, without its line end
 */
export function headerInput(
  bytes: Uint8Array,
  dialect: CsvDialect,
  { newline, lineOf }: RawPlace,
): CopyInput {
  return {
    options: `${copyOptions(dialect)}, header`,
    lineOf,
    unit: 'line',
    data: rowBytes(Buffer.concat([bytes, newlineBytes(newline)]), 0),
  };
}

/**
 * Returns the constants as CSV fields, to append to each record; null if there are none.
 * @throws ConnectorError `unsupported_encoding` for characters beyond ASCII if the file is not UTF-8
 */
export function constantFields(constants: ConstantColumn[], dialect: CsvDialect): Buffer | null {
  if (constants.length === 0) return null;
  const fields = constants.map(({ target, value }) => {
    if (value === null) return dialect.nullText;
    // ASCII is the same in all of PostgreSQL's encodings. Other characters would have to be encoded.
    if (Buffer.byteLength(value) !== value.length && copyEncoding(dialect) !== 'UTF8')
      throw beyondAscii(target.name, value, dialect);
    return quoteField(value, dialect);
  });
  return Buffer.from(fields.join(dialect.delimiter));
}

/** Quotes every value, so that none is read as NULL. */
function quoteField(value: string, { quote, escape: escapeChar }: CsvDialect): string {
  const escaped = [...value].map((char) =>
    char === quote || char === escapeChar ? escapeChar + char : char,
  );
  return quote + escaped.join('') + quote;
}

function beyondAscii(column: string, value: string, { encoding }: CsvDialect): ConnectorError {
  return new ConnectorError(
    'unsupported_encoding',
    `${JSON.stringify(value)}, for column ${column}, has characters beyond ASCII, and the file is in ${encoding}`,
    { column, hint: 'Write the file in UTF-8, or remove the column from hive_columns of the connector.' },
  );
}

async function* withEmptyLine(rows: RowBytes, lineEnd: Uint8Array): RowBytes {
  yield lineEnd;
  return yield* rows;
}

function copyOptions(dialect: CsvDialect): string {
  const options = {
    delimiter: dialect.delimiter,
    quote: dialect.quote,
    escape: dialect.escape,
    null: dialect.nullText,
    encoding: copyEncoding(dialect),
  };
  const list = Object.entries(options).map(([name, value]) => `${name} ${pg.escapeLiteral(value)}`);
  return ['format csv', ...list].join(', ');
}
