import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import type { WorkerProcess } from '../support/worker.ts';
import { type ConnectorColumns, NEVER_AGAIN, openWorld } from '../support/world.ts';

// A bucket that cannot be read at all: its connectors wait for it, and no file uses up an attempt.

const world = await openWorld();
const { db, server } = world;
let worker: WorkerProcess;
before(async () => {
  worker = await world.startWorker();
});
beforeEach(startOver);

const FILES = 10;
/** The number of files that a worker imports in parallel. */
const CONCURRENCY = 4;
const ALWAYS = Number.POSITIVE_INFINITY;

/** Ends outages of earlier tests; a connector waits for an hour, so that the test decides when its bucket is asked. */
async function startOver(): Promise<void> {
  await server.open();
  await db.query(
    'select s3_connector.pause(name) from s3_connector.connectors; delete from s3_connector.connectors',
  );
  server.faults.clear();
  server.requests.reset();
  await wait('1 hour');
}

const wait = (interval: string) =>
  db.asSuperuser(`create or replace function s3_connector_private.outage_delay(failed_tries integer)
    returns interval language sql as $$ select interval '${interval}' $$`);

/** Inserts a connector with its table and files of one row each; one failed attempt makes a failure. */
async function insert(name: string, columns: Partial<ConnectorColumns> = {}): Promise<void> {
  for (let n = 0; n < FILES; n++) world.put(`${name}/${n}.csv`, `n\n${n}\n`);
  await db.query(`create table if not exists ${name} (n integer)`);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    schedule: NEVER_AGAIN,
    max_attempts: 1,
    ...columns,
  });
}

/** As `insert`, and makes the bucket unreachable while the first files are fetched. */
async function goAwayUnder(name: string, columns: Partial<ConnectorColumns> = {}): Promise<void> {
  const stalled = server.faults.order({ operation: 'GetObject', times: ALWAYS, stall: { after: 1 } });
  await insert(name, columns);
  await stalled.hit(CONCURRENCY);
  await server.close();
}

interface Status {
  running: number;
  in_queue: number;
  failure: number;
  caught_up: boolean;
  notice: string | null;
  last_error: string | null;
}

/** Waits until no import runs, and the connector has a notice or a file has failed. */
async function quiet(name: string): Promise<Status> {
  const [status] = await db.waitFor<Status>(
    'select * from s3_connector.connector_status where name = $1',
    ([row]) => row!.running === 0 && (row!.failure > 0 || row!.notice !== null),
    { values: [name] },
  );
  return status!;
}

/** Waits until that many polls have failed. */
const failedPolls = (name: string, count: number) =>
  db.waitFor<{ error_code: string }>(
    'select error_code from s3_connector.polls where connector_name = $1 and error is not null',
    (rows) => rows.length >= count,
    { values: [name] },
  );

async function importedAll(name: string): Promise<void> {
  const files = await world.settled(name);
  assert.deepEqual(
    files.map(({ status, attempts }) => [status, attempts]),
    Array(FILES).fill(['success', 1]),
    files.map(({ error_message }) => error_message).join('\n'),
  );
  assert.deepEqual(await db.one(`select count(*) as n, sum(n) as sum from ${name}`), { n: FILES, sum: 45 });
  assert.equal(await world.notice(name), null);
}

test('files that are being imported when the bucket becomes unreachable are imported after it, without any action', async () => {
  await wait('300 ms');
  await goAwayUnder('away');
  const status = await quiet('away');
  assert.deepEqual([status.failure, status.in_queue, status.caught_up], [0, FILES, false]);
  assert.match(
    status.notice!,
    /^the bucket has been unavailable since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: S3 did not answer .*ECONNREFUSED.*; next try at \d\d:\d\d:\d\d UTC$/,
  );
  assert.match(status.last_error!, /ECONNREFUSED/);
  const { value } = await db.one<{ value: number }>(
    "select value from s3_connector.metrics where name = 's3_connector_bucket_unavailable_seconds'",
  );
  assert.ok(value > 0, `${value}`);
  await failedPolls('away', 3);
  await server.open();
  await importedAll('away');
});

