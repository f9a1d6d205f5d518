import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
const FILES = 7;

/** A connector's history. */
const historyOf = (name: string) =>
  db.one(
    `select (select count(distinct key) from s3_connector.file_history where connector_name = $1) as with_changes,
      (select count(*) from s3_connector.rejected_rows where connector_name = $1) as rejected,
      (select count(*) from s3_connector.polls where connector_name = $1) as polls,
      (select count(*) from s3_connector.files where connector_name = $1 and status = 'success') as files`,
    [name],
  );

/** Makes the events of the files whose keys match the regular expression, and the polls, that old. */
async function age(name: string, by: string, keys = '.'): Promise<void> {
  await db.query(
    `update s3_connector.files set finished_at = finished_at - '${by}'::interval where connector_name = '${name}' and key ~ '${keys}';
    update s3_connector.polls set started_at = started_at - '${by}'::interval where connector_name = '${name}';
    update s3_connector_private.progress set pruned_until = null where connector_name = '${name}'`,
  );
}

/** The task that the crontab runs every minute. */
async function everyMinute(): Promise<void> {
  await db.query("select s3_connector_queue.add_job('poll_due', job_key => 'poll_due')");
  await db.waitFor(
    "select from s3_connector_queue.jobs where key = 'poll_due' and run_at <= now()",
    (rows) => rows.length === 0,
  );
}

before(async () => {
  await world.startWorker();
  for (const name of ['pruned', 'kept', 'batched']) {
    for (let file = 0; file < FILES; file++) {
      world.put(`${name}/${file}.csv`, file % 2 === 1 ? `n\n${file}\nbroken\n` : `n\n${file}\n`);
    }
    await db.query(`create table ${name} (n integer)`);
    await world.insertConnector({
      name,
      pattern: `${name}/*`,
      target_table: name,
      on_bad_row: 'skip',
      schedule: NEVER_AGAIN,
      retention: name === 'kept' ? null : '1 day',
    });
    await world.settled(name);
    await world.pollAndSettle(name);
  }
});

test('history older than the retention is deleted; imported keys are never forgotten', async () => {
  const all = { with_changes: FILES, rejected: 3, polls: 2, files: FILES };
  for (const name of ['pruned', 'kept']) assert.deepEqual(await historyOf(name), all);
  await everyMinute();
  assert.deepEqual(await historyOf('pruned'), all, 'nothing is old enough');

  for (const name of ['pruned', 'kept']) await age(name, '2 days', '/[0-4].csv');
  await everyMinute();
  assert.deepEqual(await historyOf('kept'), all, 'null keeps for ever');
  assert.deepEqual(await historyOf('pruned'), { with_changes: 2, rejected: 1, polls: 1, files: FILES });
  assert.deepEqual(
    await db.query(
      "select distinct key from s3_connector.file_history where connector_name = 'pruned' order by 1",
    ),
    [{ key: 'pruned/5.csv' }, { key: 'pruned/6.csv' }],
  );
  assert.deepEqual(
    await db.one("select caught_up, success from s3_connector.connector_status where name = 'pruned'"),
    { caught_up: true, success: FILES },
  );

  // Everything is listed again, and nothing is imported again.
  await db.query("select s3_connector.set_marker('pruned', null)");
  world.put('pruned/7.csv', 'n\n7\n');
  await world.pollAndSettle('pruned');
  assert.deepEqual(
    await db.query('select n from pruned order by n'),
    [0, 1, 2, 3, 4, 5, 6, 7].map((n) => ({ n })),
  );
});

