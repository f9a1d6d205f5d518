/** Runs all loaders in several rounds. */
import { statSync } from 'node:fs';
import type { Dataset } from '../data/dataset.ts';
import type { Cost } from '../measure/meter.ts';
import { highest, median, progress } from '../report.ts';
import type { Testbed } from '../testbed.ts';
import { type Content, checkRows, readContent } from './content.ts';
import { type Loader, TABLE } from './loader.ts';

/** The medians of one loader over all rounds, but the maximum of `othersShare`. */
export interface Result extends Cost {
  loader: string;
  /** The size of the table with its indexes. */
  bytesOnDisk: number;
  /** The size of the file that it reads. */
  fileBytes: number;
  /** Requests to the bucket. Undefined: it reads the file from the disk. */
  requests: number | undefined;
}

/**
 * Runs all loaders in turn, in each round. A checkpoint before each run keeps earlier runs from slowing it down.
 * @throws if the rows of a loader differ from those of the first one
 */
export async function runRounds(
  testbed: Testbed,
  data: Dataset,
  loaders: Loader[],
  rounds: number,
): Promise<Result[]> {
  const runs = loaders.map((loader) => ({ loader, costs: [] as Cost[], bytesOnDisk: 0, requests: 0 }));
  let baseline: Content | undefined;
  for (let round = 1; round <= rounds; round++) {
    for (const run of runs) {
      await prepare(testbed, data, run.loader);
      testbed.server.requests.reset();
      const cost = await run.loader.load({ testbed, data });
      run.costs.push(cost);
      run.requests = testbed.server.requests.count();
      run.bytesOnDisk = await tableBytes(testbed);
      const content = await readContent(testbed.client, data.columns);
      baseline ??= content;
      checkRows(run.loader.name, content, { ...baseline, rows: String(data.rows) });
      progress(`${data.name}, round ${round} of ${rounds}: ${run.loader.name}: ${cost.seconds.toFixed(2)} s`);
    }
  }
  await testbed.client.query(`drop table if exists ${TABLE}`);
  return runs.map(({ loader, costs, bytesOnDisk, requests }) => ({
    loader: loader.name,
    ...medians(costs),
    bytesOnDisk,
    fileBytes: statSync(data[loader.format]!).size,
    requests: requests || undefined,
  }));
}

async function prepare({ client }: Testbed, data: Dataset, loader: Loader): Promise<void> {
  await client.query(`drop table if exists ${TABLE}`);
  if (loader.makeTable) await client.query(loader.makeTable(data.columns));
  await client.query('checkpoint');
}

async function tableBytes({ client }: Testbed): Promise<number> {
  const { rows: extensions } = await client.query("select from pg_extension where extname = 'timescaledb'");
  const total = `pg_total_relation_size('${TABLE}')`;
  const size = extensions.length > 0 ? `coalesce(hypertable_size('${TABLE}'), ${total})` : total;
  const { rows } = await client.query<{ bytes: string }>(`select ${size} as bytes`);
  return Number(rows[0]!.bytes);
}

function medians(costs: Cost[]): Cost {
  return {
    seconds: median(costs.map((cost) => cost.seconds))!,
    clientCpu: median(costs.map((cost) => cost.clientCpu)),
    copyCpu: median(costs.map((cost) => cost.copyCpu)),
    serverCpu: median(costs.map((cost) => cost.serverCpu)),
    peakBytes: median(costs.map((cost) => cost.peakBytes)),
    othersShare: highest(costs.map((cost) => cost.othersShare)),
  };
}
