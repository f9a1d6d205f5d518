/**
 * "Normalizing" a CSV file rewrites its records as COPY's own CSV: with commas and doubled quotes, and every value quoted that is
 * not null. It serves the options of file_formats that COPY lacks. A file that needs none of them is not normalized.
 */
import { ConnectorError } from '../../../errors.ts';
import { isDateWord } from '../../date_formats.ts';
import { isUtf8 } from '../encoding.ts';
import { type CsvOptions, scannableEncoding } from '../options.ts';
import type { ConvertValue } from './values.ts';

/** How the records of a file are written. Sent to encoder threads, so it holds plain values only. */
export interface NormalizeRules {
  layout: 'csv' | 'text';
  delimiter: string;
  /** Empty: no quotes. */
  quote: string;
  escape: string;
  encoding: string;
  nullValues: string[];
  /** Whether a quoted value may mean null, too. */
  nullQuoted: boolean;
  /** Whether the first record names the columns. */
  header: boolean;
  /** Lines at the start that are no records. */
  skipLines: number;
  /** Records at the end that are left out. */
  skipFooter: number;
  /** Lines that begin with it are left out; null: none. */
  commentPrefix: string | null;
  skipBlankLines: boolean;
  onShortRow: 'fail' | 'fill';
  onLongRow: 'fail' | 'cut';
  /** Of a record of the file, without its line end. */
  maxRowBytes: number;
  /** The number of columns; null while it is not known, and records pass as they are. */
  columns: number | null;
  /** How the values of each column are converted; null: not at all. */
  conversions: (ConvertValue | null)[];
  /** Positions of fields that follow the record's own once more, as the file has them. */
  copies: number[];
  /** Whether the line on which a record starts in the file follows as a last field. */
  withLine: boolean;
}

/** COPY's own options, which a normalized file has. */
export const NORMAL = { delimiter: ',', quote: '"', escape: '"', nullText: '' };

/**
 * Returns the rules for a file; null if COPY reads it as it is.
 * @throws ConnectorError `unsupported_encoding`
 */
export function rulesOf(format: CsvOptions, maxRowBytes: number): NormalizeRules | null {
  const rules: NormalizeRules = {
    layout: format.layout,
    delimiter: format.csv_delimiter,
    quote: format.csv_quote,
    escape: format.csv_escape,
    encoding: scannableEncoding(format),
    nullValues: format.null_values,
    nullQuoted: format.null_quoted,
    header: format.csv_skip_header,
    skipLines: format.skip_lines,
    skipFooter: format.skip_footer,
    commentPrefix: format.comment_prefix,
    skipBlankLines: format.skip_blank_lines,
    onShortRow: format.on_short_row,
    onLongRow: format.on_long_row,
    maxRowBytes,
    columns: null,
    conversions: [],
    copies: [],
    withLine: false,
  };
  if (isCopyCsv(rules, format)) return null;
  refuseBeyondAscii(rules);
  return rules;
}

/** The texts of the format are UTF-8. In a file of another encoding, only ASCII has the same bytes. */
function refuseBeyondAscii({ encoding, delimiter, commentPrefix, nullValues }: NormalizeRules): void {
  if (isUtf8(encoding)) return;
  const text = [delimiter, commentPrefix ?? '', ...nullValues].find(
    (text) => Buffer.byteLength(text) !== text.length,
  );
  if (text === undefined) return;
  throw new ConnectorError(
    'unsupported_encoding',
    `${JSON.stringify(text)}, of the file format, has characters beyond ASCII, and the file is in ${encoding}`,
    { hint: 'Write the file in UTF-8.' },
  );
}

function isCopyCsv(rules: NormalizeRules, format: CsvOptions): boolean {
  return (
    rules.layout === 'csv' &&
    Buffer.byteLength(rules.delimiter) === 1 &&
    rules.quote !== '' &&
    rules.nullValues.length === 1 &&
    !rules.nullQuoted &&
    rules.skipLines + rules.skipFooter === 0 &&
    rules.commentPrefix === null &&
    !rules.skipBlankLines &&
    rules.onShortRow === 'fail' &&
    rules.onLongRow === 'fail' &&
    format.invalid_text === 'fail' &&
    format.decimal_separator === '.' &&
    format.thousands_separator === null &&
    [format.date_format, ...Object.values(format.date_formats)].every(
      (date) => date === 'server' || !isDateWord(date),
    ) &&
    !format.reads_row
  );
}
