import type { Column, Dataset } from '../data/dataset.ts';
import type { Ground } from '../ground.ts';
import type { Cost } from '../measure/meter.ts';

/** One way to get the rows of a file into a table. */
export interface Way {
  /** As the report shows it. */
  name: string;
  /** SQL that makes the empty table; null: the way makes it itself. */
  makeTable: ((columns: Column[]) => string) | null;
  load(job: Job): Promise<Cost>;
}

export interface Job {
  ground: Ground;
  data: Dataset;
}

/** The table that every way loads into, in its turn. */
export const TABLE = 'target';

export function plainTable(columns: Column[]): string {
  return `create table ${TABLE} (${columns.map(({ name, type }) => `"${name}" ${type}`).join(', ')})`;
}
