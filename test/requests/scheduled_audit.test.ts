import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { FaultOrder } from '../../embedded/bucket/faults.ts';
import { listPage } from '../../embedded/bucket/listing.ts';
import type { Lister } from '../../embedded/bucket/listing_faults.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';
import { call } from './support.ts';

const world = await openWorld();
const { db, server } = world;
afterEach(async () => {
  await world.stopWorkers();
  server.faults.clear();
});

const KEYS_PER_PAGE = 10;
const smallPages: Lister = (keys, options) => listPage(keys, { ...options, maxKeys: KEYS_PER_PAGE });
const ALWAYS = Number.POSITIVE_INFINITY;
const onList = (order: FaultOrder) =>
  server.faults.order({ operation: 'ListObjectsV2', times: ALWAYS, ...order });
const keyOf = (name: string, n: number) => `${name}/${String(n).padStart(3, '0')}.csv`;
const csv = (n: number) => `n\n${n}\n`;

interface AuditRow {
  asked: boolean;
  finished: boolean;
  position: string | null;
  keys_listed: number;
  keys_late: number;
  keys_overwritten: number;
  list_requests: number;
  error_code: string | null;
}

/** Inserts a connector, imports the keys from 1 to `count`, each of one row with its number, and stops polling. */
async function importKeys(name: string, count: number, columns: Record<string, unknown> = {}): Promise<void> {
  for (let n = 1; n <= count; n++) world.put(keyOf(name, n), csv(n));
  await world.insertConnector({
    name,
    pattern: `${name}/*.csv`,
    target_table: name,
    schedule: NEVER_AGAIN,
    audit_schedule: NEVER_AGAIN,
    ...columns,
  });
  await world.settled(name);
}

/** Sets the marker behind all keys of a folder, as if they had all arrived late. */
async function insertBehind(
  name: string,
  count: number,
  columns: Record<string, unknown> = {},
): Promise<void> {
  for (let n = 1; n <= count; n++) world.put(keyOf(name, n), csv(n));
  await world.insertConnector({
    name,
    pattern: `${name}/*.csv`,
    target_table: name,
    schedule: NEVER_AGAIN,
    audit_schedule: NEVER_AGAIN,
    state: 'paused',
    ...columns,
  });
  // In one transaction, so that no worker polls in between.
  const client = await db.connect();
  await client.query('begin');
  await client.query("update s3_connector.connectors set state = 'running' where name = $1", [name]);
  await passed(name, keyOf(name, count), client);
  await client.query('commit');
  await client.end();
}

type Client = { query(text: string, values: unknown[]): Promise<unknown> };

/** Sets the marker, as if polls had come there and had nothing more to do. */
const passed = (name: string, marker: string, client: Client = db) =>
  client.query(
    `with passed as (
      update s3_connector_private.progress set marker = $1, backlog = false, next_poll_at = 'infinity' where connector_name = $2
    )
    select s3_connector_queue.remove_job('poll:' || $2)`,
    [marker, name],
  );

/** The task that the crontab runs every minute. */
const housekeep = () => db.query("select s3_connector_queue.add_job('poll_due', job_key => 'poll_due')");

/** Makes an audit due, and runs the housekeeping until it has begun: a connector that a poll has locked is left for the next time. */
async function makeDue(name: string): Promise<void> {
  await db.query('update s3_connector_private.progress set next_audit_at = now() where connector_name = $1', [
    name,
  ]);
  await db.waitFor<{ begun: boolean }>(
    `select p.next_audit_at > now() as begun, job.id
    from s3_connector_private.progress p, s3_connector_queue.add_job('poll_due', job_key => 'poll_due') job
    where p.connector_name = $1`,
    ([row]) => row!.begun,
    { values: [name] },
  );
}

/** Makes the waiting job of an audit due. */
const hurry = () =>
  db.query(
    `select s3_connector_queue.reschedule_jobs(
      array(select id from s3_connector_queue.jobs where task_identifier = 'continue_audit' and run_at > now()), now())`,
  );

/** Makes the audit's jobs due, one after the other, until it has finished. */
async function hurryOn(name: string, afterRun?: (audit: AuditRow, runs: number) => unknown): Promise<void> {
  let [audit] = await audits(name, () => true);
  for (let runs = 2; !audit!.finished; runs++) {
    const { list_requests } = audit!;
    await hurry();
    [audit] = await audits(name, ([row]) => row!.finished || row!.list_requests > list_requests);
    await db.waitFor<{ at_rest: boolean }>(
      `select a.finished_at is not null or exists (select from s3_connector_private.jobs() j
        where j.key = s3_connector_private.audit_job_key(a.id) and j.waits and j.run_at > now()) as at_rest
      from s3_connector.audits a where a.connector_name = $1`,
      ([row]) => row!.at_rest,
      { values: [name] },
    );
    [audit] = await audits(name, () => true);
    await afterRun?.(audit!, runs);
  }
}

