import type { ConnectorError } from '../errors.ts';
import type { RowSet } from '../formats/format.ts';
import { isBadRow } from '../sql_errors.ts';

/** Rows that are tried together after a bad one; they double with each success. */
const FIRST_WINDOW = 32;

/** Tries the rows from `start` up to `end`, except some, all at once. */
export type Attempt = (start: number, end: number, without: number[]) => Promise<void>;

/** Is told of each row that an attempt refused, in order. */
export type Refuse = (row: number, error: ConnectorError) => Promise<void>;

interface BadRow {
  row: number;
  error: ConnectorError;
}

/**
 * Tells the rows that an attempt takes from those that it refuses, and has every row that it takes in one attempt that
 * succeeds. A refused row costs one failed attempt, with few rows in it where refused rows are many.
 * @throws what an attempt throws that is not a row's fault
 */
export async function sift(rows: RowSet, attempt: Attempt, refuse: Refuse): Promise<void> {
  /** Rows before it are settled. */
  let start = 0;
  let window = rows.count;
  /** The window that follows a bad row. */
  let smallest = FIRST_WINDOW;
  /** Rows of the window that are known to be bad, ascending. */
  let bad: BadRow[] = [];
  while (start < rows.count) {
    const end = Math.min(start + window, rows.count);
    try {
      const without = bad.map(({ row }) => row);
      if (without.length < end - start) await attempt(start, end, without);
    } catch (error) {
      if (!isBadRow(error)) throw error;
      const tried = (row: number) => row >= start && row < end && !bad.some((known) => known.row === row);
      const named = error.line === undefined ? undefined : rows.rowAt(error.line);
      const isNamed = named !== undefined && tried(named);
      // An error that names no row, as a foreign key's: halve until one row is left.
      smallest = isNamed ? FIRST_WINDOW : 1;
      if (!isNamed && end - start - bad.length > 1) {
        window = Math.ceil((end - start) / 2);
        bad = bad.filter(({ row }) => row < start + window);
        continue;
      }
      const row = isNamed ? named : firstOf(start, tried);
      bad = [...bad, { row, error }].sort((a, b) => a.row - b.row);
      // The rows before a bad one are not tried again for each bad one that follows far behind.
      const upToBad = bad.at(-1)!.row + 1 - start;
      window = upToBad <= smallest ? Math.min(end - start, smallest) : upToBad;
      continue;
    }
    for (const { row, error } of bad) await refuse(row, error);
    window = bad.length === 0 ? window * 2 : smallest;
    start = end;
    bad = [];
  }
}

function firstOf(start: number, holds: (row: number) => boolean): number {
  let row = start;
  while (!holds(row)) row++;
  return row;
}
