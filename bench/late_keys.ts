/** The benchmark `late_keys`: keys that arrive in random order while polls run, with `late_keys` = `import`. */
import { setTimeout as delay } from 'node:timers/promises';
import { BUCKET, type Testbed, withTestbed } from './testbed.ts';

const KEYS = 100_000;
/** Keys that arrive between two polls. */
const BATCH = 2000;
/** A schedule that does not run during the benchmark. */
const NEVER = '0 0 29 2 *';

/** Puts keys in random order, polls after every batch, audits at the end, and checks that each key was imported once. */
export async function lateKeys(): Promise<void> {
  await withTestbed(
    () => {},
    async (testbed) => {
      const { client, server } = testbed;
      await client.query('create table arrived (n integer)');
      await client.query(
        `insert into s3_connector.connectors (name, bucket, endpoint, auth_method, pattern, file_format, target_table,
          schedule, late_keys, max_tracked_files)
        values ('arrived', $1, $2, 'anonymous', 'arrived/*.csv', 'csv', 'arrived', $3, 'import', 5000)`,
        [BUCKET, server.endpoint, NEVER],
      );
      const start = performance.now();
      const order = shuffled(KEYS);
      for (let at = 0; at < KEYS; at += BATCH) {
        server.store.putMany(
          BUCKET,
          order.slice(at, at + BATCH).map((n) => ({ key: keyOf(n), body: `n\n${n}\n` })),
        );
        await pollAndWait(testbed);
      }
      const byPolls = await imported(testbed);
      const requests = server.requests.count('ListObjectsV2');
      await client.query("call s3_connector.audit('arrived')");
      const byAudit = server.requests.count('ListObjectsV2') - requests;
      await pollAndWait(testbed);
      const seconds = (performance.now() - start) / 1000;
      const { rows } = await client.query(
        'select count(*)::integer as rows, count(distinct n)::integer as different from arrived',
      );
      console.log(
        `  ${KEYS} keys in random order, a poll after every ${BATCH}: ${seconds.toFixed(0)} s, ${requests} LIST requests of ${KEYS / BATCH} polls, ${byAudit} of the audit`,
      );
      console.log(
        `  imported by polls: ${byPolls}; in the end ${rows[0].rows} rows, ${rows[0].different} different ones (goal: ${KEYS} of both)`,
      );
      if (rows[0].rows !== KEYS || rows[0].different !== KEYS)
        throw new Error('a key is missing, or came twice');
    },
  );
}

function keyOf(n: number): string {
  return `arrived/${String(n).padStart(6, '0')}.csv`;
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

async function pollAndWait({ client }: Testbed): Promise<void> {
  await client.query("select s3_connector.poll_now('arrived')");
  for (;;) {
    const { rows } = await client.query(
      "select caught_up and in_queue + running + pending_retry = 0 as done from s3_connector.connector_status where name = 'arrived'",
    );
    if (rows[0].done) return;
    await delay(50);
  }
}

async function imported({ client }: Testbed): Promise<number> {
  const { rows } = await client.query('select count(*)::integer as files from s3_connector.files');
  return rows[0].files;
}
