/** The benchmark `backlog`: 16 files of one connector, against raw COPY of the same files over as many connections. */
import { basename, join } from 'node:path';
import pg from 'pg';
import type { Dataset } from './data/dataset.ts';
import { readings } from './data/readings.ts';
import { checkRows, multiply, readContent } from './load/content.ts';
import { plainTable, TABLE } from './load/loader.ts';
import { printEnvironment } from './measure/environment.ts';
import type { Options } from './options.ts';
import { type Goal, median, printGoals, printTable, progress, seconds, times } from './report.ts';
import { scratchDirectory } from './scratch.ts';
import { BUCKET, QUIET, type Testbed, withTestbed } from './testbed.ts';

const FILES = 16;
/** The worker's places, and the connections of raw COPY. */
const CONNECTIONS = 4;
/** One file has this share of the rows that --rows names: with the default 64 MB. */
const SHARE = 0.15;

type Way = 'server, CSV' | 'server, binary' | 'our connector, CSV';

/**
 * The server reads the raw files from its disk, so the figures of raw COPY are the limit of the table itself. The binary
 * one has no fields to find: it is the limit of what any client can send.
 */
export async function backlog({ rows, rounds }: Options): Promise<void> {
  progress('backlog: making the file');
  const data = await readings({ rows: Math.ceil(rows * SHARE) });
  await withTestbed(
    async ({ store }) => {
      for (let file = 0; file < FILES; file++)
        await store.putFile(BUCKET, `backlog/${file}_${basename(data.csv)}`, data.csv);
    },
    async (testbed) => {
      console.log(
        `## backlog: ${FILES} CSV files of ${data.rows} rows, ${CONNECTIONS} places, medians of ${rounds}\n`,
      );
      await printEnvironment(testbed.client);
      const taken = await runRounds(testbed, data, rounds);
      const medians = new Map([...taken].map(([way, all]) => [way, median(all)!]));
      const csv = medians.get('server, CSV')!;
      printTable(
        ['way', 'seconds', 'speed'],
        [...medians].map(([way, value]) => [way, seconds(value), times(csv / value)]),
      );
      printGoals([goal(medians.get('our connector, CSV')! / csv)]);
    },
    { env: { WORKER_CONCURRENCY: String(CONNECTIONS) }, settings: QUIET },
  );
}

/** @throws if the rows of a way differ from those of the first one */
async function runRounds(testbed: Testbed, data: Dataset, rounds: number): Promise<Map<Way, number[]>> {
  const { client, postgres } = testbed;
  await client.query(plainTable(data.columns));
  await client.query(`copy ${TABLE} from '${data.csv}' with (format csv, header true)`);
  const content = await readContent(client, data.columns);
  const binary = join(scratchDirectory('binary', 0o777), 'backlog.bin');
  await client.query(`copy ${TABLE} to '${binary}' with (format binary)`);
  const ways: Record<Way, () => Promise<unknown>> = {
    'server, CSV': () => copyAll(postgres.url(), `'${data.csv}' with (format csv, header true)`),
    'server, binary': () => copyAll(postgres.url(), `'${binary}' with (format binary)`),
    'our connector, CSV': () => importAll(testbed),
  };
  const taken = new Map<Way, number[]>();
  for (let round = 1; round <= rounds; round++) {
    for (const [way, run] of Object.entries(ways) as [Way, () => Promise<unknown>][]) {
      await client.query(`drop table ${TABLE}; ${plainTable(data.columns)}; checkpoint`);
      const start = performance.now();
      await run();
      const took = (performance.now() - start) / 1000;
      taken.set(way, [...(taken.get(way) ?? []), took]);
      checkRows(way, await readContent(client, data.columns), multiply(content, FILES));
      progress(`backlog, round ${round} of ${rounds}: ${way}: ${seconds(took)}`);
      if (way === 'our connector, CSV') await testbed.drop('backlog');
    }
  }
  return taken;
}

/** Copies the file as often as there are files, over all connections. */
async function copyAll(url: string, source: string): Promise<void> {
  const clients = Array.from({ length: CONNECTIONS }, () => new pg.Client({ connectionString: url }));
  let left = FILES;
  await Promise.all(
    clients.map(async (client) => {
      await client.connect();
      while (left-- > 0) await client.query(`copy ${TABLE} from ${source}`);
      await client.end();
    }),
  );
}

function importAll(testbed: Testbed): Promise<number> {
  return testbed.importAll('backlog', { pattern: 'backlog/*', file_format: 'csv', target_table: TABLE });
}

function goal(ratio: number): Goal {
  return {
    text: `backlog of ${FILES} files: at most 1.1 times as long as raw COPY of the same CSV files over ${CONNECTIONS} connections`,
    value: ratio,
    met: (value) => value <= 1.1,
    show: times,
  };
}
