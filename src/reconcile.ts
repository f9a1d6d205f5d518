/** Counts rows, and "reconciles" the counts: every row that was read is imported, rejected or skipped. */
import { ConnectorError } from './errors.ts';

/** Numbers of rows of a file. */
export interface RowCounts {
  /** Rows that the reader found in the file. */
  read: number;
  /** Rows that the table took, as COPY or a merge reports. */
  imported: number;
  /** Rows that were written to rejected_rows. */
  rejected: number;
  /** Rows whose key was in the table already, and rows that a trigger suppressed. */
  skipped: number;
  /** What the imported rows did, if they are changes. */
  changes?: ChangeCounts;
}

/** Numbers of rows of the table that a file changed. */
export interface ChangeCounts {
  inserted: number;
  updated: number;
  deleted: number;
}

export const NO_ROWS: Readonly<RowCounts> = { read: 0, imported: 0, rejected: 0, skipped: 0 };

export function addCounts(one: RowCounts, other: RowCounts): RowCounts {
  return {
    read: one.read + other.read,
    imported: one.imported + other.imported,
    rejected: one.rejected + other.rejected,
    skipped: one.skipped + other.skipped,
    ...addChanges(one.changes, other.changes),
  };
}

function addChanges(one?: ChangeCounts, other?: ChangeCounts): Pick<RowCounts, 'changes'> {
  if (!one || !other) return one || other ? { changes: (one ?? other)! } : {};
  return {
    changes: {
      inserted: one.inserted + other.inserted,
      updated: one.updated + other.updated,
      deleted: one.deleted + other.deleted,
    },
  };
}

/**
 * Returns the counts after a COPY.
 * @param given rows that were sent to PostgreSQL
 * @param taken rows that PostgreSQL reports
 * @param mayLeaveOut whether the table may leave rows out, for example by a trigger: then the rest counts as skipped
 * @throws ConnectorError `rows_do_not_add_up`
 */
export function reconcile(given: number, taken: number, mayLeaveOut: boolean): RowCounts {
  const counts = { read: given, imported: taken, rejected: 0, skipped: mayLeaveOut ? given - taken : 0 };
  checkCounts(counts);
  return counts;
}

/**
 * Checks that every row that was read is counted exactly once as imported, rejected or skipped.
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
      hint: 'Retry the file. If it fails again, look for a rule or an extension that removes rows of the target table, and report it.',
    },
  );
}
