/** The options of a CSV file. A new one is a column of `file_formats`, its check in sql/1_checks/file_formats.sql, and its place in normalize/. */

import type { DateFormats } from '../date_formats.ts';

/** The options of a CSV: columns of `file_formats`. */
export interface CsvOptions extends DateFormats {
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
  column_names: 'as_is' | 'snake';
  invalid_text: 'fail' | 'replace';
  /** A glob over the names of a zip's entries; null: all. */
  zip_entries: string | null;
  infer_types: 'sample' | 'text';
  /** Whether an expression of column_mappings reads `row`. */
  reads_row: boolean;
}

/** The options that say how text is encoded. */
export type EncodingOptions = Pick<CsvOptions, 'csv_encoding' | 'invalid_text'>;

/** Returns the encoding of a file's bytes as they are scanned: bytes that are no text are replaced in UTF-8. */
export function scannableEncoding({ csv_encoding, invalid_text }: EncodingOptions): string {
  return invalid_text === 'replace' ? 'utf-8' : csv_encoding;
}

/** `off`: the kernel is not used. `check`: all that it encodes is encoded again without it, and a difference is an error. */
export type KernelMode = 'on' | 'off' | 'check';
