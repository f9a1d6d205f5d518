/** The benchmark `load`: one file into a plain table. */
import { basename } from 'node:path';
import type { BucketServer } from '../../embedded/bucket/server.ts';
import { type Dataset, describeDataset } from '../data/dataset.ts';
import { flights } from '../data/flights.ts';
import { readings } from '../data/readings.ts';
import { printEnvironment } from '../measure/environment.ts';
import type { Options } from '../options.ts';
import { printGoals, progress } from '../report.ts';
import { BUCKET, QUIET, withTestbed } from '../testbed.ts';
import { connector } from './connector.ts';
import { missingPrograms, parallelCopies, psqlCopy, rawCopy, serverCopy } from './programs.ts';
import { missingPeers, pythonPeers } from './python_peers.ts';
import { copyCpuGoal, printCosts, printResults, speedGoal } from './report.ts';
import { runRounds } from './rounds.ts';

const CSV = connector('csv');
const PARQUET = connector('parquet');

/** Compares our connector with other loaders. */
export async function load({ rows, rounds }: Options): Promise<void> {
  progress('load: making the files');
  const made = await readings({ rows });
  const real = await flights();
  await withTestbed(
    (server) => putAll(server, [made, real]),
    async (testbed) => {
      const baseline = psqlCopy() ?? rawCopy();
      const raw = psqlCopy() ? [rawCopy()] : [];
      const peers = [...pythonPeers(), ...parallelCopies([1, 2])];
      const all = [baseline, ...raw, serverCopy(), CSV, PARQUET, ...peers];
      const results = await runRounds(testbed, made, all, rounds);
      const flightResults = await runRounds(testbed, real, [baseline, CSV, PARQUET], rounds);

      console.log(`## load: one file into a plain table, medians of ${rounds}\n`);
      await printEnvironment(testbed.client);
      for (const line of [...missingPrograms(), ...missingPeers()]) console.log(line);
      console.log(`\nGenerated readings, ${await describeDataset(made)}:\n`);
      printResults(results);
      printCosts(results);
      printGoals([
        speedGoal(PARQUET.name, 2.2, results),
        speedGoal(CSV.name, 2.1, results),
        copyCpuGoal(CSV.name, 0.6, results),
      ]);
      console.log(`Flights of vega-datasets, ${await describeDataset(real)}:\n`);
      printResults(flightResults);
      printCosts(flightResults);
      printGoals([speedGoal(PARQUET.name, 1.65, flightResults), speedGoal(CSV.name, 1.65, flightResults)]);
    },
    { settings: QUIET },
  );
}

/** Puts the files of each dataset into the bucket, with their names as keys. */
export async function putAll({ store }: BucketServer, datasets: Dataset[]): Promise<void> {
  for (const path of datasets.flatMap(({ csv, parquet }) => [csv, parquet])) {
    await store.putFile(BUCKET, basename(path), path);
  }
}
