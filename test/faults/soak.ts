// `npm run soak -- --minutes 30`: workers under steady arrivals of CSV, JSON and Parquet files, good and bad ones, in order and
// late, with events, with columns that are added, and files that change rows. The resources of
// the workers and the database are measured after a warm-up and at the end, and the run fails if one of them has grown.
// With --faults, workers are killed, sessions end, requests fail and the server crashes meanwhile.
// TEST_POSTGRES_BIN_DIR and TEST_POSTGRES_VERSION select the PostgreSQL, as for the tests.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { canMeasure } from '../../bench/measure/processes.ts';
import { startBucketServer } from '../../embedded/bucket/server.ts';
import { startSqsServer } from '../../embedded/sqs/server.ts';
import { runWorkerSetup } from '../support/roles.ts';
import { Arrivals, type State } from './soak/arrivals.ts';
import { SoakDatabase } from './soak/database.ts';
import { Disturber } from './soak/disturber.ts';
import { type Sample, takeSample } from './soak/sample.ts';
import { compare } from './soak/verdict.ts';
import { SoakWorker } from './soak/worker.ts';

const WORKERS = 2;
/** Who inserts the connectors. */
const OWNER = 'soak_owner';
const FILES_PER_SECOND = 20;
/** How often the bucket is polled and the crontab's tasks are run. */
const TICK_MS = 2000;
/** A backlog of which no file ends for that long is stuck. */
const STUCK_MS = 300_000;
/** No files are added while that many wait: a busy machine would never catch up. */
const MOST_WAITING = 1000;
const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, faults: { type: 'boolean', default: false } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new Error(`--minutes must be a number above 0; it is ${values.minutes}`);

const database = await SoakDatabase.start();
const server = await startBucketServer();
const queue = await startSqsServer();
const spoolDir = await mkdtemp(join(tmpdir(), 's3-connector-soak-'));
const workers: SoakWorker[] = [];
let disturber: Disturber | undefined;
try {
  process.exitCode = await soak();
} catch (error) {
  // First of all: what follows may fail, too.
  console.error(error);
  for (const worker of workers) console.error(worker.log);
  process.exitCode = 1;
} finally {
  await Promise.all([...workers, disturber].map((one) => one?.kill()));
  await server.close();
  await queue.close();
  await database.stop();
  await rm(spoolDir, { recursive: true, force: true });
}

async function soak(): Promise<number> {
  const env = await createRoles();
  for (let n = 0; n < WORKERS; n++) workers.push(await SoakWorker.start(env));
  if (values.faults) disturber = new Disturber(database, server, env);
  const arrivals = await Arrivals.open(server, queue);
  const total = minutes * 60_000;
  // History is pruned many times within the run.
  await database.client.query(`set role ${OWNER}`);
  await arrivals.insertConnectors(database.client, `${Math.max(total / 12, 5000)} milliseconds`);
  await database.client.query('reset role');

  console.log(`${minutes} minutes, ${WORKERS} workers, ${FILES_PER_SECOND} files a second; warming up`);
  await arrive(arrivals, total / 3);
  const start = await sample(arrivals);
  const before = arrivals.arrived;
  console.log(`${before} files so far; measured, and on`);
  await arrive(arrivals, (total * 2) / 3);
  const end = await sample(arrivals);

  await arrivals.assertImported(database.client);
  const grown = compare(start, end, arrivals.arrived - before);
  for (const worker of workers) await worker.stop();
  if (!canMeasure) console.log('This is not Linux: resident memory and descriptors cannot be measured.');
  if (disturber) console.log(`faults: ${disturber.summary()}`);
  console.log(
    grown.length === 0
      ? `soak: ${arrivals.arrived} files, each once; nothing has grown`
      : `soak: what has grown: ${grown.join(', ')}`,
  );
  return grown.length === 0 ? 0 : 1;
}

/**
 * Workers log in as the roles that sql/setup/ creates, and import with the rights of an ordinary role.
 * @returns the settings of workers
 */
