/**
 * `npm run demo`: shows the connector with a temporary PostgreSQL and bucket. It inserts connectors for real files, starts a
 * worker, adds more files, and breaks and fixes one of them. `--once` exits when all files are imported.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type Console, startConsole } from '../console/server.ts';
import { type BucketServer, startBucketServer } from '../embedded/bucket/server.ts';
import { startPostgres } from '../embedded/postgres/server.ts';
import { migrate } from '../src/db/migrations.ts';
import { insertStatement } from './connectors.ts';
import {
  breakFile,
  type DemoObject,
  flightsPath,
  laterWeather,
  placeFiles,
  stockFiles,
  weatherFiles,
} from './data.ts';
import { Screen, type StatusRow, table } from './screen.ts';

const BUCKET = 'demo';
const ROLES = new URL('../deploy/compose/roles.sql', import.meta.url);
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const END_WITH_PARENT = new URL('../embedded/end_with_parent.ts', import.meta.url).href;
/** The number of months of weather that arrive during the demo. The first plain CSV of them is broken, then fixed. */
const LATE_MONTHS = 6;
const TIME_LIMIT_MS = 10 * 60_000;

/** Keeps dates and times as PostgreSQL writes them. */
const datesAsText: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    [pg.types.builtins.DATE, pg.types.builtins.TIMESTAMP, pg.types.builtins.TIMESTAMPTZ].includes(oid)
      ? String
      : pg.types.getTypeParser(oid, format),
};

const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort());

const onceOnly = process.argv.includes('--once');
const directory = await mkdtemp(join(tmpdir(), 'pg-s3-connector-demo-'));
const postgres = await startPostgres();
const server = await startBucketServer({ anonymousBuckets: [BUCKET] });
const [databaseUrl, workerUrl, importUrl] = ['app', 's3_connector_worker', 's3_connector_importer'].map(
  (role) => postgres.url('postgres', role),
) as [string, string, string];
let worker: ChildProcess | undefined;
let client: pg.Client | undefined;
let console: Console | undefined;
try {
  await makeRoles();
  await migrate(workerUrl);
  client = new pg.Client({ connectionString: databaseUrl, types: datesAsText });
  await client.connect();
  const screen = new Screen(client);
  const late = await fillBucket(server);
  screen.say(
    `PostgreSQL ${postgres.version} and an S3 bucket are up, with months of weather and stocks, and 3 million flights.\n`,
  );
  worker = startWorker(server, directory);
  // A starting worker may replace the views, and readers could deadlock with it.
  await untilReady(worker);
  console = await startConsole({ databaseUrl, host: '127.0.0.1', port: 0, token: undefined });
  screen.say(`The console for your browser: ${console.url}\n`);
  await insertConnectors(screen, server);
  await untilDone(screen);
  await lateFilesArrive(screen, server, late);
  await showResult(screen, client);
  process.exitCode = (await allImported(client)) ? 0 : 1;
  if (!onceOnly) await stayOpen(screen, databaseUrl, console.url, server);
} catch (error) {
  if (!ended.signal.aborted) throw error;
} finally {
  await console?.close();
  await client?.end().catch(() => {});
  await stopWorker(worker);
  await server.close();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
}

/** Fills the bucket. Returns the files that arrive later. */
async function fillBucket({ store }: BucketServer): Promise<DemoObject[]> {
  store.createBucket(BUCKET);
  const weather = weatherFiles();
  const { airports, zipcodes } = placeFiles();
  const late = weather.splice(-LATE_MONTHS);
  for (const { key, body } of [...weather, ...stockFiles(), airports, zipcodes]) store.put(BUCKET, key, body);
  await store.putFile(BUCKET, 'flights/2001-q1.parquet', flightsPath);
  return late;
}

/** Creates the roles of docker-compose.yml, with the server's password. */
async function makeRoles(): Promise<void> {
  const text = (await readFile(ROLES, 'utf8')).replaceAll(/^\\getenv .*$/gm, '');
  const admin = new pg.Client({ connectionString: postgres.url('postgres') });
  await admin.connect();
  await admin.query(text.replaceAll(/:'\w+'/g, pg.escapeLiteral(postgres.password)));
  await admin.end();
}

