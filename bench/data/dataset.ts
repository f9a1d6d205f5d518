import { stat } from 'node:fs/promises';

export interface Column {
  name: string;
  /** PostgreSQL's. */
  type: string;
}

/** The same rows in a CSV file (with a header) and in a Parquet file. */
export interface Dataset {
  /** What its rows are. */
  name: string;
  rows: number;
  columns: Column[];
  /** Paths. */
  csv: string;
  parquet: string;
}

/** As in `5,000,000 rows: CSV 417 MB, Parquet 210 MB`. */
export async function describeDataset({ rows, csv, parquet }: Dataset): Promise<string> {
  const size = async (path: string) => `${Math.round((await stat(path)).size / 1e6)} MB`;
  return `${rows.toLocaleString('en')} rows: CSV ${await size(csv)}, Parquet ${await size(parquet)}`;
}