async function createRoles(): Promise<Record<string, string>> {
  const { client, postgres } = database;
  const [role, importer] = ['soak_worker', 'soak_importer'];
  await runWorkerSetup(client, role, importer);
  await client.query(
    `alter role ${role} password '${postgres.password}'; alter role ${importer} password '${postgres.password}';
    create role ${OWNER}; grant s3_connector_admin to ${OWNER}; grant ${OWNER} to ${importer};
    grant create on schema public to ${OWNER}`,
  );
  return {
    DATABASE_URL: postgres.url('postgres', role),
    IMPORT_DATABASE_URL: postgres.url('postgres', importer),
    SPOOL_DIR: spoolDir,
    S3_ALLOWED_ENDPOINTS: `${server.endpoint},${queue.endpoint}`,
    AWS_ACCESS_KEY_ID: 'soak',
    AWS_SECRET_ACCESS_KEY: randomBytes(8).toString('hex'),
    AWS_REGION: 'us-east-1',
  };
}

/** Adds files for that long, evenly, even if a poll takes long. */
async function arrive(arrivals: Arrivals, ms: number): Promise<void> {
  await disturber?.start();
  const begun = performance.now();
  const due = () => ((performance.now() - begun) / 1000) * FILES_PER_SECOND;
  let nextTick = begun;
  let isFull = false;
  for (let put = 0; performance.now() - begun < ms; await delay(1000 / FILES_PER_SECOND)) {
    for (; put < due(); put++) if (!isFull) arrivals.next();
    await disturber?.tick();
    if (performance.now() < nextTick) continue;
    nextTick += TICK_MS;
    await tick(arrivals);
    const { ended } = await arrivals.state(database.client);
    isFull = arrivals.files - ended > MOST_WAITING;
  }
  await disturber?.stop();
}

async function tick(arrivals: Arrivals): Promise<void> {
  for (const name of arrivals.polled) await database.client.query('select s3_connector.poll_now($1)', [name]);
  await database.client.query("select s3_connector_queue.add_job('poll_due', job_key => 'poll_due')");
}

/** Waits until nothing is left to be done, and takes a sample. */
async function sample(arrivals: Arrivals): Promise<Sample> {
  await settle(arrivals);
  return await takeSample(database.client, workers, spoolDir);
}

/** Waits until every file has ended, and nothing is running. */
async function settle(arrivals: Arrivals): Promise<void> {
  let ended = -1;
  let nextTick = 0;
  for (let since = Date.now(); ; await delay(500)) {
    const state = await arrivals.state(database.client);
    if (state.ended === arrivals.files && state.old === 0 && state.busy === 0) return;
    // Polls only while a file is missing, because a poll is running work itself.
    const isMissing = state.ended < arrivals.files || state.old > 0;
    if (isMissing && performance.now() >= nextTick) {
      // As often as before, because the rows of polls are counted.
      nextTick = performance.now() + TICK_MS;
      await tick(arrivals);
    }
    if (state.ended > ended) since = Date.now();
    ended = state.ended;
    if (Date.now() - since > STUCK_MS) throw new Error(await describeBacklog(arrivals, state));
  }
}

/** Returns which files and jobs are left, for the message of a failed run. */
async function describeBacklog(arrivals: Arrivals, state: State): Promise<string> {
  const { rows } = await database.client.query<{ text: string }>(
    `(select format('%s %s %s %s', key, status, error_code, error_message) as text from s3_connector.files
        where status not in ('success', 'failure') order by id limit 10)
      union all
      (select format('job %s: %s attempts, locked by %s, %s', task_identifier, attempts, locked_by, last_error)
        from s3_connector_queue.jobs order by id limit 20)`,
  );
  const left = rows.map(({ text }) => text).join('\n');
  return `for ${STUCK_MS / 1000} s no file has ended: ${JSON.stringify(state)} of ${arrivals.files} files\n${left}`;
}
