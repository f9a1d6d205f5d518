import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { File } from '../../src/db/schema.ts';
import { testDatabase } from '../support/database.ts';

// No worker runs here: its database calls are made by hand.
const db = await testDatabase();
const WORKER_ID = 1;
const PLACES = 2;
const SMALL = 10_000;

before(() =>
  db.query("select s3_connector_private.register_worker('host', 1, '1', $1, current_user, null)", [PLACES]),
);

/** Makes a connector with waiting files of these sizes, with the keys 000, 001 and so on. */
async function queued(name: string, sizes: number[], columns: Record<string, unknown> = {}): Promise<void> {
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
  const objects = sizes.map((size_bytes, i) => ({
    key: String(i).padStart(3, '0'),
    etag: '"x"',
    size_bytes,
    last_modified: '2026-01-01',
  }));
  await db.query(
    `select s3_connector_private.commit_poll($1, p.marker, p.scan_position, $2, null, false, now(), now(), 1, 1, 1)
      from s3_connector_private.progress p where p.connector_name = $1`,
    [name, JSON.stringify(objects)],
  );
}

/** Begins the bundle of a file, and returns its keys. */
async function begin(
  name: string,
  key: string,
  { most = 100, alone = [] as string[] } = {},
): Promise<string[]> {
  const rows = await db.query<{ key: string }>(
    `select b.file ->> 'key' as key
      from s3_connector.files f cross join s3_connector_private.begin_import(f.id, $3, '{}', $4, $5) b
      where f.connector_name = $1 and f.key = $2`,
    [name, key, WORKER_ID, most, alone],
  );
  return rows.map((row) => row.key);
}

const small = (files: number): number[] => Array(files).fill(SMALL);
const keys = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => String(from + i).padStart(3, '0'));

test('a bundle is the share of one place, or what is not worth sharing, and its files have no jobs left', async () => {
  await queued('shared', small(61));
  assert.deepEqual(await begin('shared', '000'), keys(0, 31));
  assert.deepEqual(await begin('shared', '031'), keys(31, 56));
  const waiting = await db.query(
    "select from s3_connector_private.jobs() j join s3_connector.files f on j.key = s3_connector_private.import_job_key(f.id) where f.connector_name = 'shared' and f.key > '000' and f.key <> '031'",
  );
  assert.equal(waiting.length, 61 - 56);
  await queued('half_large', Array(10).fill(200_000));
  assert.deepEqual(await begin('half_large', '000'), keys(0, 5), 'larger files are worth sharing');
});

test('a bundle has at most the files that the worker wants, and none for connectors that go alone', async () => {
  await queued('limited', small(40));
  assert.deepEqual(await begin('limited', '000', { most: 5 }), keys(0, 5));
  assert.deepEqual(await begin('limited', '005', { most: 1 }), ['005']);
  assert.deepEqual(await begin('limited', '006', { alone: ['limited'] }), ['006']);
});

test('a bundle ends before a larger file, and at 4 MiB', async () => {
  await queued('sizes', [SMALL, SMALL, 262_145, ...Array(60).fill(262_144)]);
  assert.deepEqual(await begin('sizes', '000'), keys(0, 2));
  assert.deepEqual(await begin('sizes', '002'), ['002'], 'a larger file takes none along');
  assert.deepEqual(await begin('sizes', '003'), keys(3, 19));
});

test('the files of a bundle need slots of max_parallel_files', async () => {
  await queued('slots', small(20), { max_parallel_files: 3 });
  assert.deepEqual(await begin('slots', '000'), keys(0, 3));
});

test('a file that was tried before is neither the first of a bundle nor in one', async () => {
  await queued('tried', small(20));
  await db.query(
    "update s3_connector.files set attempts = 1 where connector_name = 'tried' and key in ('000', '005')",
  );
  assert.deepEqual(await begin('tried', '000'), ['000']);
  assert.deepEqual(await begin('tried', '001'), keys(1, 5));
});

test('a bundle waits for nobody: it leaves out files and jobs that others hold', async () => {
  const person = await db.connect();
  await queued('held', small(10));
  await person.query('begin');
  await person.query(
    "select from s3_connector.files where connector_name = 'held' and key = '002' for update",
  );
  assert.deepEqual(await begin('held', '000'), ['000', '001', ...keys(3, 10)]);
  await person.query('rollback');

  await queued('steered', small(10));
  await person.query('begin');
  await person.query("select s3_connector.cancel_file('steered', '009')");
  assert.deepEqual(await begin('steered', '000'), ['000'], 'the lock of the queue is held');
  await person.query('rollback');
  await person.end();

  await queued('begun', small(10));
  await db.query(
    `update s3_connector_queue._private_jobs set locked_at = now(), locked_by = 'another place' where key in (
      select s3_connector_private.import_job_key(id) from s3_connector.files where connector_name = 'begun' and key = '001')`,
  );
  assert.deepEqual(await begin('begun', '000'), ['000', ...keys(2, 10)]);
});