test('a file that is imported again has a history again, which is deleted in turn', async () => {
  await db.query("update s3_connector.files set status = 'failure' where key = 'pruned/0.csv'");
  await db.query("select s3_connector.retry_file('pruned', 'pruned/0.csv')");
  await world.settled('pruned');
  const changes = () =>
    db.query("select to_status from s3_connector.file_history where key = 'pruned/0.csv'");
  await everyMinute();
  assert.equal((await changes()).length, 4);
  // The time before is pruned already, so it only continues from there.
  await db.query(
    `update s3_connector_private.progress set pruned_until = now() - interval '3 days' where connector_name = 'pruned';
     update s3_connector.files set finished_at = now() - interval '2 days' where key = 'pruned/0.csv'`,
  );
  await everyMinute();
  assert.deepEqual(await changes(), []);
});

test('retention deletes in batches, and ends', async () => {
  // The worker would delete some of it at the minute's change.
  await world.stopWorkers();
  await age('batched', '2 days');
  const client = await db.connect(db.worker);
  const left: number[] = [];
  for (;;) {
    const { rows } = await client.query('select s3_connector_private.prune_history(2)::integer as pruned');
    if (rows[0].pruned === 0) break;
    left.push(
      Number(
        (
          await db.one<{ n: number }>(
            `select count(*) as n from s3_connector.file_history where connector_name = 'batched'`,
          )
        ).n,
      ),
    );
    assert.ok(left.length < 100, 'it ends');
  }
  assert.ok(
    left.every((n, i) => (left[i - 1] ?? FILES * 3) - n <= 2),
    `two rows at a time: ${left}`,
  );
  assert.equal(left.at(-1), 0);
  assert.deepEqual(await historyOf('batched'), { with_changes: 0, rejected: 0, polls: 1, files: FILES });
  // After its end, retention does not start again within the minute.
  const again = await client.query(
    "select p.pruned_until > now() - interval '25 hours' as up_to_date from s3_connector_private.progress p where connector_name = 'batched'",
  );
  assert.deepEqual(again.rows, [{ up_to_date: true }]);
});

test('retention handles many files that ended at the same moment', async () => {
  await db.query(
    "update s3_connector.files set finished_at = '2020-01-01' where connector_name = 'kept'; select s3_connector.pause('kept')",
  );
  await db.query(
    "update s3_connector.connectors set retention = '1 second' where name = 'kept'; select s3_connector.resume('kept')",
  );
  const client = await db.connect(db.worker);
  for (let rounds = 0; ; rounds++) {
    const { rows } = await client.query('select s3_connector_private.prune_history(1)::integer as pruned');
    if (rows[0].pruned === 0) break;
    assert.ok(rounds < 100, 'it ends');
  }
  assert.deepEqual(await historyOf('kept'), { with_changes: 0, rejected: 0, polls: 1, files: FILES });
});

test('retention also deletes old requests, workers that ended long ago, and jobs that the queue gave up', async () => {
  await world.startWorker();
  await db.query(
    `insert into s3_connector_private.requests (kind, connector_name, asked_at)
      values ('check', 'kept', now() - interval '2 days'), ('check', 'kept', now());
    insert into s3_connector_private.workers (host, pid, version, concurrency, stopped_at)
      values ('old', 1, '0', 1, now() - interval '8 days'), ('recent', 1, '0', 1, now());
    select s3_connector_queue.add_job('check', '{"request_id": 0}', job_key => 'given up', max_attempts => 1, run_at => now() + interval '1 day');
    select s3_connector_queue.add_job('check', '{"request_id": 0}', job_key => 'to come', run_at => now() + interval '1 day')`,
  );
  await db.asSuperuser(
    `update s3_connector_queue._private_jobs set attempts = 1, updated_at = now() - interval '2 days' where key = 'given up'`,
  );
  await everyMinute();
  assert.deepEqual(
    await db.query("select count(*) from s3_connector_private.requests where connector_name = 'kept'"),
    [{ count: 1 }],
  );
  assert.deepEqual(await db.query("select host from s3_connector.workers where host in ('old', 'recent')"), [
    { host: 'recent' },
  ]);
  assert.deepEqual(
    await db.query("select key from s3_connector_queue.jobs where key in ('given up', 'to come')"),
    [{ key: 'to come' }],
  );
});
