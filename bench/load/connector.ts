/** The loaders that use our connector. */
import { basename } from 'node:path';
import { Meter } from '../measure/meter.ts';
import { type Format, type Loader, plainTable, TABLE } from './loader.ts';

const CONNECTOR = 'bench';

const FORMAT_NAMES: Record<Format, string> = { csv: 'CSV', parquet: 'Parquet', json: 'JSON' };

/** Returns a loader into a plain table. It measures from the insert of the connector to the success of its file. */
export function connector(format: Format, makeTable = plainTable): Loader {
  return {
    name: `our connector, ${FORMAT_NAMES[format]}`,
    format,
    makeTable,
    load: (job) => load(job, format, {}),
  };
}

/** Returns a loader into a table with a columnstore, which is there before, as for the peers. */
export function columnstoreConnector(format: Format, makeTable: Loader['makeTable']): Loader {
  return {
    name: `our connector, ${FORMAT_NAMES[format]}, columnstore`,
    format,
    makeTable,
    load: (job) => load(job, format, { columnstore: true }),
  };
}

async function load({ testbed, data }: Parameters<Loader['load']>[0], format: Format, columns: object) {
  const meter = new Meter(testbed.postgres.pid, testbed.worker.pid);
  const seconds = await testbed.importAll(CONNECTOR, {
    pattern: basename(data[format]!),
    file_format: format,
    target_table: TABLE,
    ...columns,
  });
  const cost = { ...meter.stop(), seconds };
  await testbed.drop(CONNECTOR);
  return cost;
}
