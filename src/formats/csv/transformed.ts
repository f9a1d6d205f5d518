/**
 * Reads a CSV with a transform: DuckDB reads the file, by its own rules and with all columns as text, and runs the transform on it.
 * Options that DuckDB lacks are refused when the connector is inserted (validate_transform in sql/1_checks/).
 */
import { createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Entry } from '../../compression/entries.ts';
import { FILE_MODE } from '../../fetch/spool_directory.ts';
import { SpooledFile } from '../../fetch/spooled_file.ts';
import { quoteName, quoteText } from '../duckdb_quote.ts';
import type { FilePart, FormatSettings, FormatTools } from '../format.ts';
import { columnName, columnNames } from './infer.ts';
import { refuseOpenQuote } from './open_quote.ts';

/** DuckDB reads a file in buffers of several rows of the longest size. By default, 16; they count for the reader's memory. */
const BUFFER_ROWS = 4;

export interface CsvToTransform {
  /** Tells the columns. */
  part: Pick<FilePart, 'columnNames' | 'columnCount'>;
  entry: Entry;
  spooled: SpooledFile;
  select: string;
}

/** Yields the part with the transform's rows. What the file expands to is on the disk of the spool while the part is read. */
export async function* transformedPart(
  { part, entry, spooled, select }: CsvToTransform,
  settings: FormatSettings,
  tools: FormatTools,
  signal: AbortSignal,
): AsyncGenerator<FilePart> {
  // DuckDB may read any part of the file first.
  await spooled.whole();
  await spooled.onDisk();
  const path = `${spooled.path}.csv`;
  try {
    const checked = refuseOpenQuote(entry.open(), settings.format);
    await pipeline(checked, createWriteStream(path, { mode: FILE_MODE }), { signal });
    const { size } = await stat(path);
    const file = new SpooledFile({ path, sizeBytes: size, available: size });
    const transform = { select, file: readCsv(path, part, settings), isParquet: false };
    yield await tools.openDuckdbFile({ name: entry.name, file, transform }, settings, tools, signal);
  } finally {
    await rm(path, { force: true });
  }
}

/** Returns DuckDB's table function for a file (https://duckdb.org/docs/stable/data/csv/overview). It guesses nothing. */
function readCsv(
  path: string,
  { columnNames: names, columnCount }: CsvToTransform['part'],
  { format, max_row_bytes: maxRowBytes }: FormatSettings,
): string {
  const all = columnNames(names ?? Array.from({ length: columnCount }, (_, i) => columnName(i)), true);
  const options = {
    auto_detect: 'false',
    columns: `{${all.map((name) => `${quoteName(name)}: 'VARCHAR'`).join(', ')}}`,
    delim: quoteText(format.csv_delimiter),
    quote: quoteText(format.csv_quote),
    escape: quoteText(format.csv_quote === '' ? '' : format.csv_escape),
    header: String(format.csv_skip_header),
    nullstr: `[${format.null_values.map(quoteText).join(', ')}]`,
    allow_quoted_nulls: String(format.null_quoted),
    skip: String(format.skip_lines),
    strict_mode: 'true',
    parallel: 'false',
    max_line_size: String(maxRowBytes),
    buffer_size: String(BUFFER_ROWS * maxRowBytes),
  };
  const list = Object.entries(options).map(([option, value]) => `${option} = ${value}`);
  return `read_csv(${quoteText(path)}, ${list.join(', ')})`;
}
