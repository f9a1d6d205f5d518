import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { SessionPool } from '../../src/db/connections.ts';
import { cancelOnAbort } from '../../src/import/cancel.ts';
import { testDatabase } from '../support/database.ts';

// No worker runs here: its database calls are made by hand, step by step between the calls of people.
const db = await testDatabase();
const [person, worker] = [await db.connect(), await db.connect(db.worker)];
const WORKER_ID = 1;

/** Creates a connector with its table and files in the queue; returns the ids of the files. */
async function queued(name: string, columns: Record<string, unknown> = {}): Promise<number[]> {
  const row = {
    name,
    bucket: 'some-bucket',
    pattern: '**',
    file_format: 'csv',
    target_table: name,
    ...columns,
  };
  await db.query(`create table ${name} (n integer)`);
  await db.query(
    `insert into s3_connector.connectors (${Object.keys(row)}) values (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
    Object.values(row),
  );
  await poll(db, name, ['1', '2', '3']);
  const files = await db.query<{ id: number }>(
    'select id from s3_connector.files where connector_name = $1 order by key',
    [name],
  );
  return files.map((file) => file.id);
}

const poll = (
  client: { query(text: string, values: unknown[]): Promise<unknown> },
  name: string,
  keys: string[],
) =>
  client.query(
    `select s3_connector_private.commit_poll($1, p.marker, p.scan_position, $2, null, false, now(), now(), 1, 1, 1)
      from s3_connector_private.progress p where p.connector_name = $1`,
    [
      name,
      JSON.stringify(keys.map((key) => ({ key, etag: '"x"', size_bytes: 1, last_modified: '2026-01-01' }))),
    ],
  );

const start = (client: pg.ClientBase, file: number) =>
  client.query('select attempt_id from s3_connector_private.start_attempt($1, $2)', [file, WORKER_ID]);

/** Makes one call in an open transaction, and another one that must wait for it; returns the second one's result. */
async function inTurn<T>(
  first: () => Promise<unknown>,
  second: () => Promise<T>,
  beforeCommit: () => Promise<unknown> = async () => undefined,
): Promise<T> {
  await person.query('begin');
  await first();
  const waiting = second();
  // A query that failed is seen below, after the commit.
  waiting.catch(() => {});
  await db.waitFor<{ waits: boolean }>(
    "select wait_event_type = 'Lock' as waits from pg_stat_activity where pid = $1",
    ([row]) => row?.waits === true,
    { values: [(worker as pg.Client & { processID: number }).processID] },
  );
  await beforeCommit();
  await person.query('commit');
  return await waiting;
}

const noteOutage = (client: pg.ClientBase, name: string) =>
  client.query("select s3_connector_private.note_outage($1, 'source_unavailable', 'away', true)", [name]);

const states = async (name: string) => {
  const files = await db.query<{ status: string; jobs: number }>(
    `select f.status, (select count(*) from s3_connector_queue.jobs j
        where j.key = s3_connector_private.import_job_key(f.id) and j.locked_at is null) as jobs
      from s3_connector.files f where f.connector_name = $1 order by f.key`,
    [name],
  );
  return files.map(({ status, jobs }) => `${status} ${jobs}`);
};

/** As graphile-worker does when a worker takes the file's job. */
const takeJob = async (file: number) => {
  const key = `import_file:${file}`;
  const taken = await db.query(
    "update s3_connector_queue._private_jobs set locked_at = now(), locked_by = 'w', attempts = 1 where key = $1 returning id",
    [key],
  );
  assert.equal(taken.length, 1);
};

test('if two jobs look for the last free slot, one gets it', async () => {
  const [first, second] = await queued('slot', { max_parallel_files: 1 });
  const { rows } = await inTurn(
    () => start(person, first!),
    () => start(worker, second!),
  );
  assert.deepEqual(rows, []);
});

test('a job that starts while its file is being queued gets the file', async () => {
  const [first] = await queued('resumed');
  await takeJob(first!);
  await db.query("select s3_connector.cancel_file('resumed', '1')");
  const { rows } = await inTurn(
    () => person.query("select s3_connector.retry_file('resumed', '1')"),
    () => start(worker, first!),
  );
  assert.equal(rows.length, 1);
});

test('a file whose job looked too early gets another job', async () => {
  const [first] = await queued('early', { max_parallel_files: 1 });
  await takeJob(first!);
  await db.query("select s3_connector.pause('early')");
  assert.deepEqual((await start(worker, first!)).rows, []);
  await db.query("select s3_connector.resume('early')");
  assert.deepEqual(await states('early'), ['in_queue 1', 'in_queue 0', 'in_queue 0']);
  // The same if the first one to end gives the next files their jobs.
  await takeJob(first!);
  await db.query("select s3_connector_private.dispatch('early')");
  assert.deepEqual(await states('early'), ['in_queue 1', 'in_queue 0', 'in_queue 0']);
});

test('an attempt that fails while its connector is being paused leaves the file paused', async () => {
  const [first] = await queued('failing');
  await takeJob(first!);
  const [attempt] = (await start(worker, first!)).rows;
  await inTurn(
    () => person.query("select s3_connector.pause('failing')"),
    () =>
      worker.query("select s3_connector_private.fail_attempt($1, $2, 'passing', 'it will pass', true)", [
        first,
        attempt.attempt_id,
      ]),
  );
  assert.deepEqual(await states('failing'), ['paused 0', 'paused 0', 'paused 0']);
});

test('an import that is recorded while its file is being cancelled is not recorded', async () => {
  const [first] = await queued('late');
  const [attempt] = (await start(worker, first!)).rows;
  const { rows } = await inTurn(
    () => person.query("select s3_connector.cancel_file('late', '1')"),
    () =>
      worker.query('select s3_connector_private.finish_attempt($1, $2, 1, 1, 0, 0) as finished', [
        first,
        attempt.attempt_id,
      ]),
  );
  assert.deepEqual(rows, [{ finished: false }]);
});

for (const [what, end] of [
  ['commits', (name: string) => poll(worker, name, ['4'])],
  [
    'fails',
    (name: string) =>
      worker.query("select s3_connector_private.fail_poll($1, now(), now(), 1, 'code', 'error')", [name]),
  ],
] as const) {
  test(`a poll that ${what} waits for the lock on the connector, and holds no other lock meanwhile`, async () => {
    const name = `polled_${what}`;
    await queued(name);
    // Both lock the connector's progress, which the poll must not hold at that time.
    for (const calls of [['set_marker($1, null)'], ['pause($1)', 'drop_connector($1)']]) {
      await inTurn(
        () => person.query('select s3_connector_private.require_connector($1)', [name]),
        () => end(name),
        async () => {
          for (const call of calls) await person.query(`select s3_connector.${call}`, [name]);
        },
      );
    }
    assert.deepEqual(await db.query('select from s3_connector.polls where connector_name = $1', [name]), []);
  });
}

test('a file whose job starts while its connector resumes after an outage has a job or an attempt', async () => {
  const [first, second] = await queued('outage');
  const endOutage = "select s3_connector_private.end_outage('outage')";
  const jobs = ['in_queue 1', 'in_queue 1', 'in_queue 1'];
  await noteOutage(worker, 'outage');
  await takeJob(first!);
  const left = await inTurn(
    async () => assert.deepEqual((await start(person, first!)).rows, []),
    () => worker.query(endOutage).then(() => states('outage')),
  );
  assert.deepEqual(left, jobs);
  await noteOutage(worker, 'outage');
  const { rows } = await inTurn(
    () => person.query(endOutage),
    () => start(worker, second!),
  );
  assert.equal(rows.length, 1);
});

test('a retry that is due during an outage waits in the queue, and starts after it', async () => {
  const [first] = await queued('due_in_outage');
  await takeJob(first!);
  const [attempt] = (await start(worker, first!)).rows;
  await worker.query("select s3_connector_private.fail_attempt($1, $2, 'passing', 'it will pass', true)", [
    first,
    attempt.attempt_id,
  ]);
  await noteOutage(worker, 'due_in_outage');
  await takeJob(first!);
  assert.deepEqual((await start(worker, first!)).rows, []);
  assert.deepEqual(await states('due_in_outage'), ['in_queue 0', 'in_queue 1', 'in_queue 1']);
  await worker.query("select s3_connector_private.end_outage('due_in_outage')");
  assert.deepEqual(await states('due_in_outage'), ['in_queue 1', 'in_queue 1', 'in_queue 1']);
  assert.equal((await start(worker, first!)).rows.length, 1);
});

test('an outage that is recorded while its connector is being dropped is deleted', async () => {
  await queued('dropped');
  await inTurn(
    () => person.query("select s3_connector.pause('dropped'); select s3_connector.drop_connector('dropped')"),
    () => noteOutage(worker, 'dropped'),
  );
  assert.deepEqual(await db.query("select from s3_connector_queue.jobs where key = 'poll:dropped'"), []);
});

test('a poll that began before it was requested does not mark the connector as caught up', async () => {
  await queued('asked');
  const caughtUp = () => db.one("select caught_up from s3_connector.connector_status where name = 'asked'");
  const answer = (startedAt: string) =>
    worker.query(
      `select s3_connector_private.commit_poll('asked', p.marker, p.scan_position, '[]', null, false, now(), $1, 1, 1, 1)
        from s3_connector_private.progress p where p.connector_name = 'asked'`,
      [startedAt],
    );
  // As text, because a Date has no microseconds.
  const now = async () => (await db.one<{ now: string }>('select now()::text')).now;
  const before = await now();
  await answer(before);
  assert.deepEqual(await caughtUp(), { caught_up: true });
  await person.query("select s3_connector.poll_now('asked')");
  await answer(before);
  assert.deepEqual(await caughtUp(), { caught_up: false });
  await answer(await now());
  assert.deepEqual(await caughtUp(), { caught_up: true });
});

test('a poll that was overtaken by another one runs again', async () => {
  await queued('overtaken');
  await db.query("select s3_connector_queue.remove_job('poll:overtaken')");
  await worker.query(
    "select s3_connector_private.commit_poll('overtaken', '1', null, '[]', null, false, now(), now(), 1, 1, 1)",
  );
  assert.equal(
    (await db.query("select from s3_connector_queue.jobs where key = 'poll:overtaken'")).length,
    1,
  );
});

test('a poll whose marker was changed meanwhile does nothing', async () => {
  await queued('marked');
  await inTurn(
    () => person.query("select s3_connector.set_marker('marked', '0')"),
    () => poll(worker, 'marked', ['4']),
  );
  assert.deepEqual(
    await db.query("select from s3_connector.files where connector_name = 'marked' and key = '4'"),
    [],
  );
});

test("the rescue of dead workers' files does not wait for files that a person has locked", async () => {
  const [first] = await queued('rescued');
  await takeJob(first!);
  await start(worker, first!);
  await person.query("begin; select s3_connector.poll_now('rescued')");
  await worker.query("set lock_timeout = '2s'");
  await worker.query('select s3_connector_private.rescue_files(), s3_connector_private.enqueue_due_polls()');
  assert.deepEqual(await states('rescued'), ['running 0', 'in_queue 1', 'in_queue 1']);
  await person.query('commit');
  await worker.query('select s3_connector_private.rescue_files()');
  assert.deepEqual(await states('rescued'), ['in_queue 1', 'in_queue 1', 'in_queue 1']);
  await worker.query('reset lock_timeout');
});

test('the rescue of files does not wait for a connector that a person has locked, and frees its files later', async () => {
  const [first] = await queued('held', { max_parallel_files: 2 });
  const [other] = await queued('not_held');
  for (const file of [first!, other!]) {
    await takeJob(file);
    await start(worker, file);
  }
  // Locks the connector, the file, its job and the connector's queue.
  await person.query("begin; select s3_connector.cancel_file('held', '1')");
  await worker.query(
    `insert into s3_connector_private.workers (id, host, pid, version, concurrency, pool_ids)
      overriding system value values ($1, 'gone', 1, '1', 1, '{w}')`,
    [WORKER_ID],
  );
  await worker.query("set lock_timeout = '2s'");
  await worker.query('select s3_connector_private.rescue_files()');
  assert.deepEqual(await states('not_held'), ['in_queue 1', 'in_queue 1', 'in_queue 1']);
  assert.deepEqual(await states('held'), ['running 0', 'in_queue 1', 'in_queue 0']);
  await person.query('commit');
  await worker.query('select s3_connector_private.rescue_files()');
  assert.deepEqual(await states('held'), ['cancelled 0', 'in_queue 1', 'in_queue 1']);
  assert.deepEqual(await db.query("select from s3_connector_queue.jobs where locked_by = 'w'"), []);
  assert.deepEqual(await db.query('select from s3_connector_private.workers where stopped_at is null'), []);
  await worker.query('reset lock_timeout');
});

test('an uncommitted pause does not delay the due polls of other connectors', async () => {
  await queued('pausing');
  await queued('due');
  await db.query(
    "update s3_connector_private.progress set next_poll_at = now() where connector_name in ('pausing', 'due')",
  );
  await worker.query('select s3_connector_private.enqueue_due_polls()');
  await db.query("select s3_connector_queue.remove_job('poll:due')");
  await person.query("begin; select s3_connector.pause('pausing')");
  await worker.query("set lock_timeout = '2s'");
  await worker.query('select s3_connector_private.enqueue_due_polls()');
  assert.equal((await db.query("select from s3_connector_queue.jobs where key = 'poll:due'")).length, 1);
  await person.query('rollback');
  await worker.query('reset lock_timeout');
});

test('an audit that two workers find without a job gets one job, although the first has begun it', async () => {
  await queued('audited');
  const { id } = await db.one<{ id: number }>(
    "insert into s3_connector.audits (connector_name, asked, marker) values ('audited', false, '3') returning id",
  );
  const other = await db.connect(db.worker);
  const continueAudits = 'select s3_connector_private.continue_audits()';
  await other.query('begin');
  await other.query(continueAudits);
  const second = worker.query(continueAudits);
  // It waits for the first, or for nothing.
  await db.waitFor<{ over: boolean }>(
    "select wait_event_type = 'Lock' or state <> 'active' as over from pg_stat_activity where pid = $1 and query = $2",
    ([row]) => row?.over === true,
    { values: [(worker as pg.Client & { processID: number }).processID, continueAudits] },
  );
  await other.query(
    `update s3_connector_queue._private_jobs set locked_at = now(), locked_by = 'w' where key = s3_connector_private.audit_job_key(${id})`,
  );
  await other.query('commit');
  await second;
  await worker.query(continueAudits);
  assert.equal(
    (await db.query("select from s3_connector_queue.jobs where task_identifier = 'continue_audit'")).length,
    1,
  );
  await other.end();
});

test('undoing a file does not delay the results of other files', async () => {
  const [first, second, third] = await queued('undoing', { file_id_column: 'n' });
  const finish = async (client: pg.ClientBase, file: number) => {
    await takeJob(file);
    const [attempt] = (await start(client, file)).rows;
    await client.query('select s3_connector_private.finish_attempt($1, $2, 0, 0, 0, 0)', [
      file,
      attempt.attempt_id,
    ]);
  };
  await finish(worker, first!);
  await person.query("begin; select s3_connector.undo_file('undoing', '1')");
  await worker.query("set lock_timeout = '2s'");
  await finish(worker, second!);
  const [failing] = (await start(worker, third!)).rows;
  await worker.query("select s3_connector_private.fail_attempt($1, $2, 'lasting', 'for good', false)", [
    third,
    failing.attempt_id,
  ]);
  await worker.query('reset lock_timeout');
  await person.query('commit');
  assert.deepEqual(await states('undoing'), ['undone 0', 'success 0', 'failure 1']);
});

test('a cancel that arrives between two statements stops the second', async () => {
  const pool = new SessionPool(db.workerUrl, 'cancel', { max: 1 });
  const stop = new AbortController();
  const end = cancelOnAbort(pool, (worker as pg.Client & { processID: number }).processID, stop.signal);
  stop.abort();
  // The first cancel finds nothing to cancel.
  await db.waitFor(
    "select from pg_stat_activity where datname = current_database() and query like 'select pg_cancel_backend%' and state = 'idle'",
    (rows) => rows.length > 0,
  );
  await assert.rejects(worker.query('select pg_sleep(60)'), { code: '57014' });
  await end();
  await worker.query('select pg_sleep(0.5)');
  await pool.end();
});
