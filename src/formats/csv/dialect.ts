import { ConnectorError } from '../../errors.ts';
import { copyEncodingOf, leadBytes } from './encoding.ts';

/** How a CSV file is written, in the terms of COPY's options. */
export interface CsvDialect {
  /** One ASCII character. */
  delimiter: string;
  /** One ASCII character. */
  quote: string;
  /** One ASCII character; the same as `quote` means that a quote is doubled. */
  escape: string;
  /** What stands, unquoted, for NULL. */
  nullText: string;
  /** PostgreSQL's name of an encoding, or `utf-16`, `utf-16le`, `utf-16be`. */
  encoding: string;
  /** Whether the first record names the columns. */
  header: boolean;
}

/** A dialect as the scanner wants it. */
export interface DialectBytes {
  delimiter: number;
  quote: number;
  escape: number;
  nullText: Buffer;
  /** Bytes that begin a character of which the next byte may look like ASCII. */
  leads: number[];
}

/**
 * The dialect's bytes.
 *
 * @throws ConnectorError `invalid_dialect`
 */
export function dialectBytes(dialect: CsvDialect): DialectBytes {
  const delimiter = oneByte('delimiter', dialect.delimiter);
  const quote = oneByte('quote', dialect.quote);
  if (delimiter === quote) throw invalidDialect('delimiter and quote must differ', dialect.quote);
  // COPY before PostgreSQL 18 looks for \. before it looks for quotes, and would drop the rest of the file.
  if (dialect.quote === '\\') throw invalidDialect('the quote cannot be a backslash', dialect.quote);
  return {
    delimiter,
    quote,
    escape: oneByte('escape', dialect.escape),
    nullText: Buffer.from(dialect.nullText, 'utf8'),
    leads: leadBytes(dialect.encoding),
  };
}

/** The name for COPY's ENCODING option; UTF-16 has been turned into UTF-8 by then. */
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
    hint: 'Correct csv_delimiter, csv_quote or csv_escape of the connector.',
  });
}
