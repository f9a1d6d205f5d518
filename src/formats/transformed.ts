/** Reads a file with a transform: it is written as a CSV for DuckDB, all of whose columns are text, and DuckDB runs the transform on it. */
import { createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { FILE_MODE } from '../fetch/spool_directory.ts';
import { SpooledFile } from '../fetch/spooled_file.ts';
import { quoteName, quoteText } from './duckdb_quote.ts';
import type { FilePart, FormatSettings, FormatTools } from './format.ts';

/** DuckDB reads a file in buffers of several rows of the longest size. By default, 16; they count for the reader's memory. */
const BUFFER_ROWS = 4;

export interface ToTransform {
  /** The part's name. */
  name: string | null;
  spooled: SpooledFile;
  select: string;
  /** The CSV. */
  bytes: AsyncIterable<Buffer>;
  /** Its columns, by unique names. */
  columns: string[];
  maxRowBytes: number;
  /** How the CSV is written, as options of DuckDB (https://duckdb.org/docs/stable/data/csv/overview). It guesses nothing. */
  options: Record<string, string>;
}

/** Yields the part with the transform's rows. What the file expands to is on the disk of the spool while the part is read. */
export async function* transformedPart(
  { name, spooled, select, bytes, ...csv }: ToTransform,
  settings: FormatSettings,
  tools: FormatTools,
  signal: AbortSignal,
): AsyncGenerator<FilePart> {
  await spooled.onDisk();
  const path = `${spooled.path}.csv`;
  try {
    await pipeline(bytes, createWriteStream(path, { mode: FILE_MODE }), { signal });
    const { size } = await stat(path);
    const file = new SpooledFile({ path, sizeBytes: size, available: size });
    const transform = { select, file: readCsv(path, csv), isParquet: false };
    yield await tools.openDuckdbFile({ name, file, transform }, settings, tools, signal);
  } finally {
    await rm(path, { force: true });
  }
}

/** Returns DuckDB's table function for a file. */
function readCsv(
  path: string,
  { columns, maxRowBytes, options }: Pick<ToTransform, 'columns' | 'maxRowBytes' | 'options'>,
): string {
  const all = {
    auto_detect: 'false',
    columns: `{${columns.map((name) => `${quoteName(name)}: 'VARCHAR'`).join(', ')}}`,
    ...options,
    strict_mode: 'true',
    parallel: 'false',
    max_line_size: String(maxRowBytes),
    buffer_size: String(BUFFER_ROWS * maxRowBytes),
  };
  const list = Object.entries(all).map(([option, value]) => `${option} = ${value}`);
  return `read_csv(${quoteText(path)}, ${list.join(', ')})`;
}
