/** Limits what a Parquet file may expand to. A file of some hundred bytes may have billions of rows. */
import { checkExpanded, limitsOf } from '../../compression/limits.ts';
import type { CopyPlan, FormatSettings } from '../format.ts';
import { CountedRows, type RowBytes } from '../row_bytes.ts';
import { checkRowLimit } from '../row_limit.ts';

/**
 * Refuses a file by the number of rows in its footer, before any is read.
 * @throws ConnectorError `too_many_rows`, `expanded_too_large`
 */
export function refuseTooManyRows(
  rowCount: number,
  { columns, constants }: CopyPlan,
  settings: FormatSettings,
): void {
  checkRowLimit(rowCount, settings.max_rows);
  // A row of COPY's binary format has the number of its fields, and the length of each.
  const leastRowBytes = 2 + 4 * (columns.length + constants.length);
  checkExpanded(rowCount * leastRowBytes, limitsOf(settings));
}

/**
 * Passes rows on while they are within the limit.
 * @throws ConnectorError `expanded_too_large`
 */
export async function* limitExpansion(rows: RowBytes, settings: FormatSettings): RowBytes {
  const limits = limitsOf(settings);
  const counted = new CountedRows(rows);
  let bytes = 0;
  for await (const chunk of counted) {
    bytes += chunk.length;
    checkExpanded(bytes, limits);
    yield chunk;
  }
  return counted.count;
}
