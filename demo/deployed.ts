/**
 * The demo for docker-compose.yml, with an existing database, bucket and workers. It uploads real files, inserts the
 * connectors, and then uploads a new month of weather every ten seconds. It can be run again and continues where it stopped.
 * `--once` exits when the first files are imported.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import pg from 'pg';
import { type DemoBucket, insertStatement } from './connectors.ts';
import { type DemoObject, flightsPath, laterWeather, placeFiles, stockFiles, weatherFiles } from './data.ts';
import { table } from './screen.ts';

const TIME_LIMIT_MS = 10 * 60_000;
const STATUS = `
  select name, in_queue + running + pending_retry as under_way, caught_up, success, failure, rows_total
  from s3_connector.connector_status order by name`;

const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort());

const target: DemoBucket = { bucket: need('DEMO_BUCKET'), endpoint: need('DEMO_ENDPOINT'), auth: 'worker' };
const s3 = new S3Client({ endpoint: target.endpoint, forcePathStyle: true });
const client = new pg.Client({ connectionString: need('DATABASE_URL') });
try {
  await client.connect();
  await fillBucket();
  await startConnectors();
  await untilDone();
  if (!process.argv.includes('--once')) await addMonths();
} catch (error) {
  if (!ended.signal.aborted) throw error;
} finally {
  await client.end();
  s3.destroy();
}

function need(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set; docker-compose.yml sets it`);
}

async function fillBucket(): Promise<void> {
  const { airports, zipcodes } = placeFiles();
  const files = [...weatherFiles(), ...stockFiles(), airports, zipcodes];
  for (const file of files) await put(file);
  await put({ key: 'flights/2001-q1.parquet', body: await readFile(flightsPath) });
  console.log(`${files.length + 1} files are in the bucket ${target.bucket}.`);
}

async function put({ key, body }: DemoObject): Promise<void> {
  const request = new PutObjectCommand({ Bucket: target.bucket, Key: key, Body: body });
  await s3.send(request, { abortSignal: ended.signal });
}

async function startConnectors(): Promise<void> {
  const statement = `${insertStatement(target)}\non conflict (name) do nothing;`;
  console.log(`\n${statement}\n`);
  await client.query(statement);
}

async function untilDone(): Promise<void> {
  const limit = AbortSignal.any([ended.signal, AbortSignal.timeout(TIME_LIMIT_MS)]);
  for (let shown = ''; ; await delay(1000, undefined, { signal: limit })) {
    const { rows } = await client.query(STATUS);
    const text = table(rows).join('\n');
    if (text !== shown) console.log(`${text}\n`);
    shown = text;
    if (rows.every((row) => row.caught_up && row.under_way === '0')) return;
  }
}

/** Uploads a new month every ten seconds. It starts after the marker, so that a later run continues. */
async function addMonths(): Promise<void> {
  console.log('All files are imported. A new month of weather arrives every ten seconds.');
  const { rows } = await client.query<{ marker: string | null }>(
    "select marker from s3_connector.connector_status where name = 'weather'",
  );
  const marker = rows[0]?.marker ?? '';
  for (const file of laterWeather()) {
    if (Buffer.compare(Buffer.from(file.key), Buffer.from(marker)) <= 0) continue;
    await put(file);
    console.log(file.key);
    await delay(10_000, undefined, { signal: ended.signal });
  }
}
