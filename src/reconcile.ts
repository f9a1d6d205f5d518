import { ConnectorError } from './errors.ts';

/** Rows of a file. */
export interface RowCounts {
  /** Rows that the reader found in the file. */
  read: number;
  /** Rows that the table took, as COPY or a merge says. */
  imported: number;
  /** Rows that were written to rejected_rows. */
  rejected: number;
  /** Conflicts that were skipped, and rows that a trigger of the table left out. */
  skipped: number;
}

export const NO_ROWS: Readonly<RowCounts> = { read: 0, imported: 0, rejected: 0, skipped: 0 };

export function addCounts(one: RowCounts, other: RowCounts): RowCounts {
  return {
    read: one.read + other.read,
    imported: one.imported + other.imported,
    rejected: one.rejected + other.rejected,
    skipped: one.skipped + other.skipped,
  };
}

/**
 * The counts of rows that were given to PostgreSQL, and of which it says that it took some.
 * @param mayLeaveOut whether the table may leave rows out, as by a trigger: then the others count as skipped
 * @throws ConnectorError `rows_do_not_add_up`
 */
export function reconcile(given: number, taken: number, mayLeaveOut: boolean): RowCounts {
  const counts = { read: given, imported: taken, rejected: 0, skipped: mayLeaveOut ? given - taken : 0 };
  checkCounts(counts);
  return counts;
}

/**
 * Makes sure that every row that was read is counted exactly once among the others.
 * @throws ConnectorError `rows_do_not_add_up`
 */
export function checkCounts(counts: RowCounts): void {
  const { read, imported, rejected, skipped } = counts;
  if (read === imported + rejected + skipped && Math.min(read, imported, rejected, skipped) >= 0) return;
  throw rowsDoNotAddUp(
    `${read} were read, and ${imported} imported, ${rejected} rejected and ${skipped} skipped`,
  );
}

export function rowsDoNotAddUp(what: string): ConnectorError {
  return new ConnectorError(
    'rows_do_not_add_up',
    `the file's rows do not add up: ${what}; nothing was imported`,
    {
      hint: 'Retry the file. If it fails again, look for a rule or an extension that takes rows away from the target table, and report it.',
    },
  );
}
