/** The benchmark `hypertable`: one file into a hypertable. */
import pg from 'pg';
import type { Column } from '../data/dataset.ts';
import { describeDataset } from '../data/dataset.ts';
import { readings } from '../data/readings.ts';
import { printEnvironment } from '../measure/environment.ts';
import type { Options } from '../options.ts';
import { type Goal, printGoals, progress, times } from '../report.ts';
import { QUIET, withTestbed } from '../testbed.ts';
import { columnstoreConnector, connector } from './connector.ts';
import { putAll } from './load.ts';
import { type Loader, plainTable, TABLE } from './loader.ts';
import { missingPrograms, parallelCopies, psqlCopy, rawCopy } from './programs.ts';
import { printResults, speed, speedGoal } from './report.ts';
import { type Result, runRounds } from './rounds.ts';
import { installTimescaledb, NO_TIMESCALEDB } from './timescaledb.ts';

const SEGMENT_BY = 'device';
const ORDER_BY = 'at';

/** Compares loaders into rows and into the columnstore. Does nothing if the server has no TimescaleDB. */
export async function loadHypertable({ rows, rounds }: Options): Promise<void> {
  progress('hypertable: making the files');
  const data = await readings({ rows });
  await withTestbed(
    (server) => putAll(server, [data]),
    async (testbed) => {
      console.log(`## hypertable: one file into a hypertable with its own index, medians of ${rounds}\n`);
      if (!(await installTimescaledb(testbed.client))) {
        return console.log(`${NO_TIMESCALEDB}: not measured.\n`);
      }
      const fromCsv = columnstoreConnector('csv', columnstore);
      const fromParquet = columnstoreConnector('parquet', columnstore);
      const peers = parallelCopies([1, 2], columnstore).map(intoColumnstore);
      const loaders: Loader[] = [
        psqlCopy(hypertable) ?? rawCopy(hypertable),
        connector('csv', hypertable),
        connector('parquet', hypertable),
        fromCsv,
        fromParquet,
        ...parallelCopies([1, 2], hypertable),
        ...peers,
      ];
      const results = await runRounds(testbed, data, loaders, rounds);
      await printEnvironment(testbed.client);
      for (const line of missingPrograms()) console.log(line);
      console.log(`\nGenerated readings, ${await describeDataset(data)}:\n`);
      printResults(results);
      const peer = results.find(({ loader }) => loader === peers.at(-1)?.name);
      printGoals([
        speedGoal(fromParquet.name, 2.6, results),
        speedGoal(fromCsv.name, 2.2, results),
        ...(peer ? [fromCsv, fromParquet].flatMap(({ name }) => peerGoals(name, peer, results)) : []),
      ]);
    },
    { settings: QUIET },
  );
}

/** Returns the goals to be faster than a peer, and not larger on disk. */
function peerGoals(loader: string, peer: Result, results: Result[]): Goal[] {
  const ours = results.find((result) => result.loader === loader)!;
  return [
    {
      text: `${loader}: ahead of ${peer.loader}`,
      value: speed(ours, peer),
      met: (value) => value > 1,
      show: times,
    },
    {
      text: `${loader}: size on disk, at most that of ${peer.loader}`,
      value: ours.bytesOnDisk / peer.bytesOnDisk,
      met: (value) => value <= 1,
      show: times,
    },
  ];
}

function hypertable(columns: Column[]): string {
  return `${plainTable(columns)}; select create_hypertable('${TABLE}', by_range('${ORDER_BY}', interval '7 days'))`;
}

function columnstore(columns: Column[]): string {
  return `${hypertable(columns)}; alter table ${TABLE} set (timescaledb.enable_columnstore,
    timescaledb.segmentby = ${pg.escapeLiteral(SEGMENT_BY)}, timescaledb.orderby = ${pg.escapeLiteral(ORDER_BY)})`;
}

function intoColumnstore(loader: Loader): Loader {
  return { ...loader, name: `${loader.name}, columnstore` };
}
