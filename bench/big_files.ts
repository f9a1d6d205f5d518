/** The benchmark `big_files`: duration and memory of imports of big files, alone and several at once. */
import { stat } from 'node:fs/promises';
import type { BucketServer } from '../embedded/bucket/server.ts';
import { type Dataset, describeDataset } from './data/dataset.ts';
import { runInDuckDB } from './data/duckdb.ts';
import { readings } from './data/readings.ts';
import { type Content, checkRows, multiply, readContent } from './load/content.ts';
import { plainTable, TABLE } from './load/loader.ts';
import { installTimescaledb, NO_TIMESCALEDB } from './load/timescaledb.ts';
import { printEnvironment } from './measure/environment.ts';
import { type Cost, Meter } from './measure/meter.ts';
import type { Options } from './options.ts';
import {
  type Goal,
  megabytes,
  optional,
  printGoals,
  printOthers,
  printTable,
  progress,
  seconds,
} from './report.ts';
import { BUCKET, QUIET, type Testbed, withTestbed } from './testbed.ts';

/** With the default of 5 million rows, a file has about 1 GB in either format. */
const NOTE_LENGTH = 160;
/** In rows. Other tools write row groups of this size. DuckDB writes pages of up to 100 MB into them. */
const LARGE_ROW_GROUP = 1_048_576;
const MAX_FILE_BYTES = 4 * 1024 ** 3;
const MANY = 3;
const HIGH_CONCURRENCY = 16;

/** Files that one newly started worker imports at once. */
interface Case {
  name: string;
  /** Paths. */
  csv: string[];
  parquet: string[];
  columnstore: boolean;
  concurrency: number;
}

interface Measured {
  case: Case;
  cost: Cost;
  bytes: number;
  /** Why the import failed. */
  error: string | undefined;
}

/** Runs all cases and prints seconds, CPU, and the memory of the worker and its children. */
export async function bigFiles({ rows }: Options): Promise<void> {
  progress('big_files: making the files');
  const data = await readings({ rows, noteLength: NOTE_LENGTH });
  const runs: Measured[] = [];
  let content: Content | undefined;
  for (const each of await listCases(data)) {
    await withTestbed(
      (server) => putAll(server, each),
      async (testbed) => {
        const timescaledb = await installTimescaledb(testbed.client);
        if (runs.length === 0) await printHead(testbed, data, timescaledb);
        if (each.columnstore && !timescaledb) return;
        const run = await tryCase(testbed, data, each);
        runs.push(run);
        progress(
          `big_files: ${each.name}: ${seconds(run.cost.seconds)}, ${optional(run.cost.peakBytes, megabytes) ?? '-'}${run.error ? `, ${run.error}` : ''}`,
        );
        if (run.error) return;
        const loaded = await readContent(testbed.client, data.columns);
        const files = each.csv.length + each.parquet.length;
        content ??= loaded;
        checkRows(each.name, loaded, { ...multiply(content, files), rows: String(rows * files) });
      },
      { env: { WORKER_CONCURRENCY: String(each.concurrency) }, settings: QUIET },
    );
  }
  printRuns(runs);
  const failed = runs.filter((run) => run.error);
  if (failed.length > 0) throw new Error(failed.map((run) => `${run.case.name}: ${run.error}`).join('\n'));
}