async function audits(name: string, until: (rows: AuditRow[]) => boolean): Promise<AuditRow[]> {
  return db.waitFor<AuditRow>(
    `select asked, finished_at is not null as finished, position, keys_listed::integer, keys_late::integer,
      keys_overwritten::integer, list_requests::integer, error_code
    from s3_connector.audits where connector_name = $1 order by id`,
    until,
    { values: [name] },
  );
}

const finished = async (name: string, count = 1) =>
  (await audits(name, (rows) => rows.length === count && rows.every((row) => row.finished)))[count - 1]!;

const late = async (name: string) =>
  db.query<{ key: string; reason: string }>(
    'select key, reason from s3_connector.late_files where connector_name = $1 order by key',
    [name],
  );

const waitingJob = () =>
  db.waitFor<{ run_at: Date }>(
    "select run_at from s3_connector_queue.jobs where task_identifier = 'continue_audit' and locked_at is null and run_at > now()",
    (jobs) => jobs.length === 1,
  );

test('a connector is audited by its schedule: late and overwritten keys are found, keys up to start_after are not', async () => {
  await world.startWorker();
  await importKeys('nightly', 5, { start_after: 'nightly/002.csv' });
  world.put('nightly/000.csv', csv(0));
  world.put('nightly/003-late.csv', csv(30));
  world.put('nightly/004.csv', csv(40));
  world.put('nightly/004.txt', 'does not match');
  await makeDue('nightly');
  assert.deepEqual(await finished('nightly'), {
    asked: false,
    finished: true,
    position: 'nightly/005.csv',
    keys_listed: 5,
    keys_late: 1,
    keys_overwritten: 1,
    list_requests: 1,
    error_code: null,
  });
  assert.deepEqual(await late('nightly'), [
    { key: 'nightly/003-late.csv', reason: 'late' },
    { key: 'nightly/004.csv', reason: 'overwritten' },
  ]);
  const status = await db.one(
    `select last_audit_at = a.finished_at as last, next_audit_at > now() as next, late_files::integer
    from s3_connector.connector_status s, s3_connector.audits a where s.name = 'nightly' and a.connector_name = s.name`,
  );
  assert.deepEqual(status, { last: true, next: true, late_files: 2 });
});

test('a new audit_schedule is first due at its own time, and without one nothing is due', async () => {
  await world.startWorker();
  await insertBehind('scheduled', 1);
  await insertBehind('unscheduled', 1, { audit_schedule: null });
  await housekeep();
  await db.waitFor<{ name: string; due: boolean | null }>(
    `select name, next_audit_at > now() as due from s3_connector.connector_status where name like '%scheduled' order by name`,
    ([first, second]) => first?.due === true && second?.due === null,
  );
  assert.deepEqual(
    await db.query("select from s3_connector.audits where connector_name like '%scheduled'"),
    [],
  );
});

test('an audit continues at its page after a worker was killed', async () => {
  await insertBehind('killed', 95);
  const doomed = await world.startWorker();
  let pages = 0;
  const hang = Promise.withResolvers<void>();
  onList({
    listing: smallPages,
    before: () => (++pages === 5 ? hang.promise : undefined),
  });
  await makeDue('killed');
  await audits('killed', ([audit]) => audit?.position === keyOf('killed', 40));
  assert.equal((await late('killed')).length, 40, 'what it has found is visible at once');
  await doomed.end('SIGKILL');
  hang.resolve();
  server.requests.reset();
  await world.startWorker();
  await housekeep();
  const audit = await finished('killed');
  assert.deepEqual([audit.keys_listed, audit.keys_late, audit.list_requests], [95, 95, 10]);
  assert.equal(server.requests.count('ListObjectsV2'), 6);
});

test('an audit makes as many LIST requests in a minute as the setting says, and passes every key', async () => {
  await insertBehind('paced', 95);
  await world.startWorker({ AUDIT_REQUESTS_PER_MINUTE: '3' });
  onList({ listing: smallPages });
  server.requests.reset();
  await makeDue('paced');
  const [job] = await waitingJob();
  assert.equal(server.requests.count('ListObjectsV2'), 3);
  const { paused } = await db.one<{ paused: boolean }>(
    `select $1::timestamptz >= started_at + interval '59 seconds' as paused from s3_connector.audits where connector_name = 'paced'`,
    [job!.run_at],
  );
  assert.ok(paused);
  await hurryOn('paced', async (audit, runs) => {
    if (!audit.finished) assert.equal(audit.list_requests, 3 * runs);
    assert.ok(server.requests.count('ListObjectsV2') <= 3 * runs);
  });
  const audit = await finished('paced');
  assert.deepEqual([audit.keys_listed, audit.keys_late, audit.error_code], [95, 95, null]);
  assert.equal((await late('paced')).length, 95);
});

