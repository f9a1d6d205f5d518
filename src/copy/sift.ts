/** "Sifts" rows: finds the bad ones by trying many at a time. */
import type { ConnectorError } from '../errors.ts';
import type { RowSet } from '../formats/format.ts';
import { isBadRow } from '../sql_errors.ts';

/** How many rows are tried together after a bad one. The number doubles with each success. */
const FIRST_WINDOW = 32;

/** Copies the rows from `start` up to, not including, `end` at once, without some. */
export type TryRows = (start: number, end: number, without: number[]) => Promise<void>;

/** Called for each bad row, in order. */
export type Refuse = (row: number, error: ConnectorError) => Promise<void>;

interface BadRow {
  row: number;
  error: ConnectorError;
}

/**
 * Copies every good row in exactly one try that succeeds, and refuses the bad ones. A bad row costs one failed try. If bad
 * rows are many, a try has few rows.
 * @throws errors that no row caused
 */
export async function sift(rows: RowSet, tryRows: TryRows, refuse: Refuse): Promise<void> {
  /** All rows before it are copied or refused. */
  let start = 0;
  let window = rows.count;
  /** The size of the window after a bad row. */
  let smallest = FIRST_WINDOW;
  /** Rows of the window that are known to be bad, ascending. */
  let bad: BadRow[] = [];
  while (start < rows.count) {
    const end = Math.min(start + window, rows.count);
    try {
      const without = bad.map(({ row }) => row);
      if (without.length < end - start) await tryRows(start, end, without);
    } catch (error) {
      if (!isBadRow(error)) throw error;
      const tried = (row: number) => row >= start && row < end && !bad.some((known) => known.row === row);
      const named = error.line === undefined ? undefined : rows.rowAt(error.line);
      const isNamed = named !== undefined && tried(named);
      // An error without a row (a foreign key's): halve until one row is left.
      smallest = isNamed ? FIRST_WINDOW : 1;
      if (!isNamed && end - start - bad.length > 1) {
        window = Math.ceil((end - start) / 2);
        bad = bad.filter(({ row }) => row < start + window);
        continue;
      }
      const row = isNamed ? named : firstOf(start, tried);
      bad = [...bad, { row, error }].sort((a, b) => a.row - b.row);
      // End the window at the last bad row, so that the rows before are not tried again for bad rows far behind.
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
