// `npm run soak -- --minutes 30`: workers under steady arrivals of CSV, JSON and Parquet files, good and bad ones, in order and
// late, with events, with columns that are added, and files that change rows. The resources of
// the workers and the database are measured after a warm-up and at the end, and the run fails if one of them has grown.
// TEST_POSTGRES_BIN_DIR and TEST_POSTGRES_VERSION select the PostgreSQL, as for the tests.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { canMeasure } from '../../bench/measure/processes.ts';
import { startBucketServer } from '../../embedded/bucket/server.ts';
import { startPostgres } from '../../embedded/postgres/server.ts';
import { startSqsServer } from '../../embedded/sqs/server.ts';
import { runWorkerSetup } from '../support/roles.ts';
import { readServerOptions } from '../support/server_options.ts';
import { Arrivals } from './soak/arrivals.ts';
import { takeSample } from './soak/sample.ts';
import { compare } from './soak/verdict.ts';
import { SoakWorker } from './soak/worker.ts';

const WORKERS = 2;
/** Who inserts the connectors. */
const OWNER = 'soak_owner';
const FILES_PER_SECOND = 20;
/** How often the bucket is polled and the crontab's tasks are run. */
const TICK_MS = 2000;
/** The longest backlog that counts as caught up. */
const SETTLE_MS = 300_000;
/** Fast enough for a minute's dead rows; a server's own preset is a minute. */
const SETTINGS = { autovacuum_naptime: '5s' };

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new Error(`--minutes must be a number above 0; it is ${values.minutes}`);

const postgres = await startPostgres({ settings: SETTINGS, ...readServerOptions() });
const server = await startBucketServer();
const queue = await startSqsServer();
const spoolDir = await mkdtemp(join(tmpdir(), 's3-connector-soak-'));
try {
  process.exitCode = await soak();
} finally {
  await server.close();
  await queue.close();
  await postgres.stop();
  await rm(spoolDir, { recursive: true, force: true });
}

async function soak(): Promise<number> {
  const admin = new pg.Client({ connectionString: postgres.url() });
  // Where the test fails, the server stops before it.
  admin.on('error', () => {});
  await admin.connect();
  const workers = await startWorkers(admin);
  const arrivals = await Arrivals.open(server, queue);
  const total = minutes * 60_000;
  // History is pruned many times within the run.
  await admin.query(`set role ${OWNER}`);
  await arrivals.insertConnectors(admin, `${Math.max(total / 12, 5000)} milliseconds`);
  await admin.query('reset role');

  console.log(`${minutes} minutes, ${WORKERS} workers, ${FILES_PER_SECOND} files a second; warming up`);
  await arrive(admin, arrivals, total / 3);
  await settle(admin, arrivals);
  const start = await takeSample(admin, workers, spoolDir);
  const before = arrivals.arrived;
  console.log(`${before} files so far; measured, and on`);
  await arrive(admin, arrivals, (total * 2) / 3);
  await settle(admin, arrivals);
  const end = await takeSample(admin, workers, spoolDir);

  await arrivals.assertImported(admin);
  const grown = compare(start, end, arrivals.arrived - before);
  for (const worker of workers) await worker.stop();
  await admin.end();
  if (!canMeasure) console.log('This is not Linux: resident memory and descriptors cannot be measured.');
  console.log(
    grown.length === 0
      ? `soak: ${arrivals.arrived} files, each once; nothing has grown`
      : `soak: what has grown: ${grown.join(', ')}`,
  );
  return grown.length === 0 ? 0 : 1;
}

/** Workers log in as the roles that sql/setup/ creates, and import with the rights of an ordinary role. */
async function startWorkers(admin: pg.Client): Promise<SoakWorker[]> {
  const [role, importer] = ['soak_worker', 'soak_importer'];
  await runWorkerSetup(admin, role, importer);
  await admin.query(
    `alter role ${role} password '${postgres.password}'; alter role ${importer} password '${postgres.password}';
    create role ${OWNER}; grant s3_connector_admin to ${OWNER}; grant ${OWNER} to ${importer};
    grant create on schema public to ${OWNER}`,
  );
  const env = {
    DATABASE_URL: postgres.url('postgres', role),
    IMPORT_DATABASE_URL: postgres.url('postgres', importer),
    SPOOL_DIR: spoolDir,
    S3_ALLOWED_ENDPOINTS: `${server.endpoint},${queue.endpoint}`,
    AWS_ACCESS_KEY_ID: 'soak',
    AWS_SECRET_ACCESS_KEY: randomBytes(8).toString('hex'),
    AWS_REGION: 'us-east-1',
  };
  return await Promise.all(Array.from({ length: WORKERS }, () => SoakWorker.start(env)));
}

/** Adds files for that long, evenly, even if a poll takes long. */
async function arrive(admin: pg.Client, arrivals: Arrivals, ms: number): Promise<void> {
  const begun = performance.now();
  const due = () => ((performance.now() - begun) / 1000) * FILES_PER_SECOND;
  let nextTick = begun;
  for (let put = 0; performance.now() - begun < ms; await delay(1000 / FILES_PER_SECOND)) {
    for (; put < due(); put++) arrivals.next();
    if (performance.now() < nextTick) continue;
    nextTick += TICK_MS;
    await tick(admin, arrivals);
  }
}

async function tick(admin: pg.Client, arrivals: Arrivals): Promise<void> {
  for (const name of arrivals.polled) await admin.query('select s3_connector.poll_now($1)', [name]);
  await admin.query("select s3_connector_queue.add_job('poll_due', job_key => 'poll_due')");
}

/** Waits until every file has ended, and nothing is running. */
async function settle(admin: pg.Client, arrivals: Arrivals): Promise<void> {
  for (const deadline = Date.now() + SETTLE_MS; ; await delay(500)) {
    const { rows } = await admin.query(
      `select (select count(*)::integer from s3_connector.files where status in ('success', 'failure')) as ended,
        (select count(*)::integer from s3_connector_queue.jobs where locked_at is not null) as busy`,
    );
    if (rows[0].ended === arrivals.arrived && rows[0].busy === 0) return;
    // Polls only while a file is missing, because a poll is running work itself.
    if (rows[0].ended < arrivals.arrived) await tick(admin, arrivals);
    if (Date.now() > deadline) {
      throw new Error(`after ${SETTLE_MS / 1000} s ${JSON.stringify(rows[0])} of ${arrivals.arrived} files`);
    }
  }
}
