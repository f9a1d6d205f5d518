import type { Dataset } from '../data/dataset.ts';
import type { Ground } from '../ground.ts';
import type { Cost } from '../measure/meter.ts';
import { highest, median, progress } from '../report.ts';
import { type Content, checkRows, readContent } from './content.ts';
import { TABLE, type Way } from './way.ts';

/** Medians of one way over all rounds; of what others took, the most. */
export interface Result extends Cost {
  way: string;
  /** Of the table with its indexes. */
  bytesOnDisk: number;
}

/**
 * Loads the rows by each way in turn, and again in each round; the server writes out what one way left behind
 * before the next one begins.
 * @throws if a way's rows are not those of the first way
 */
export async function runRounds(
  ground: Ground,
  data: Dataset,
  ways: Way[],
  rounds: number,
): Promise<Result[]> {
  const runs = ways.map((way) => ({ way, costs: [] as Cost[], bytesOnDisk: 0 }));
  let baseline: Content | undefined;
  for (let round = 1; round <= rounds; round++) {
    for (const run of runs) {
      await prepare(ground, data, run.way);
      const cost = await run.way.load({ ground, data });
      run.costs.push(cost);
      run.bytesOnDisk = await tableBytes(ground);
      const content = await readContent(ground.client, data.columns);
      baseline ??= content;
      checkRows(run.way.name, content, { ...baseline, rows: String(data.rows) });
      progress(`${data.name}, round ${round} of ${rounds}: ${run.way.name}: ${cost.seconds.toFixed(2)} s`);
    }
  }
  await ground.client.query(`drop table if exists ${TABLE}`);
  return runs.map(({ way, costs, bytesOnDisk }) => ({ way: way.name, ...medians(costs), bytesOnDisk }));
}

async function prepare({ client }: Ground, data: Dataset, way: Way): Promise<void> {
  await client.query(`drop table if exists ${TABLE}`);
  if (way.makeTable) await client.query(way.makeTable(data.columns));
  await client.query('checkpoint');
}

async function tableBytes({ client }: Ground): Promise<number> {
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