test('an outage costs a file one change back to the queue, however long it lasts', async () => {
  await wait('100 ms');
  await goAwayUnder('long');
  await quiet('long');
  await failedPolls('long', 5);
  const changes = await db.query(
    `select f.key, count(*) as changes, count(*) filter (where h.message like 'source_unavailable: %') as postponed
      from s3_connector.files f join s3_connector.file_history h using (connector_name, key)
      where f.connector_name = 'long' group by f.key order by f.key`,
  );
  assert.deepEqual(
    changes.map(({ changes: all, postponed }) => [all, postponed]),
    Array.from({ length: FILES }, (_, n) => (n < CONCURRENCY ? [3, 1] : [1, 0])),
  );
  const { polls, attempts } = await db.one<{ polls: number; attempts: number }>(
    `select (select count(*) from s3_connector.polls where connector_name = 'long' and files_enqueued > 0) as polls,
      (select max(attempts) from s3_connector.files where connector_name = 'long') as attempts`,
  );
  assert.deepEqual([polls, attempts], [1, 0]);
  await server.open();
  await importedAll('long');
});

test('the files of a connector that waits have no jobs, and scheduled tasks give them none', async () => {
  await goAwayUnder('patient');
  await quiet('patient');
  const jobs = () =>
    db.waitFor(
      "select task_identifier from s3_connector_queue.jobs where task_identifier in ('import_file', 'poll')",
      (rows) => rows.length === 1,
    );
  assert.deepEqual(await jobs(), [{ task_identifier: 'poll' }]);
  await db.asSuperuser('select s3_connector_private.rescue_files()');
  assert.deepEqual(await jobs(), [{ task_identifier: 'poll' }]);
  // Not even a backlog makes the worker ask the bucket earlier.
  await db.asSuperuser('update s3_connector_private.progress set backlog = true');
  await db.asSuperuser(
    "select s3_connector_private.enqueue_due_polls(), s3_connector_private.enqueue_more('patient')",
  );
  assert.equal(
    (await db.query("select from s3_connector_queue.jobs where task_identifier = 'poll' and run_at <= now()"))
      .length,
    0,
  );
  await server.open();
  await world.pollAndSettle('patient');
  await importedAll('patient');
});

for (const [what, ask] of [
  ['poll_now', "select s3_connector.poll_now('asked')"],
  ['retry_file of another file', "select s3_connector.retry_file('asked', 'asked/9.csv')"],
  ['resume', "select s3_connector.pause('asked'); select s3_connector.resume('asked')"],
] as const) {
  test(`${what} makes the worker ask the bucket at once`, async () => {
    await goAwayUnder('asked');
    await db.query("select s3_connector.cancel_file('asked', 'asked/9.csv')");
    await quiet('asked');
    await server.open();
    await db.query(ask);
    if (!what.startsWith('retry')) await db.query("select s3_connector.retry_file('asked', 'asked/9.csv')");
    await importedAll('asked');
    await db.query('drop table asked');
  });
}

test('an outage that begins before any file is found also makes the connector wait', async () => {
  await wait('300 ms');
  await server.close();
  await insert('early');
  assert.match((await quiet('early')).notice!, /unavailable since .*ECONNREFUSED/);
  await server.open();
  await importedAll('early');
});

