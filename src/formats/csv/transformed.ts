/**
 * What DuckDB needs to know of a CSV with a transform: it reads the file by its own rules. Options that it lacks are refused when the
 * connector is inserted (validate_transform in sql/1_checks/).
 */
import type { Entry } from '../../compression/entries.ts';
import { quoteText } from '../duckdb_quote.ts';
import type { FilePart, FormatSettings } from '../format.ts';
import type { ToTransform } from '../transformed.ts';
import { columnName, columnNames } from './infer.ts';
import { refuseOpenQuote } from './open_quote.ts';

/** @param part tells the columns */
export function toTransform(
  entry: Entry,
  { columnNames: names, columnCount }: Pick<FilePart, 'columnNames' | 'columnCount'>,
  { format, max_row_bytes: maxRowBytes }: FormatSettings,
): Omit<ToTransform, 'spooled' | 'select'> {
  return {
    name: entry.name,
    bytes: refuseOpenQuote(entry.open(), format),
    columns: columnNames(names ?? Array.from({ length: columnCount }, (_, i) => columnName(i)), true),
    maxRowBytes,
    options: {
      delim: quoteText(format.csv_delimiter),
      quote: quoteText(format.csv_quote),
      escape: quoteText(format.csv_quote === '' ? '' : format.csv_escape),
      header: String(format.csv_skip_header),
      nullstr: `[${format.null_values.map(quoteText).join(', ')}]`,
      allow_quoted_nulls: String(format.null_quoted),
      skip: String(format.skip_lines),
    },
  };
}
