/** The "destination" of a COPY: the target, or a staging table from which its rows go on into the target. */
import pg from 'pg';
import type { CopyPlan } from '../formats/format.ts';
import { quoteTable, type TableColumn, type TargetTable } from '../table/table.ts';

export interface Destination {
  /** Quoted, for a statement. */
  table: string;
  columns: TableColumn[];
  /** Whether it may leave rows out without an error: see TargetTable. */
  mayLeaveOut: boolean;
  /**
   * Statements that move the rows of each COPY on from a staging table into the target. The last INSERT counts the rows there; one
   * before fills another staging table with all rows. A DELETE counts those that it takes out of the staging table before. If one is
   * a MERGE, only that counts.
   */
  onward?: string[];
  /** For each computed column, a statement that evaluates it for the rows of a COPY. It tells which one a row fails. */
  evaluations?: { column: string; statement: string }[];
  /** Whether another unique index than the key's may refuse a single row. */
  refusesConflicts?: boolean;
  /** COPY reads and converts the rows, and inserts none. */
  insertsNothing?: boolean;
}

/** Returns the target table. */
export function targetOf(table: TargetTable, plan: CopyPlan): Destination {
  return { table: quoteTable(table), columns: filledColumns(plan), mayLeaveOut: table.mayLeaveOut };
}

/** Returns the columns that a plan fills: those of COPY's input in its order, then the rescue column and those that are computed. */
export function filledColumns(plan: CopyPlan): TableColumn[] {
  const rescued = plan.rescue === null ? [] : [plan.rescue];
  return [...copiedColumns(plan), ...[...rescued, ...plan.computed].map(({ target }) => target)];
}

/** Returns the columns of COPY's input, in its order. */
export function copiedColumns({ columns, line, constants }: CopyPlan): TableColumn[] {
  const targets = (of: { target: TableColumn }[]) => of.map(({ target }) => target);
  return [...targets(columns), ...(line ? [line] : []), ...targets(constants)];
}

/** Returns a list of columns, quoted for a statement. */
export function quoteColumns(columns: { name: string }[]): string {
  return columns.map((column) => pg.escapeIdentifier(column.name)).join(', ');
}
