/** The options of a CSV file. A new one is a column of `file_formats`, its check in sql/1_checks/file_formats.sql, and its place in normalize/. */

const DATE_WORDS = [
  'server',
  'ISO',
  'DMY',
  'MDY',
  'YMD',
  'epoch',
  'epoch_ms',
  'epoch_us',
  'epoch_ns',
] as const;

export type DateWord = (typeof DATE_WORDS)[number];

/** How times are written; `server`: as the database's DateStyle says. Any other text is a template of PostgreSQL's to_timestamp. */
export type DateFormat = DateWord | (string & {});

export function isDateWord(format: DateFormat): format is DateWord {
  return DATE_WORDS.includes(format as DateWord);
}

/** Returns how times of a column are written. */
export function dateFormatOf(
  { date_format, date_formats }: Pick<CsvOptions, 'date_format' | 'date_formats'>,
  name: string | undefined,
): DateFormat {
  const own = name !== undefined && Object.hasOwn(date_formats, name);
  return own ? date_formats[name]! : date_format;
}

/** The options of a CSV: columns of `file_formats`. */
export interface CsvOptions {
  csv_delimiter: string;
  csv_quote: string;
  csv_escape: string;
  csv_encoding: string;
  csv_skip_header: boolean;
  null_values: string[];
  null_quoted: boolean;
  layout: 'csv' | 'text';
  skip_lines: number;
  skip_footer: number;
  comment_prefix: string | null;
  skip_blank_lines: boolean;
  on_short_row: 'fail' | 'fill';
  on_long_row: 'fail' | 'cut';
  decimal_separator: string;
  thousands_separator: string | null;
  date_format: DateFormat;
  column_names: 'as_is' | 'snake';
  invalid_text: 'fail' | 'replace';
  /** A glob over the names of a zip's entries; null: all. */
  zip_entries: string | null;
  infer_types: 'sample' | 'text';
  /** The date_format of column_mappings, by source column. */
  date_formats: Record<string, DateFormat>;
  /** Whether an expression of column_mappings reads `row`. */
  reads_row: boolean;
}

/** Returns the encoding of a file's bytes as they are scanned: bytes that are no text are replaced in UTF-8. */
export function scannableEncoding({ csv_encoding, invalid_text }: CsvOptions): string {
  return invalid_text === 'replace' ? 'utf-8' : csv_encoding;
}
