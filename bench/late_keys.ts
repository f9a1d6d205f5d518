/** The benchmark `late_keys`: keys that arrive in random order while polls run, with `late_keys` = `import`. */
import { setTimeout as delay } from 'node:timers/promises';
import { type SqsServer, startSqsServer } from '../embedded/sqs/server.ts';
import { type Goal, printGoals, seconds } from './report.ts';
import { BUCKET, type Testbed, withTestbed } from './testbed.ts';

const KEYS = 100_000;
/** Keys that arrive between two polls. */
const BATCH = 2000;
/** Keys that arrive in order, for comparison. */
const IN_ORDER = 20_000;
/** Keys that arrive one by one, with an event. */
const EVENTS = 20;
/** A schedule that does not run during the benchmark. */
const NEVER = '0 0 29 2 *';

/**
 * Puts keys in random order, polls after every batch, audits at the end, and checks that each key was imported once. Compares the
 * time per file with that of keys which are all there, in order, when the connector is inserted. Then measures how soon a key with an
 * event is imported.
 */
export async function lateKeys(): Promise<void> {
  const queue = await startSqsServer();
  await withTestbed(
    () => {},
    async (testbed) => {
      const perFileInOrder = await importInOrder(testbed);
      const perFile = await importInRandomOrder(testbed);
      const longest = await importByEvents(testbed, queue);
      printGoals([ratioGoal(perFile / perFileInOrder), eventGoal(longest)]);
    },
    {
      endpoints: [queue.endpoint],
      env: {
        ...{ AWS_ACCESS_KEY_ID: 'any', AWS_SECRET_ACCESS_KEY: 'any', AWS_REGION: 'us-east-1' },
        AWS_ENDPOINT_URL_SQS: queue.endpoint,
      },
    },
  );
  await queue.close();
}

/** Returns seconds per file. */
async function importInOrder(testbed: Testbed): Promise<number> {
  await prepare(testbed, 'ordered');
  put(
    testbed,
    'ordered',
    Array.from({ length: IN_ORDER }, (_, n) => n),
  );
  const took = await testbed.importAll('ordered', columnsOf('ordered'));
  console.log(`  ${IN_ORDER} keys in order: ${took.toFixed(0)} s, ${rate(IN_ORDER, took)}`);
  return took / IN_ORDER;
}

/** Returns seconds per file. */
async function importInRandomOrder(testbed: Testbed): Promise<number> {
  const { client, server } = testbed;
  await prepare(testbed, 'arrived');
  const start = performance.now();
  server.requests.reset();
  await testbed.importAll('arrived', columnsOf('arrived'));
  const order = shuffled(KEYS);
  for (let at = 0; at < KEYS; at += BATCH) {
    put(testbed, 'arrived', order.slice(at, at + BATCH));
    await pollAndWait(testbed, 'arrived');
  }
  const byPolls = await countRows(testbed);
  const requests = server.requests.count('ListObjectsV2');
  await client.query("call s3_connector.audit('arrived')");
  const byAudit = server.requests.count('ListObjectsV2') - requests;
  await testbed.untilImported('arrived');
  const took = (performance.now() - start) / 1000;
  const { rows, different } = await countRows(testbed);
  console.log(
    `  ${KEYS} keys in random order, a poll after every ${BATCH}: ${took.toFixed(0)} s, ${rate(KEYS, took)}`,
  );
  console.log(
    `  imported by polls: ${byPolls.rows}, with ${requests} LIST requests of ${KEYS / BATCH} polls; the audit made ${byAudit}`,
  );
  console.log(`  in the end ${rows} rows, ${different} different ones (goal: ${KEYS} of both)`);
  if (rows !== KEYS || different !== KEYS) throw new Error('a key is missing, or came twice');
  return took / KEYS;
}

/** Puts single keys, late ones and new ones, with their events. Returns the longest time from the put to the commit, in seconds. */
async function importByEvents(testbed: Testbed, queue: SqsServer): Promise<number> {
  const { client } = testbed;
  await prepare(testbed, 'told');
  put(testbed, 'told', [500]);
  await testbed.importAll('told', { ...columnsOf('told'), event_queue_url: queue.url });
  const times: number[] = [];
  for (let n = 0; n < EVENTS; n++) {
    const start = performance.now();
    const number = n % 2 === 0 ? n : 500 + n;
    put(testbed, 'told', [number]);
    const s3 = { bucket: { name: BUCKET }, object: { key: keyOf('told', number) } };
    queue.send(JSON.stringify({ Records: [{ eventName: 'ObjectCreated:Put', s3 }] }));
    while ((await client.query('select from told where n = $1', [number])).rows.length === 0) await delay(10);
    times.push((performance.now() - start) / 1000);
  }
  return Math.max(...times);
}

function eventGoal(longest: number): Goal {
  return {
    text: 'with events, from the put to the commit <= 5 s',
    value: longest,
    met: (value) => value <= 5,
    show: seconds,
  };
}

function ratioGoal(ratio: number): Goal {
  return {
    text: 'time per file, random order / in order <= 1.3',
    value: ratio,
    met: (value) => value <= 1.3,
    show: (value) => value.toFixed(2),
  };
}

function rate(files: number, took: number): string {
  return `${Math.round(files / took)} files a second`;
}

async function prepare({ client }: Testbed, table: string): Promise<void> {
  await client.query(`create table ${table} (n integer)`);
}

function columnsOf(name: string) {
  return {
    pattern: `${name}/*.csv`,
    file_format: 'csv',
    target_table: name,
    schedule: NEVER,
    late_keys: 'import',
    max_tracked_files: 5000,
  };
}

function put({ server }: Testbed, folder: string, numbers: number[]): void {
  server.store.putMany(
    BUCKET,
    numbers.map((n) => ({ key: keyOf(folder, n), body: `n\n${n}\n` })),
  );
}

function keyOf(folder: string, n: number): string {
  return `${folder}/${String(n).padStart(6, '0')}.csv`;
}

/** Returns the numbers below a limit in random order, the same in every run. */
function shuffled(limit: number): number[] {
  const numbers = Array.from({ length: limit }, (_, n) => n);
  let state = 1;
  for (let at = limit - 1; at > 0; at -= 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const other = Math.floor((state / 2 ** 32) * (at + 1));
    [numbers[at], numbers[other]] = [numbers[other]!, numbers[at]!];
  }
  return numbers;
}

async function pollAndWait({ client, untilImported }: Testbed, name: string): Promise<void> {
  await client.query('select s3_connector.poll_now($1)', [name]);
  await untilImported(name);
}

async function countRows({ client }: Testbed): Promise<{ rows: number; different: number }> {
  const { rows } = await client.query(
    'select count(*)::integer as rows, count(distinct n)::integer as different from arrived',
  );
  return rows[0];
}