async function listCases({ csv, parquet }: Dataset): Promise<Case[]> {
  const largeGroups = parquet.replace('.parquet', '_large_groups.parquet');
  await runInDuckDB(
    `copy (from read_parquet('${parquet}')) to '${largeGroups}' (format parquet, row_group_size ${LARGE_ROW_GROUP})`,
  );
  const one = { csv: [], parquet: [], columnstore: false, concurrency: 4 };
  const many = (path: string) => Array.from({ length: MANY }, () => path);
  const together = `at once, WORKER_CONCURRENCY ${HIGH_CONCURRENCY}`;
  return [
    { ...one, name: 'CSV', csv: [csv] },
    { ...one, name: 'Parquet', parquet: [parquet] },
    {
      ...one,
      name: `Parquet, ${LARGE_ROW_GROUP.toLocaleString('en')} rows a row group`,
      parquet: [largeGroups],
    },
    {
      ...one,
      name: `${MANY} CSV and ${MANY} Parquet ${together}`,
      csv: many(csv),
      parquet: many(parquet),
      concurrency: HIGH_CONCURRENCY,
    },
    { ...one, name: 'CSV, columnstore', csv: [csv], columnstore: true },
    { ...one, name: 'Parquet, columnstore', parquet: [parquet], columnstore: true },
    {
      ...one,
      name: `${MANY} Parquet ${together}, columnstore`,
      parquet: many(parquet),
      columnstore: true,
      concurrency: HIGH_CONCURRENCY,
    },
  ];
}

async function putAll({ store }: BucketServer, { csv, parquet }: Case): Promise<void> {
  for (const [n, path] of csv.entries()) await store.putFile(BUCKET, `csv/${n}.csv`, path);
  for (const [n, path] of parquet.entries()) await store.putFile(BUCKET, `parquet/${n}.parquet`, path);
}

/** Returns the cost of a case. If its import fails, it returns the cost so far with the error. */
async function tryCase(testbed: Testbed, data: Dataset, each: Case): Promise<Measured> {
  if (!each.columnstore) await testbed.client.query(plainTable(data.columns));
  const settings = each.columnstore ? { columnstore: true, segment_by: ['device'], order_by: ['at'] } : {};
  const types = Object.fromEntries(data.columns.map(({ name, type }) => [name, type]));
  const formats = (['csv', 'parquet'] as const).filter((format) => each[format].length > 0);
  const meter = new Meter(testbed.postgres.pid, testbed.worker.pid);
  const imports = Promise.all(
    formats.map((format) =>
      testbed.importAll(
        format,
        {
          pattern: `${format}/*`,
          file_format: format,
          target_table: TABLE,
          max_file_bytes: MAX_FILE_BYTES,
          ...settings,
        },
        each.columnstore ? types : {},
      ),
    ),
  );
  const error = await imports.then(
    () => undefined,
    (reason: Error) => reason.message,
  );
  const cost = meter.stop();
  const sizes = await Promise.all(
    [...each.csv, ...each.parquet].map(async (path) => (await stat(path)).size),
  );
  return { case: each, cost, bytes: sizes.reduce((sum, size) => sum + size, 0), error };
}

async function printHead({ client }: Testbed, data: Dataset, timescaledb: boolean): Promise<void> {
  console.log('## big_files: big files, each case with a newly started worker\n');
  await printEnvironment(client);
  if (!timescaledb) console.log(`${NO_TIMESCALEDB}: no columnstore.`);
  console.log(`\nGenerated readings, ${await describeDataset(data)}:\n`);
}

function printRuns(runs: Measured[]): void {
  printTable(
    ['files', 'seconds', 'MB/s', 'worker CPU', 'COPY CPU', 'peak memory of worker and children'],
    runs.map(({ case: { name }, cost, bytes, error }) => [
      name,
      error ? 'failed' : seconds(cost.seconds),
      error ? undefined : (bytes / 1e6 / cost.seconds).toFixed(0),
      optional(cost.clientCpu, seconds),
      optional(cost.copyCpu, seconds),
      optional(cost.peakBytes, megabytes),
    ]),
  );
  printOthers(runs.map((run) => run.cost.othersShare));
  printGoals(runs.map(memoryGoal));
}

/** The limit is higher for the columnstore: when DuckDB sorts, it exceeds its own memory limit. */
function memoryGoal({ case: { name, columnstore }, cost, error }: Measured): Goal {
  const atMost = columnstore ? 800e6 : 400e6;
  return {
    text: `${name}: at most ${megabytes(atMost)} of memory`,
    value: error ? undefined : cost.peakBytes,
    met: (value) => value <= atMost,
    show: megabytes,
  };
}
