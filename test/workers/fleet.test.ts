import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { WorkerProcess } from '../support/worker.ts';
import { openWorld } from '../support/world.ts';

// Four worker processes on one database, with two places each.
const WORKERS = 4;
const PLACES = 2;
const world = await openWorld();
const { db } = world;
let workers: WorkerProcess[] = [];

// Without bundles, which test/bundles/ tests: here the files that run at once are counted, and each place has one.
const start = () => world.startWorker({ WORKER_CONCURRENCY: String(PLACES), IMPORT_BUNDLE_FILES: '1' });
const key = (name: string, file: number) => `${name}/${String(file).padStart(5, '0')}.csv`;

function putFiles(name: string, files: number): void {
  for (let file = 0; file < files; file++) world.put(key(name, file), `file,n\n${file},1\n${file},2\n`);
}

async function insert(name: string, columns: Record<string, unknown> = {}): Promise<void> {
  await db.query(`create table ${name} (file integer, n integer, file_id bigint)`);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_id_column: 'file_id',
    max_tracked_files: 1000,
    ...columns,
  });
}

/** Every file once: by the rows, by their file ids, and at the first attempt. */
async function assertOnce(name: string, files: number): Promise<void> {
  assert.deepEqual(
    await db.one(
      `select count(*) as rows, count(distinct (file, n)) as different, count(distinct (file, file_id)) as imports from ${name}`,
    ),
    { rows: files * 2, different: files * 2, imports: files },
  );
  assert.deepEqual(
    await db.query(
      `select status, attempts, count(*) as files,
        bool_and(exists (select from ${name} t where t.file_id = f.id)) as in_table
       from s3_connector.files f where connector_name = $1 group by 1, 2`,
      [name],
    ),
    [{ status: 'success', attempts: 1, files, in_table: true }],
  );
}

/** The largest number of files that ran at once, of all connectors or of one. */
async function mostAtOnce(name: string | null): Promise<number> {
  const { most } = await db.one<{ most: number }>(
    `select max(running) as most from (
      select sum((to_status = 'running')::int - (from_status is not distinct from 'running')::int)
        over (order by at, to_status = 'running') as running
      from s3_connector.file_history where connector_name = $1 or $1 is null
    ) h`,
    [name],
  );
  return Number(most);
}

before(async () => {
  workers = await Promise.all(Array.from({ length: WORKERS }, start));
});

test('1,000 files of three connectors are imported, none twice, none starved, within all limits', async () => {
  const files = { big: 800, narrow: 197, small: 3 };
  for (const [name, count] of Object.entries(files)) putFiles(name, count);
  await insert('big');
  await db.waitFor(
    "select from s3_connector.connector_status where name = 'big' and success > 20",
    (rows) => rows.length === 1,
  );
  await insert('narrow', { max_parallel_files: 3 });
  await insert('small');
  // Takes a few seconds on an idle machine.
  await db.waitFor<{ success: number }>(
    'select sum(success)::integer as success from s3_connector.connector_status',
    ([row]) => row!.success === 1000,
    { timeoutMs: 600_000, intervalMs: 500 },
  );
  for (const [name, count] of Object.entries(files)) await assertOnce(name, count);

  // While small's files waited, each other connector got its turns, but not its whole queue.
  const { overtaken, left } = await db.one<{ overtaken: number; left: number }>(
    `with started as (
      select connector_name, at from s3_connector.file_history where to_status = 'running'
    )
    select count(*) filter (where b.at between s.since and s.until) as overtaken,
      count(*) filter (where b.at > s.until) as left
    from started b, (
      select min(f.queued_at) as since, max(t.at) as until
      from s3_connector.files f join started t using (connector_name) where connector_name = 'small'
    ) s
    where b.connector_name = 'big'`,
  );
  assert.ok(overtaken < 150, `${overtaken} files of big started while 3 of small waited`);
  assert.ok(left > 250, `big was still at it: ${left} files started later`);

  assert.equal(await mostAtOnce('narrow'), 3);
  const most = await mostAtOnce(null);
  assert.ok(most > PLACES && most <= WORKERS * PLACES, `${most} at once`);
  for (const worker of workers) {
    const imports = worker.lines.filter((line) => line.event === 'imported').length;
    assert.ok(imports > 20, `every worker works: one had ${imports} files`);
  }
});

test('a due retry does not wait for the whole backlog of another connector', async () => {
  putFiles('crowd', 400);
  putFiles('retried', 1);
  world.server.faults.order({
    operation: 'GetObject',
    key: key('retried', 0),
    error: { status: 500, code: 'InternalError' },
    times: 4,
  });
  await insert('retried');
  await db.waitFor(
    "select from s3_connector.files where connector_name = 'retried' and status = 'pending_retry'",
    (rows) => rows.length === 1,
  );
  // Not due before the crowd is there.
  const reschedule = (at: string) =>
    db.query(
      'select s3_connector_queue.reschedule_jobs(array_agg(id), run_at => $1::timestamptz) from s3_connector_queue.jobs where priority = -1',
      [at],
    );
  await reschedule('tomorrow');
  await insert('crowd');
  await db.waitFor(
    "select from s3_connector.connector_status where name = 'crowd' and success > 5",
    (rows) => rows.length === 1,
  );
  await reschedule('now');
  await Promise.all([world.settled('retried'), world.settled('crowd')]);
  const { left } = await db.one<{ left: number }>(
    `select count(*) as left from s3_connector.files f, s3_connector.files r
      where f.connector_name = 'crowd' and r.connector_name = 'retried' and f.finished_at > r.finished_at`,
  );
  assert.ok(left > 100, `${left} files of the crowd came after it`);
  assert.deepEqual(
    await db.query(
      "select from_status, to_status from s3_connector.file_history where connector_name = 'retried' order by at offset 2",
    ),
    [
      { from_status: 'running', to_status: 'pending_retry' },
      { from_status: 'pending_retry', to_status: 'in_queue' },
      { from_status: 'in_queue', to_status: 'running' },
      { from_status: 'running', to_status: 'success' },
    ],
  );
});

test('a rolling restart stops and replaces one worker after the other, and no attempt is lost', async () => {
  putFiles('rolling', 400);
  await insert('rolling');
  for (const [i, worker] of workers.entries()) {
    await db.waitFor<{ success: number }>(
      "select success from s3_connector.connector_status where name = 'rolling'",
      ([row]) => Number(row?.success) > 30 * (i + 1),
    );
    assert.deepEqual(await worker.end('SIGTERM'), { code: 0, signal: null });
    workers[i] = await start();
  }
  await world.settled('rolling');
  await assertOnce('rolling', 400);
  assert.deepEqual(
    await db.query(
      "select to_status, message from s3_connector.file_history where connector_name = 'rolling' and message is not null",
    ),
    [],
  );
  assert.deepEqual(
    await db.query('select alive, count(*) as workers from s3_connector.workers group by 1 order by 1'),
    [
      { alive: false, workers: WORKERS },
      { alive: true, workers: WORKERS },
    ],
  );
  await world.spoolEmptied();
});
