/** The dataset "readings": generated measurements of 100 devices. */
import { join } from 'node:path';
import { scratchDirectory } from '../scratch.ts';
import type { Column, Dataset } from './dataset.ts';
import { runInDuckDB } from './duckdb.ts';

/** One row is one reading of one device. There is one row per second. */
export const READING_COLUMNS: Column[] = [
  { name: 'at', type: 'timestamptz' },
  { name: 'device', type: 'text' },
  { name: 'temperature', type: 'float8' },
  { name: 'pressure', type: 'float8' },
  { name: 'status', type: 'integer' },
  { name: 'note', type: 'text' },
];

export interface ReadingsOptions {
  rows: number;
  /** The length of `note`, which has random hexadecimal digits. Default: 8. */
  noteLength?: number;
  /** Whether the rows are also written as JSON lines. */
  withJson?: boolean;
}

const made = new Map<string, Promise<Dataset>>();

/** Returns the dataset, and makes it at the first call. The same options always make the same rows. */
export function readings({ rows, noteLength = 8, withJson = false }: ReadingsOptions): Promise<Dataset> {
  const name = `readings_${rows}_${noteLength}${withJson ? '_json' : ''}`;
  const dataset = made.get(name) ?? make(name, { rows, noteLength, withJson });
  made.set(name, dataset);
  return dataset;
}

async function make(
  name: string,
  { rows, noteLength, withJson }: Required<ReadingsOptions>,
): Promise<Dataset> {
  const directory = scratchDirectory('data');
  const csv = join(directory, `${name}.csv`);
  const parquet = join(directory, `${name}.parquet`);
  const json = join(directory, `${name}.json`);
  await runInDuckDB(
    `copy (${selectReadings(rows, noteLength)}) to '${parquet}' (format parquet)`,
    `copy (from read_parquet('${parquet}')) to '${csv}' (format csv, header true)`,
    ...(withJson ? [`copy (from read_parquet('${parquet}')) to '${json}' (format json)`] : []),
  );
  return { name: 'readings', rows, columns: READING_COLUMNS, csv, parquet, ...(withJson ? { json } : {}) };
}

function selectReadings(rows: number, noteLength: number): string {
  const digits = Array.from({ length: Math.ceil(noteLength / 32) }, (_, n) => `md5(i || ' ${n}')`);
  // A hash divided by 2^64 is a number from 0 to 1.
  const fraction = (salt: string) => `(hash(i, '${salt}')::double / 18446744073709551616.0::double)`;
  return `select
      timestamptz '2026-01-01 00:00:00Z' + to_seconds(i) as at,
      format('device-{:04}', (hash(i, 'device') % 100)::integer) as device,
      -20 + 60 * ${fraction('temperature')} as temperature,
      950 + 100 * ${fraction('pressure')} as pressure,
      (hash(i, 'status') % 1000)::integer as status,
      left(${digits.join(' || ')}, ${noteLength}) as note
    from range(${rows}) as r(i)`;
}
