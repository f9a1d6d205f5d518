/** A "loader": one method to load the rows of a file into a table. */
import type { Column, Dataset } from '../data/dataset.ts';
import type { Cost } from '../measure/meter.ts';
import type { Testbed } from '../testbed.ts';

export type Format = 'csv' | 'parquet' | 'json';

export interface Loader {
  /** Its name in the report. */
  name: string;
  /** The file of the dataset that it reads. */
  format: Format;
  /** Returns SQL that makes the empty table. Null: the loader makes it itself. */
  makeTable: ((columns: Column[]) => string) | null;
  load(job: Job): Promise<Cost>;
}

export interface Job {
  testbed: Testbed;
  data: Dataset;
}

/** The table that all loaders load into. */
export const TABLE = 'target';

export function plainTable(columns: Column[]): string {
  return `create table ${TABLE} (${columns.map(({ name, type }) => `"${name}" ${type}`).join(', ')})`;
}