test('with two workers only one walks a connector', async () => {
  await insertBehind('shared', 95);
  await Promise.all([world.startWorker(), world.startWorker()]);
  onList({ listing: smallPages });
  server.requests.reset();
  await makeDue('shared');
  await housekeep();
  const audit = await finished('shared');
  assert.deepEqual([audit.keys_late, audit.list_requests], [95, 10]);
  assert.equal(server.requests.count('ListObjectsV2'), 10);
});

test('late_keys import: what an audit finds is imported, each key once', async () => {
  await world.startWorker();
  await insertBehind('admitted', 25, { late_keys: 'import' });
  onList({ listing: smallPages });
  await makeDue('admitted');
  assert.equal((await finished('admitted')).keys_late, 25);
  const files = await db.waitFor<{ status: string }>(
    "select status from s3_connector.files where connector_name = 'admitted'",
    (rows) => rows.length === 25 && rows.every(({ status }) => status === 'success'),
  );
  assert.equal(files.length, 25);
  assert.deepEqual(await late('admitted'), []);
  await makeDue('admitted');
  assert.equal((await finished('admitted', 2)).keys_late, 0);
  assert.deepEqual(
    await db.one('select count(*)::integer as n, count(distinct n)::integer as different from admitted'),
    {
      n: 25,
      different: 25,
    },
  );
});

test('an audit removes from late_files what it does not see any more, and nothing else', async () => {
  await world.startWorker();
  await insertBehind('stale', 30);
  await makeDue('stale');
  assert.equal((await finished('stale')).keys_late, 30);
  const found = await db.query("select key, found_at from s3_connector.late_files where key like '%5.csv'");
  for (let n = 1; n <= 30; n++) if (n % 10 !== 5) server.store.delete(world.bucket, keyOf('stale', n));
  // Noted while the audit runs, by an event, for a key that is behind the marker of now.
  onList({
    listing: smallPages,
    before: () =>
      db.query(
        `select s3_connector_private.allow_marker_back('stale');
        update s3_connector_private.progress set marker = 'stale/031.csv' where connector_name = 'stale';
        insert into s3_connector.late_files (connector_name, key, etag, size_bytes, last_modified, reason)
        values ('stale', 'stale/030a.csv', '"1"', 1, now(), 'late') on conflict do nothing`,
      ),
  });
  await makeDue('stale');
  assert.equal((await finished('stale', 2)).keys_late, 3);
  assert.deepEqual(
    (await late('stale')).map(({ key }) => key),
    ['stale/005.csv', 'stale/015.csv', 'stale/025.csv', 'stale/030a.csv'],
  );
  assert.deepEqual(
    await db.query("select key, found_at from s3_connector.late_files where key like '%5.csv'"),
    found,
  );
});

test('an audit of a paused connector waits, and continues where it was', async () => {
  await insertBehind('rests', 95);
  await world.startWorker({ AUDIT_REQUESTS_PER_MINUTE: '5' });
  onList({ listing: smallPages });
  await makeDue('rests');
  await waitingJob();
  const [before] = await audits('rests', () => true);
  await db.query("select s3_connector.pause('rests')");
  server.requests.reset();
  await hurry();
  await housekeep();
  await db.waitFor(
    "select from s3_connector_queue.jobs where task_identifier = any ('{continue_audit,poll_due}')",
    (jobs) => jobs.length === 0,
  );
  assert.deepEqual((await audits('rests', () => true))[0], before);
  assert.equal(server.requests.count('ListObjectsV2'), 0);
  await db.query("select s3_connector.resume('rests')");
  await passed('rests', keyOf('rests', 95));
  await housekeep();
  await hurryOn('rests');
  const audit = await finished('rests');
  assert.deepEqual([audit.keys_listed, audit.keys_late], [95, 95]);
});

test('an audit that gets an error waits and says why, and continues where it was', async () => {
  await insertBehind('refused', 95);
  await world.startWorker({ AUDIT_REQUESTS_PER_MINUTE: '5' });
  onList({ listing: smallPages });
  await makeDue('refused');
  await waitingJob();
  const [before] = await audits('refused', () => true);
  server.faults.clear();
  const denied = onList({ error: { status: 403, code: 'AccessDenied' } });
  await hurry();
  await audits('refused', ([audit]) => audit!.error_code !== null);
  const [waiting] = await audits('refused', () => true);
  assert.deepEqual(
    [waiting!.error_code, waiting!.position, waiting!.finished],
    ['access_denied', before!.position, false],
  );
  assert.match(
    (await world.notice('refused'))!,
    /the audit since .* UTC waits, because .*; next try at .* UTC/,
  );
  denied.cancel();
  onList({ listing: smallPages });
  await waitingJob();
  await hurryOn('refused');
  const audit = await finished('refused');
  assert.deepEqual([audit.keys_listed, audit.keys_late, audit.error_code], [95, 95, null]);
  assert.equal(await world.notice('refused'), null);
});

