/** A "dialect" is how a CSV file is written, in the terms of COPY's options. */
import { ConnectorError } from '../../errors.ts';
import { copyEncodingOf, leadBytes } from './encoding.ts';

export interface CsvDialect {
  /** One ASCII character. */
  delimiter: string;
  /** One ASCII character. */
  quote: string;
  /** One ASCII character. If it equals `quote`, a quote is escaped by doubling it. */
  escape: string;
  /** The unquoted text that means NULL. */
  nullText: string;
  /** PostgreSQL's name for an encoding, or `utf-16`, `utf-16le`, `utf-16be`. */
  encoding: string;
  /** The encoding of the file's bytes, if they are converted to UTF-8 with replacements for those that are no text. */
  replacedFrom?: string | undefined;
  /** Whether the first record names the columns. */
  header: boolean;
}

/** A dialect as bytes, for the scanner. */
export interface DialectBytes {
  delimiter: number;
  quote: number;
  escape: number;
  nullText: Buffer;
  /** Lead bytes: the byte after one belongs to the same character, even if it looks like ASCII. */
  leads: number[];
}

/**
 * Returns the dialect as bytes.
 *
 * @throws ConnectorError `invalid_dialect`
 */
export function dialectBytes(dialect: CsvDialect): DialectBytes {
  const delimiter = oneByte('delimiter', dialect.delimiter);
  const quote = oneByte('quote', dialect.quote);
  if (delimiter === quote) throw invalidDialect('delimiter and quote must differ', dialect.quote);
  // PostgreSQL before 18 looks for \. before quotes, and would drop the rest of the file.
  if (dialect.quote === '\\') throw invalidDialect('the quote cannot be a backslash', dialect.quote);
  return {
    delimiter,
    quote,
    escape: oneByte('escape', dialect.escape),
    nullText: Buffer.from(dialect.nullText, 'utf8'),
    leads: leadBytes(dialect.encoding),
  };
}

/** Returns COPY's ENCODING option; UTF-16 has been converted to UTF-8 before. */
export function copyEncoding(dialect: CsvDialect): string {
  return copyEncodingOf(dialect.encoding);
}

function oneByte(name: string, text: string): number {
  const byte = text.charCodeAt(0);
  if (text.length !== 1 || byte >= 0x80 || byte === 0 || text === '\n' || text === '\r') {
    throw invalidDialect(`the ${name} must be one ASCII character other than a newline`, text);
  }
  return byte;
}

function invalidDialect(expected: string, actual: string): ConnectorError {
  return new ConnectorError('invalid_dialect', `${expected}, got ${JSON.stringify(actual)}`, {
    hint: 'Update csv_delimiter, csv_quote or csv_escape of the connector.',
  });
}
