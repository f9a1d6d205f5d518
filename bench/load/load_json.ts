/** The benchmark `json`: one file of JSON lines into a plain table. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { readings } from '../data/readings.ts';
import { printEnvironment } from '../measure/environment.ts';
import type { Options } from '../options.ts';
import { printGoals, progress } from '../report.ts';
import { BUCKET, QUIET, withTestbed } from '../testbed.ts';
import { connector } from './connector.ts';
import { linesCopy } from './programs.ts';
import { printResults, speedGoal } from './report.ts';
import { runRounds } from './rounds.ts';

const JSON_LINES = connector('json');

/** Compares our connector with the statements that a person would use. */
export async function loadJson({ rows, rounds }: Options): Promise<void> {
  progress('json: making the file');
  const made = await readings({ rows, withJson: true });
  const path = made.json!;
  await withTestbed(
    async ({ store }) => {
      await store.putFile(BUCKET, basename(path), path);
    },
    async (testbed) => {
      const results = await runRounds(
        testbed,
        made,
        [linesCopy('jsonb'), linesCopy('json'), JSON_LINES],
        rounds,
      );
      const size = Math.round((await stat(path)).size / 1e6);
      console.log(`## json: one file of JSON lines into a plain table, medians of ${rounds}\n`);
      await printEnvironment(testbed.client);
      console.log(`\nGenerated readings, ${rows.toLocaleString('en')} rows, ${size} MB:\n`);
      printResults(results);
      printGoals([speedGoal(JSON_LINES.name, 2, results)]);
    },
    { settings: QUIET },
  );
}
