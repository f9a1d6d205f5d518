/** The benchmark `listing`: polls of a bucket with a million keys. */
import { setTimeout as delay } from 'node:timers/promises';
import type { PutEntry } from '../embedded/bucket/store.ts';
import { type Goal, printGoals } from './report.ts';
import { BUCKET, type Testbed, withTestbed } from './testbed.ts';

const KEYS = 1_000_000;
/** The number of keys that match the pattern of the first scan. The last key is one of them. */
const MATCHING = 10;
/** How long the distant server takes for an answer. Amazon's S3 takes 20 to 100 ms. */
const ANSWER_MS = 30;
/** A schedule that does not run during the benchmark. */
const NEVER = '0 0 29 2 *';
/** The max_tracked_files of the second connector, whose pattern matches all keys. */
const MAX_TRACKED = 10_000;
/** In keys a second. */
const SCAN_GOAL = 150_000;

/** Measures the first scan, then a poll without new keys, then a poll that enqueues max_tracked_files files, then a first scan of a distant server. */
export async function listing(): Promise<void> {
  await withTestbed(
    ({ store }) => store.putMany(BUCKET, entries()),
    async (testbed) => {
      await testbed.client.query('create table listed (n integer)');
      const seconds = await testbed.importAll('scan', {
        pattern: 'data/**/*.wanted.csv',
        file_format: 'csv',
        target_table: 'listed',
        schedule: NEVER,
      });
      const { keys, requests } = await sum(testbed, 'scan');
      report(`first scan, ${MATCHING} keys match`, keys, requests, seconds);
      // Where a poll goes on from another one, it lists some hundred keys again.
      if (keys < KEYS || keys > KEYS * 1.01) throw new Error(`${keys} of ${KEYS} keys were listed`);
      // The first poll after the scan finds out how the folders end. Polls trust that for minutes.
      await pollAgain(testbed);
      const steady = await pollAgain(testbed);
      await fullPoll(testbed);
      await distantScan(testbed);
      printGoals([scanGoal(keys / seconds), steadyGoal(steady)]);
    },
  );
}

function* entries(): Generator<PutEntry> {
  const body = Buffer.from('n\n1\n');
  for (let n = 1; n <= KEYS; n++) {
    const digits = String(n).padStart(7, '0');
    const wanted = n % (KEYS / MATCHING) === 0 ? '.wanted' : '';
    yield { key: `data/${digits.slice(0, 3)}/sensor-${digits}${wanted}.csv`, body };
  }
}

/** Makes a poll after the scan is complete. Returns the number of its LIST requests. */
async function pollAgain(testbed: Testbed): Promise<number> {
  const before = await sum(testbed, 'scan');
  await testbed.client.query("select s3_connector.poll_now('scan')");
  const after = await polled(testbed, 'scan', before.polls + 1);
  return after.requests - before.requests;
}

function scanGoal(keysPerSecond: number): Goal {
  return {
    text: `first scan: at least ${SCAN_GOAL.toLocaleString('en')} keys a second`,
    value: keysPerSecond,
    met: (value) => value >= SCAN_GOAL,
    show: (value) => Math.round(value).toLocaleString('en'),
  };
}

function steadyGoal(requests: number): Goal {
  return {
    text: 'a steady poll: one LIST request',
    value: requests,
    met: (value) => value === 1,
    show: String,
  };
}

async function fullPoll(testbed: Testbed): Promise<void> {
  await testbed.client.query(
    `insert into s3_connector.connectors (name, bucket, endpoint, auth_method, schedule, max_tracked_files, pattern, file_format, target_table)
      values ('full', $1, $2, 'anonymous', $3, $4, 'data/**', 'csv', 'listed')`,
    [BUCKET, testbed.server.endpoint, NEVER, MAX_TRACKED],
  );
  const { keys, requests, seconds } = await polled(testbed, 'full', 1);
  report(`a poll that enqueues ${MAX_TRACKED} files`, keys, requests, seconds);
  await testbed.drop('full');
}

/** Measures a first scan of a server that takes some time for each answer, as S3 does. */
async function distantScan(testbed: Testbed): Promise<void> {
  const fault = testbed.server.faults.order({ operation: 'ListObjectsV2', times: KEYS, delay: ANSWER_MS });
  await testbed.client.query('create table listed_far (n integer)');
  const seconds = await testbed.importAll('distant', {
    pattern: 'data/**/*.wanted.csv',
    file_format: 'csv',
    target_table: 'listed_far',
    schedule: NEVER,
  });
  fault.cancel();
  const { keys, requests } = await sum(testbed, 'distant');
  report(`first scan, each LIST takes ${ANSWER_MS} ms`, keys, requests, seconds);
}

interface Polls {
  polls: number;
  keys: number;
  requests: number;
  seconds: number;
}

async function polled(testbed: Testbed, name: string, polls: number): Promise<Polls> {
  for (;;) {
    const found = await sum(testbed, name);
    if (found.polls >= polls) return found;
    await delay(20);
  }
}

async function sum({ client }: Testbed, name: string): Promise<Polls> {
  const { rows } = await client.query(
    `select count(*)::integer as polls, coalesce(sum(keys_listed), 0)::integer as keys,
      coalesce(sum(list_requests), 0)::integer as requests, coalesce(sum(seconds), 0)::float8 as seconds
      from s3_connector.polls where connector_name = $1`,
    [name],
  );
  return rows[0];
}

function report(what: string, keys: number, requests: number, seconds: number): void {
  console.log(
    `listing: ${what}: ${keys} keys in ${requests} LIST requests, ${seconds.toFixed(1)} s, ${Math.round(keys / seconds)} keys/s`,
  );
}
