import { basename } from 'node:path';
import { Meter } from '../measure/meter.ts';
import { plainTable, TABLE, type Way } from './way.ts';

const CONNECTOR = 'bench';

export type Format = 'csv' | 'parquet';
const FORMAT_NAMES: Record<Format, string> = { csv: 'CSV', parquet: 'Parquet' };

/** Our connector, from its insert to its file's success; the object's key is the file's name. */
export function connector(format: Format, makeTable = plainTable): Way {
  return {
    name: `our connector, ${FORMAT_NAMES[format]}`,
    makeTable,
    load: (job) => load(job, format, {}),
  };
}

/** Our connector, which makes the hypertable with its columnstore on, and loads into that. */
export function columnstoreConnector(
  format: Format,
  settings: { segment_by: string[]; order_by: string[] },
): Way {
  return {
    name: `our connector, ${FORMAT_NAMES[format]}, columnstore`,
    makeTable: null,
    load: (job) => load(job, format, { columnstore: true, ...settings }),
  };
}

async function load({ ground, data }: Parameters<Way['load']>[0], format: Format, columns: object) {
  const types = Object.fromEntries(data.columns.map(({ name, type }) => [name, type]));
  const meter = new Meter(ground.postgres.pid, ground.worker.pid);
  await ground.importAll(
    CONNECTOR,
    { pattern: basename(data[format]), file_format: format, target_table: TABLE, ...columns },
    'columnstore' in columns ? types : {},
  );
  const cost = meter.stop();
  await ground.drop(CONNECTOR);
  return cost;
}