test('credentials that are refused for a while use up no attempt of any file', async () => {
  await wait('300 ms');
  const [right] = world.credentials;
  const stalled = server.faults.order({
    operation: 'GetObject',
    key: 'refused/0.csv',
    stall: { after: 1 },
  });
  await insert('refused', { max_parallel_files: 1 });
  await stalled.hit();
  world.credentials[0] = { accessKeyId: right!.accessKeyId, secretAccessKey: 'another' };
  stalled.release();
  const status = await quiet('refused');
  assert.deepEqual([status.failure, status.in_queue], [0, FILES - 1]);
  assert.match(status.notice!, /S3 did not accept the worker's credentials/);
  world.credentials[0] = right!;
  await importedAll('refused');
});

test('a connector waits while the server answers only 503', async () => {
  await wait('300 ms');
  server.faults.order({ operation: 'ListObjectsV2' });
  server.faults.order({ times: ALWAYS, error: { status: 503, code: 'SlowDown' } });
  await insert('slow');
  const status = await quiet('slow');
  assert.deepEqual([status.failure, status.in_queue], [0, FILES]);
  assert.match(status.notice!, /SlowDown/);
  server.faults.clear();
  await importedAll('slow');
});

test('an object that alone cannot be read uses up its own attempts, and the others are imported', async () => {
  server.faults.order({
    operation: 'GetObject',
    key: 'single/3.csv',
    times: ALWAYS,
    error: { status: 500, code: 'InternalError' },
  });
  await insert('single');
  const files = await world.settled('single');
  assert.deepEqual(
    files.map(({ status, attempts }) => [status, attempts]),
    Array.from({ length: FILES }, (_, n) => [n === 3 ? 'failure' : 'success', 1]),
  );
  assert.equal(await world.notice('single'), null);
  // One request found the files, the other distinguished the object from the bucket.
  assert.equal(server.requests.count('ListObjectsV2'), 2);
});

test('files that were found before are imported while only LIST is refused', async () => {
  const stalled = server.faults.order({ operation: 'GetObject', stall: { after: 1 } });
  await insert('unlisted', { max_parallel_files: 1 });
  await stalled.hit();
  server.faults.order({
    operation: 'ListObjectsV2',
    times: ALWAYS,
    error: { status: 403, code: 'AccessDenied' },
  });
  await db.query("select s3_connector.poll_now('unlisted')");
  await db.waitFor<Status>("select * from s3_connector.connector_status where name = 'unlisted'", ([row]) =>
    /S3 denied access/.test(row!.notice ?? ''),
  );
  stalled.release();
  await db.waitFor<{ success: number }>(
    "select success from s3_connector.connector_status where name = 'unlisted'",
    ([row]) => row!.success === FILES,
  );
  assert.match((await world.notice('unlisted'))!, /S3 denied access/);
  server.faults.clear();
  await db.query("select s3_connector.poll_now('unlisted')");
  await importedAll('unlisted');
});

test('a waiting connector can be paused, and its files cancelled', async () => {
  await goAwayUnder('steered');
  await quiet('steered');
  await db.query("select s3_connector.cancel_file('steered', 'steered/0.csv')");
  await db.query("select s3_connector.pause('steered')");
  const paused = await world.notice('steered');
  assert.match(paused!, /unavailable since/);
  assert.doesNotMatch(paused!, /next try/);
  await server.open();
  await db.query("select s3_connector.resume('steered')");
  const files = await world.settled('steered');
  assert.deepEqual(
    files.map(({ status, attempts }) => [status, attempts]),
    Array.from({ length: FILES }, (_, n) => (n === 0 ? ['cancelled', 0] : ['success', 1])),
  );
  assert.equal(await world.notice('steered'), null);
});

test('the files of a connector that is paused during an outage stay paused', async () => {
  const stalled = server.faults.order({ operation: 'GetObject', times: ALWAYS, stall: { after: 1 } });
  await insert('halted');
  await stalled.hit(CONCURRENCY);
  await db.query("select s3_connector.pause('halted')");
  await server.close();
  await quiet('halted');
  assert.deepEqual(
    await db.query(
      "select distinct status, attempts from s3_connector.files where connector_name = 'halted'",
    ),
    [{ status: 'paused', attempts: 0 }],
  );
  await server.open();
  await db.query("select s3_connector.resume('halted')");
  await importedAll('halted');
});

test('after a worker is killed in an outage, the next worker continues with what the database holds', async () => {
  await wait('300 ms');
  await goAwayUnder('killed');
  await quiet('killed');
  await worker.end('SIGKILL');
  await server.open();
  worker = await world.startWorker();
  await importedAll('killed');
});

test('files that fail together start one wait of the connector, and each wait is longer', async () => {
  await wait('1 hour');
  await insert('waits', { state: 'paused' });
  const note = () =>
    db.asSuperuser("select s3_connector_private.note_outage('waits', 'source_unavailable', 'away', true)");
  const tries = async () =>
    (
      await db.query<{ failed_tries: number }>(
        "select failed_tries from s3_connector_private.outages where connector_name = 'waits'",
      )
    )[0]!.failed_tries;
  await note();
  await note();
  assert.equal(await tries(), 1);
  await db.asSuperuser('update s3_connector_private.outages set next_try_at = now()');
  await note();
  await note();
  assert.equal(await tries(), 2);
});

test('an outage whose error has NUL characters is recorded', async () => {
  server.faults.order({
    operation: 'ListObjectsV2',
    times: ALWAYS,
    error: { status: 418, code: 'Nul', message: 'a\0b' },
  });
  await insert('nul');
  assert.match((await quiet('nul')).last_error!, /Nul: a\ufffdb/);
  const [poll] = await failedPolls('nul', 1);
  assert.equal(poll!.error_code, 'source_unavailable');
  await assert.rejects(db.query("call s3_connector.preview('nul')"), {
    message: /a\ufffdb/,
    detail: 'error_code source_unavailable',
  });
  await db.query("call s3_connector.check('nul')");
  const checks = await db.query<{ message: string }>(
    "select message from s3_connector.checks where connector_name = 'nul' and step = 'list'",
  );
  assert.match(checks[0]!.message, /a\ufffdb/);
});
