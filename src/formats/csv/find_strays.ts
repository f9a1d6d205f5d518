/** Looks for stray quotes in the first rows of a file, before it is imported. */
import { ConnectorError } from '../../errors.ts';
import { type CsvDialect, dialectBytes } from './dialect.ts';
import { RECORD_END, RecordScanner, type RowsStart } from './scanner.ts';
import type { StrayQuotes } from './stray_quotes.ts';

/** How many bytes of rows are looked at. */
const MAX_BYTES = 4 << 20;

/**
 * Scans the first rows. A row that cannot be scanned ends it: an import says why.
 * @param chunks the bytes of the rows
 */
export async function findStrays(
  chunks: AsyncIterable<Buffer>,
  dialect: CsvDialect,
  start: RowsStart & { strays: StrayQuotes },
): Promise<void> {
  const options = { ...start, maxRowBytes: MAX_BYTES, fields: 'ignore', passNul: true } as const;
  const scanner = new RecordScanner(dialectBytes(dialect), options);
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      scanner.load(chunk);
      while (scanner.next() === RECORD_END);
      bytes += chunk.length;
      if (bytes >= MAX_BYTES || start.strays.first) return;
    }
    scanner.finish();
  } catch (error) {
    if (!(error instanceof ConnectorError) || error.passing) throw error;
  }
}