test('an audit that finds a key that polls cannot find ends with that error', async () => {
  await insertBehind('blind', 2);
  world.put('blind/003.csv', csv(3));
  await world.startWorker();
  onList({
    listing: (keys, options) =>
      listPage(options.after === '' ? keys : keys.filter((key) => key !== 'blind/003.csv'), options),
  });
  await makeDue('blind');
  assert.equal((await finished('blind')).error_code, 'list_incomplete');
  assert.match(
    (await world.notice('blind'))!,
    /the last audit failed: .*blind\/003\.csv comes after the marker/,
  );
});

test('other keys start the audit again, and audit_schedule null ends it', async () => {
  await insertBehind('changed', 95);
  await world.startWorker({ AUDIT_REQUESTS_PER_MINUTE: '2' });
  onList({ listing: smallPages });
  await makeDue('changed');
  await waitingJob();
  await db.query("select s3_connector.pause('changed')");
  await db.query("update s3_connector.connectors set pattern = 'changed/**' where name = 'changed'");
  const due = () =>
    db.one<{ due: boolean | null; unfinished: number }>(
      `select next_audit_at <= now() as due,
        (select count(*)::integer from s3_connector.audits where connector_name = 'changed') as unfinished
      from s3_connector_private.progress where connector_name = 'changed'`,
    );
  assert.deepEqual(await due(), { due: true, unfinished: 0 });
  await db.query("update s3_connector.connectors set audit_schedule = null where name = 'changed'");
  assert.deepEqual(await due(), { due: null, unfinished: 0 });
});

test('a dropped connector leaves no job of its audit', async () => {
  await insertBehind('dropped', 95);
  await world.startWorker({ AUDIT_REQUESTS_PER_MINUTE: '2' });
  onList({ listing: smallPages });
  await makeDue('dropped');
  await waitingJob();
  await db.query("select s3_connector.pause('dropped')");
  await db.query("select s3_connector.drop_connector('dropped')");
  assert.deepEqual(
    await db.query(
      `select from s3_connector_queue.jobs where task_identifier = 'continue_audit'
        and key not in (select s3_connector_private.audit_job_key(id) from s3_connector.audits)`,
    ),
    [],
    'other connectors may be rechecked',
  );
});

test('a called audit passes the whole bucket at once while one by schedule waits, and the other one continues', async () => {
  await insertBehind('called', 95);
  await world.startWorker({ AUDIT_REQUESTS_PER_MINUTE: '2' });
  onList({ listing: smallPages });
  await makeDue('called');
  await waitingJob();
  const { notices } = await call(db, "call s3_connector.audit('called')");
  assert.match(notices[0]!.message, /^95 keys listed up to the marker, 95 match: 95 late, 0 overwritten$/);
  const [scheduled, asked] = await audits('called', (rows) => rows.length === 2);
  assert.deepEqual(
    [scheduled!.asked, scheduled!.finished, asked!.asked, asked!.finished],
    [false, false, true, true],
  );
  assert.equal(asked!.list_requests, 10);
});

test('a called audit ends with its worker', async () => {
  await insertBehind('left', 95);
  const doomed = await world.startWorker();
  const hang = Promise.withResolvers<void>();
  let pages = 0;
  onList({ listing: smallPages, before: () => (++pages === 3 ? hang.promise : undefined) });
  const asked = call(db, "call s3_connector.audit('left')").catch((error: Error) => error.message);
  await audits('left', ([audit]) => audit?.position === keyOf('left', 20));
  await doomed.end('SIGKILL');
  hang.resolve();
  assert.match(String(await asked), /^worker \d+ stopped before it answered/);
  await world.startWorker();
  await housekeep();
  const audit = await finished('left');
  assert.deepEqual([audit.error_code, audit.position], ['worker_stopped', keyOf('left', 20)]);
});

test('old audits are pruned, but for the last one', async () => {
  await insertBehind('pruned', 1, { retention: '1 day' });
  await db.query(
    `insert into s3_connector.audits (connector_name, asked, started_at, finished_at)
    select 'pruned', true, now() - n * interval '1 day', now() from generate_series(2, 5) n`,
  );
  await world.startWorker();
  await housekeep();
  await db.waitFor<{ at: boolean }>(
    `select started_at > now() - interval '3 days' as at from s3_connector.audits where connector_name = 'pruned'`,
    (rows) => rows.length === 1 && rows[0]!.at,
  );
});