function startWorker({ endpoint }: BucketServer, directory: string): ChildProcess {
  const child = spawn(process.execPath, ['--import', END_WITH_PARENT, MAIN], {
    env: {
      ...process.env,
      DATABASE_URL: workerUrl,
      IMPORT_DATABASE_URL: importUrl,
      S3_ALLOWED_ENDPOINTS: endpoint,
      SPOOL_DIR: join(directory, 'spool'),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
    // Ctrl-C must reach only the demo, which then stops the worker.
    detached: true,
  });
  child.stdout!.pipe(createWriteStream(join(directory, 'worker.log')));
  child.once('exit', (code) => {
    if (code !== 0 && !ended.signal.aborted) ended.abort(new Error(`the worker ended with code ${code}`));
  });
  return child;
}

/** Waits until the worker is ready. If it ends before, `ended` aborts the wait. */
async function untilReady(child: ChildProcess): Promise<void> {
  for await (const [line] of on(createInterface({ input: child.stdout! }), 'line', {
    signal: ended.signal,
  })) {
    if (String(line).includes('"event":"ready"')) return;
  }
}

async function stopWorker(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

async function insertConnectors(screen: Screen, { endpoint }: BucketServer): Promise<void> {
  screen.say('Five rows start five connectors. Their tables do not exist yet:\n');
  await screen.run(`${insertStatement({ bucket: BUCKET, endpoint, auth: 'anonymous' })};`);
  screen.say();
}

/** Adds new months, one of them broken. Shows its error, fixes it and retries it. */
async function lateFilesArrive(screen: Screen, { store }: BucketServer, late: DemoObject[]): Promise<void> {
  screen.say('\nMore months arrive. (poll_now saves waiting for the next minute.)\n');
  const plain = late.find((file) => file.key.endsWith('.csv'))!;
  for (const file of late) {
    const { key, body } = file === plain ? breakFile(file) : file;
    store.put(BUCKET, key, body);
    await delay(300, undefined, { signal: ended.signal });
    await screen.draw();
  }
  await screen.run("select s3_connector.poll_now('weather');");
  await untilDone(screen);

  screen.say('\nOne of them is broken. The others are imported. The broken one has an error:\n');
  const failed = await screen.run(
    "select key, status, error_message from s3_connector.files where status = 'failure';",
  );
  screen.say(
    `\n${failed.rows.map((row) => `  ${row.key}: ${row.status}\n  ${row.error_message}`).join('\n')}\n`,
  );
  store.put(BUCKET, plain.key, plain.body);
  screen.say('The file is fixed and uploaded again. Retry it:\n');
  await screen.run("select s3_connector.retry('weather');");
  await untilDone(screen);
}

/** Draws until every connector has caught up and all files are done. */
async function untilDone(screen: Screen): Promise<StatusRow[]> {
  const limit = AbortSignal.any([ended.signal, AbortSignal.timeout(TIME_LIMIT_MS)]);
  for (;;) {
    const rows = await screen.draw();
    if (rows.every((row) => row.caught_up && row.under_way === '0')) return rows;
    await delay(200, undefined, { signal: limit });
  }
}

async function showResult(screen: Screen, client: pg.Client): Promise<void> {
  for (const sql of [
    'select name, state, marker, caught_up, success, failure, rows_total from s3_connector.connector_status order by name;',
    'select * from weather order by date desc limit 3;',
    'select origin, count(*) as flights, round(avg(delay), 1) as delay from flights group by 1 order by 2 desc limit 3;',
    "select * from zipcodes where zip_code like '00%' limit 2;",
    "select from_status, to_status, round(seconds::numeric, 3) as seconds, left(message, 60) as message from s3_connector.file_history where key = (select key from s3_connector.file_history where to_status = 'failure' limit 1) order by at;",
  ]) {
    screen.say();
    await screen.run(sql);
    screen.say();
    screen.say(table((await client.query(sql)).rows).join('\n'));
  }
}

async function allImported(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ missing: string }>(
    "select count(*) as missing from s3_connector.files where status <> 'success'",
  );
  const { rows: idle } = await client.query(
    'select from s3_connector.connector_status where not caught_up or success = 0',
  );
  return rows[0]!.missing === '0' && idle.length === 0;
}

/** Adds a new month every ten seconds until Ctrl-C. The connector finds each within a minute. */
async function stayOpen(
  screen: Screen,
  url: string,
  consoleUrl: string,
  { store, endpoint }: BucketServer,
): Promise<void> {
  screen.say(`
All files are imported. A new month of weather arrives every ten seconds. Look around; Ctrl-C stops the demo and deletes everything.

  ${consoleUrl}   the console
  psql ${url}
  aws --no-sign-request --endpoint-url ${endpoint} s3 cp mine.csv s3://${BUCKET}/weather/
`);
  for (const { key, body } of laterWeather()) {
    store.put(BUCKET, key, body);
    for (let seconds = 0; seconds < 10; seconds++) {
      await screen.draw();
      await delay(1000, undefined, { signal: ended.signal });
    }
  }
}
