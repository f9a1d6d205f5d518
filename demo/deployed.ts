/**
 * The demo on a database, a bucket and workers that are there already, as docker-compose.yml starts them: puts real files
 * into the bucket, starts the connectors, and lets a new month of weather arrive every ten seconds, until it is stopped.
 * What an earlier run did stays, so that it may be started again. `--once` ends when the first files are all in.
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

const place: DemoBucket = { bucket: need('DEMO_BUCKET'), endpoint: need('DEMO_ENDPOINT'), auth: 'worker' };
const s3 = new S3Client({ endpoint: place.endpoint, forcePathStyle: true });
const client = new pg.Client({ connectionString: need('DATABASE_URL') });
try {
  await client.connect();
  await fillBucket();
  await startConnectors();
  await untilDone();
  if (!process.argv.includes('--once')) await goOn();
} catch (error) {
  if (!ended.signal.aborted) throw error;
} finally {
  await client.end();
  s3.destroy();
}

function need(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} must be set; docker-compose.yml sets it`);
}

async function fillBucket(): Promise<void> {
  const { airports, zipcodes } = placeFiles();
  const files = [...weatherFiles(), ...stockFiles(), airports, zipcodes];
  for (const file of files) await put(file);
  await put({ key: 'flights/2001-q1.parquet', body: await readFile(flightsPath) });
  console.log(`${files.length + 1} files are in the bucket ${place.bucket}.`);
}

async function put({ key, body }: DemoObject): Promise<void> {
  const request = new PutObjectCommand({ Bucket: place.bucket, Key: key, Body: body });
  await s3.send(request, { abortSignal: ended.signal });
}

async function startConnectors(): Promise<void> {
  const statement = `${insertStatement(place)}\non conflict (name) do nothing;`;
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

/** Goes on behind the marker of an earlier run: what is there already is put again, and nothing comes of it. */
async function goOn(): Promise<void> {
  console.log('All is in, and a new month of weather lands in the bucket every ten seconds.');
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
