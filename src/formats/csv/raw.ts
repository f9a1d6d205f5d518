import pg from 'pg';
import { ConnectorError } from '../../errors.ts';
import type { ConstantColumn } from '../constants.ts';
import type { CopyInput } from '../format.ts';
import { type RowBytes, rowBytes } from '../row_bytes.ts';
import { type CsvDialect, copyEncoding } from './dialect.ts';
import { type Newline, newlineBytes } from './scanner.ts';

/** Where the rows stand in the file. */
export interface RawPlace {
  newline: Newline | null;
  /** The file's line that is the given one of the rows, from 1. */
  lineOf(line: number): number;
}

/**
 * Rows of a CSV file for COPY to parse. COPY counts the newlines within quotes of the file's kind, and knows that kind only
 * after the first line: so it is given an empty one, as a header.
 */
export function rawInput(rows: RowBytes, dialect: CsvDialect, { newline, lineOf }: RawPlace): CopyInput {
  return {
    options: `${copyOptions(dialect)}, header`,
    lineOf: (line) => lineOf(line - 1),
    unit: 'line',
    data: withEmptyLine(rows, newline),
  };
}

/**
 * Bytes of which COPY looks at nothing but the encoding: it reads a header, and takes no fields apart.
 * @param bytes one line to COPY, without its end
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
 * How the constants stand at the end of each record; null where there are none.
 * @throws ConnectorError `unsupported_encoding` for other characters than ASCII's in a file that is not UTF-8
 */
export function constantFields(constants: ConstantColumn[], dialect: CsvDialect): Buffer | null {
  if (constants.length === 0) return null;
  const fields = constants.map(({ target, value }) => {
    if (value === null) return dialect.nullText;
    // All of PostgreSQL's encodings share ASCII; we do not encode into the others.
    if (Buffer.byteLength(value) !== value.length && copyEncoding(dialect) !== 'UTF8')
      throw beyondAscii(target.name, value, dialect);
    return quoteField(value, dialect);
  });
  return Buffer.from(fields.join(dialect.delimiter));
}

/** In quotes, so that no value passes for null. */
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
    { column, hint: 'Write the file in UTF-8, or take the column out of hive_columns.' },
  );
}

async function* withEmptyLine(rows: RowBytes, newline: Newline | null): RowBytes {
  yield newlineBytes(newline);
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
