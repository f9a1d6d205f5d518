import pg from 'pg';
import type { CopyInput } from '../format.ts';
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
export function rawInput(
  rows: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  dialect: CsvDialect,
  { newline, lineOf }: RawPlace,
): CopyInput {
  return {
    options: `${copyOptions(dialect)}, header`,
    lineOf: (line) => lineOf(line - 1),
    unit: 'line',
    data: withEmptyLine(rows, newline),
  };
}

async function* withEmptyLine(
  rows: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  newline: Newline | null,
): AsyncGenerator<Uint8Array> {
  yield newlineBytes(newline);
  yield* rows;
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