test('a bundle waits a moment for one that another place begins, and takes the files that are left', async () => {
  const limit = (timeout: string) =>
    db.asSuperuser(
      `alter function s3_connector_private.lock_queue_soon(text) set lock_timeout = '${timeout}'`,
    );
  // However slow this machine is.
  await limit('10min');
  const other = await db.connect();
  await queued('at_once', small(100));
  await other.query('begin');
  const { rows } = await other.query(
    "select from s3_connector.files f cross join s3_connector_private.begin_import(f.id, $1, '{}', 100) where connector_name = 'at_once' and f.key = '000'",
    [WORKER_ID],
  );
  assert.equal(rows.length, 50);
  const waiting = begin('at_once', '060');
  await db.waitFor(
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%begin_import%'",
    (sessions) => sessions.length === 1,
  );
  await other.query('commit');
  assert.deepEqual(await waiting, keys(60, 85));
  await other.end();
  await limit('100ms');
});

test('one lost attempt of a bundle keeps all from being recorded', async () => {
  await queued('taken', small(10));
  const begun = await db.query<{ file: File; token: string }>(
    `select b.file, b.token from s3_connector.files f cross join s3_connector_private.begin_import(f.id, $1, '{}', 100) b
      where f.connector_name = 'taken' and f.key = '000'`,
    [WORKER_ID],
  );
  const results = begun.map(({ file: { id: file_id, attempt_id, etag, size_bytes }, token }) => {
    const counts = { read: 1, imported: 1, rejected: 0, skipped: 0 };
    return { file_id, attempt_id, token, etag, size_bytes, ...counts, notice: null };
  });
  await db.query("select s3_connector.cancel_file('taken', '002')");
  const record = (of: unknown) =>
    db.query('select s3_connector_import.record_successes($1) as backlog', [JSON.stringify(of)]);
  await assert.rejects(record(results), { code: 'S3C01' });
  await assert.rejects(record([{ ...results[0], token: 'x' }]), { code: 'S3C02' });
  const others = results.filter((_, i) => i !== 2);
  assert.deepEqual(await record(others), [{ backlog: false }]);
  assert.deepEqual(
    await db.query(
      "select status, count(*)::integer as files from s3_connector.files where connector_name = 'taken' group by 1 order by 1",
    ),
    [
      { status: 'success', files: others.length },
      { status: 'cancelled', files: 1 },
    ],
  );
});

const statuses = (name: string) =>
  db.query(
    'select status, attempts, count(*)::integer as files from s3_connector.files where connector_name = $1 group by 1, 2 order by 3',
    [name],
  );

test('attempts that are given back do not count, and their files have jobs again', async () => {
  await queued('given_back', small(10));
  await begin('given_back', '000');
  const back = () =>
    db.query<{ files: number }>(
      `select s3_connector_private.give_back_attempts(array_agg(attempt_id)) as files
        from s3_connector.files where connector_name = 'given_back' and key > '000' and status = 'running'`,
    );
  assert.deepEqual(await back(), [{ files: 9 }]);
  assert.deepEqual(await back(), [{ files: 0 }], 'it can be repeated');
  assert.deepEqual(await statuses('given_back'), [
    { status: 'running', attempts: 1, files: 1 },
    { status: 'in_queue', attempts: 0, files: 9 },
  ]);
  assert.deepEqual(await begin('given_back', '001'), keys(1, 10));
});

test('a lost attempt whose file another transaction holds is not forgotten', async () => {
  const person = await db.connect();
  await queued('lost', small(10));
  await begin('lost', '000');
  await db.query(
    "update s3_connector.files set started_at = now() - interval '1 minute' where connector_name = 'lost' and status = 'running'",
  );
  const free = () =>
    db.query(
      'select freed, held from s3_connector_private.free_lost_attempts($1, array(select attempt_id from s3_connector.files where connector_name <> $2 and attempt_id is not null))',
      [WORKER_ID, 'lost'],
    );
  await person.query('begin');
  await person.query(
    "select from s3_connector.files where connector_name = 'lost' and key = '002' for update",
  );
  assert.deepEqual(await free(), [{ freed: 9, held: 1 }]);
  await person.query('rollback');
  await person.end();
  assert.deepEqual(await free(), [{ freed: 1, held: 0 }]);
  assert.deepEqual(await statuses('lost'), [{ status: 'in_queue', attempts: 0, files: 10 }]);
});

test("a connector's file waits for one bundle of another connector, not for its backlog", async () => {
  const turns: string[] = [];
  /** Begins the next job of the two connectors, as a place of a worker does. */
  const takeTurn = async () => {
    const next = await db.one<{ connector_name: string; key: string; id: number }>(
      `select f.connector_name, f.key, f.id from s3_connector_private.jobs() j
        join s3_connector.files f on j.key = s3_connector_private.import_job_key(f.id)
        where f.connector_name in ('crowd', 'few') and j.waits order by j.priority, j.run_at limit 1`,
    );
    turns.push(next.connector_name);
    const begun = await begin(next.connector_name, next.key);
    await db.query('select s3_connector_private.remove_jobs_of_files(array[$1::bigint])', [next.id]);
    return begun.length;
  };
  await queued('crowd', small(200), { max_tracked_files: 200 });
  assert.equal(await takeTurn(), 100);
  await queued('few', small(3));
  for (let turn = 0; turn < 4; turn++) await takeTurn();
  assert.ok(turns.slice(0, 3).includes('few'), turns.join());
});
