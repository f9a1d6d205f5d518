/** A "dataset": the same rows as a CSV file, as a Parquet file and, for some benchmarks, as JSON lines. */
import { stat } from 'node:fs/promises';

export interface Column {
  name: string;
  /** A type of PostgreSQL. */
  type: string;
}

export interface Dataset {
  name: string;
  rows: number;
  columns: Column[];
  /** The path of the CSV file, which has a header. */
  csv: string;
  /** The path of the Parquet file. */
  parquet: string;
  /** The path of the file of JSON lines, if one was made. */
  json?: string;
}

/** Returns a text such as `5,000,000 rows: CSV 417 MB, Parquet 210 MB`. */
export async function describeDataset({ rows, csv, parquet }: Dataset): Promise<string> {
  const size = async (path: string) => `${Math.round((await stat(path)).size / 1e6)} MB`;
  return `${rows.toLocaleString('en')} rows: CSV ${await size(csv)}, Parquet ${await size(parquet)}`;
}
