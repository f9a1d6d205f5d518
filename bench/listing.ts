import { setTimeout as delay } from 'node:timers/promises';
import type { PutEntry } from '../embedded/bucket/store.ts';
import { BUCKET, type Ground, onGround } from './ground.ts';

const KEYS = 1_000_000;
/** How many of the keys the first scan looks for, the last of all among them. */
const WANTED = 10;
/** So that no poll comes between. */
const NEVER = '0 0 29 2 *';
/** How many files a connector that all keys match takes in one poll. */
const PLACES = 10_000;

/** A bucket of a million keys: its first scan, a steady poll afterwards, and a poll that fills all its places. */
export async function listing(): Promise<void> {
  await onGround(
    ({ store }) => store.putMany(BUCKET, entries()),
    async (ground) => {
      await ground.client.query('create table listed (n integer)');
      const seconds = await ground.importAll('scan', {
        pattern: 'data/**/*.wanted.csv',
        file_format: 'csv',
        target_table: 'listed',
        schedule: NEVER,
      });
      const { keys, requests } = await sum(ground, 'scan');
      report(`first scan, ${WANTED} keys match`, keys, requests, seconds);
      if (keys !== KEYS) throw new Error(`${keys} of ${KEYS} keys were listed`);
      await steadyPoll(ground);
      await fillPlaces(ground);
    },
  );
}

function* entries(): Generator<PutEntry> {
  const body = Buffer.from('n\n1\n');
  for (let n = 1; n <= KEYS; n++) {
    const digits = String(n).padStart(7, '0');
    const wanted = n % (KEYS / WANTED) === 0 ? '.wanted' : '';
    yield { key: `data/${digits.slice(0, 3)}/sensor-${digits}${wanted}.csv`, body };
  }
}

/** One more look at the bucket that the scan has gone through. */
async function steadyPoll(ground: Ground): Promise<void> {
  const before = await sum(ground, 'scan');
  await ground.client.query("select s3_connector.poll_now('scan')");
  const after = await polled(ground, 'scan', before.polls + 1);
  console.log(`  steady poll: ${after.requests - before.requests} LIST request (goal: exactly 1)`);
}

async function fillPlaces(ground: Ground): Promise<void> {
  await ground.client.query(
    `insert into s3_connector.connectors (name, bucket, endpoint, auth_method, schedule, max_tracked_files, pattern, file_format, target_table)
      values ('places', $1, $2, 'anonymous', $3, $4, 'data/**', 'csv', 'listed')`,
    [BUCKET, ground.server.endpoint, NEVER, PLACES],
  );
  const { keys, requests, seconds } = await polled(ground, 'places', 1);
  report(`a poll that enqueues ${PLACES} files`, keys, requests, seconds);
  await ground.drop('places');
}

interface Polls {
  polls: number;
  keys: number;
  requests: number;
  seconds: number;
}

async function polled(ground: Ground, name: string, polls: number): Promise<Polls> {
  for (;;) {
    const found = await sum(ground, name);
    if (found.polls >= polls) return found;
    await delay(20);
  }
}

async function sum({ client }: Ground, name: string): Promise<Polls> {
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
