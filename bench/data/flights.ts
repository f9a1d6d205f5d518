/** The dataset "flights": three million real flights, from the package vega-datasets. */
import { join } from 'node:path';
import { flightsPath } from '../../demo/data.ts';
import { scratchDirectory } from '../scratch.ts';
import type { Dataset } from './dataset.ts';
import { runInDuckDB } from './duckdb.ts';

/** Returns the dataset. The Parquet file is that of the package; the CSV file is made from it. */
export async function flights(): Promise<Dataset> {
  const csv = join(scratchDirectory('data'), 'flights.csv');
  const { rows } = await runInDuckDB(
    `copy (from read_parquet('${flightsPath}')) to '${csv}' (format csv, header true)`,
    `select count(*)::integer as rows from read_parquet('${flightsPath}')`,
  );
  return {
    name: 'flights',
    rows: Number(rows),
    columns: [
      { name: 'date', type: 'timestamp' },
      { name: 'delay', type: 'bigint' },
      { name: 'distance', type: 'bigint' },
      { name: 'origin', type: 'text' },
      { name: 'destination', type: 'text' },
    ],
    csv,
    parquet: flightsPath,
  };
}
