/** Enforces `max_rows`. */
import { ConnectorError } from '../errors.ts';

/**
 * Checks the number of rows found so far.
 * @param maxRows null: no limit
 * @throws ConnectorError `too_many_rows`
 */
export function checkRowLimit(rows: number, maxRows: number | null): void {
  if (maxRows === null || rows <= maxRows) return;
  throw tooManyRows(rows, maxRows);
}

export function tooManyRows(rows: number, maxRows: number | null): ConnectorError {
  return new ConnectorError(
    'too_many_rows',
    `the file has at least ${rows} rows; max_rows is ${maxRows}; nothing was imported`,
    {
      hint: 'Split the file. Or pause the connector, raise max_rows (null: no limit), resume it, then retry the file.',
    },
  );
}
