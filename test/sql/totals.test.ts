import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { FILE_STATUSES } from '../../src/db/schema.ts';
import { testDatabase } from '../support/database.ts';
import { pick, type Random, seeded } from '../support/random.ts';

// No worker runs here: the sessions call the worker's functions, at random and in parallel.
const db = await testDatabase();

const SESSIONS = 6;
const ROUNDS = 5;
/** Of each session in each round. */
const ACTIONS = 30;
const NAMES = ['a', 'b', 'c', 'd'];
/** Errors that two sessions may cause each other: refused, deleted meanwhile, or chosen as a deadlock's victim. */
const EXPECTED = new Set(['22023', '23505', '42704', '55000', '55006', '40P01', '23503']);

const insert = `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, max_parallel_files)
  values ($1, 'some-bucket', '**', 'csv', 'target', $2)`;
/** Unlike polls, the keys come in any order. */
const enqueue = `select s3_connector_private.commit_poll($1, p.marker, p.scan_position, $2, null, false, now(), now(), 1, 1, 1)
  from s3_connector_private.allow_marker_back($1), s3_connector_private.progress p where p.connector_name = $1`;
const objects = (keys: string[]) =>
  JSON.stringify(
    keys.map((key) => ({ key, etag: '"x"', size_bytes: key.length * 7, last_modified: '2026-01-01' })),
  );
const someFile =
  'select id, attempt_id, key from s3_connector.files where status = $1 order by random() limit 1';

type Action = (client: pg.Client, random: Random) => Promise<unknown>;

const pollFiles: Action = (client, random) =>
  client.query(enqueue, [
    pick(random, NAMES),
    objects(Array.from({ length: 1 + random(5) }, () => `key ${random(200)}`)),
  ]);

const startFile: Action = async (client, random) => {
  const { rows } = await client.query(someFile, [pick(random, ['in_queue', 'pending_retry', 'running'])]);
  if (rows[0]) await client.query('select s3_connector_private.start_attempt($1, 1)', [rows[0].id]);
};

const finishFile: Action = async (client, random) => {
  const { rows } = await client.query(someFile, ['running']);
  if (!rows[0]) return;
  await client.query('select s3_connector_private.finish_attempt($1, $2, $3, $3, 0, 0)', [
    rows[0].id,
    rows[0].attempt_id,
    random(1000),
  ]);
};

const failFile: Action = async (client, random) => {
  const { rows } = await client.query(someFile, ['running']);
  if (!rows[0]) return;
  await client.query("select s3_connector_private.fail_attempt($1, $2, 'code', 'message', $3)", [
    rows[0].id,
    rows[0].attempt_id,
    random(2) === 0,
  ]);
};

const on =
  (text: string): Action =>
  (client, random) =>
    client.query(text, [pick(random, NAMES)]);

const rename: Action = async (client, random) => {
  const name = pick(random, NAMES);
  await client.query('select s3_connector.pause($1)', [name]);
  await client.query('update s3_connector.connectors set name = $2 where name = $1', [
    name,
    pick(random, NAMES),
  ]);
};

const rollBack: Action = async (client, random) => {
  await client.query('begin');
  try {
    await pick(random, [pollFiles, startFile, finishFile])(client, random);
  } finally {
    await client.query('rollback');
  }
};

/** Frequent calls are listed several times. */
const LIFE: Action[] = [
  pollFiles,
  pollFiles,
  pollFiles,
  startFile,
  startFile,
  startFile,
  startFile,
  finishFile,
  finishFile,
  failFile,
  rollBack,
  rename,
  (client, random) => client.query(insert, [pick(random, NAMES), random(2) === 0 ? 2 : null]),
  on('select s3_connector.pause($1)'),
  on('select s3_connector.resume($1)'),
  on('select s3_connector.resume($1)'),
  on('select s3_connector.retry($1)'),
  on(`select s3_connector.cancel_file($1, (select key from s3_connector.files
    where connector_name = $1 and status <> 'success' order by random() limit 1))`),
  on(`delete from s3_connector.files where id =
    (select id from s3_connector.files where connector_name = $1 order by random() limit 1)`),
  on(`update s3_connector.files set status = 'undone' where id =
    (select id from s3_connector.files where connector_name = $1 and status = 'success' limit 1)`),
  // Not out of the last day: COUNTED has no time.
  on(`update s3_connector.files set finished_at = finished_at - interval '50 minutes' where id =
    (select id from s3_connector.files where connector_name = $1 and status = 'success'
      and finished_at > now() - interval '2 hours' order by random() limit 1)`),
  async (client, random) => {
    if (random(10) > 0) return;
    const name = pick(random, NAMES);
    await client.query('select s3_connector.pause($1)', [name]);
    await client.query('select s3_connector.drop_connector($1)', [name]);
  },
  (client) => client.query('select s3_connector_private.fold_totals()'),
  (client) => client.query('select s3_connector_private.rescue_files()'),
];

async function live(client: pg.Client, random: Random): Promise<void> {
  for (let n = 0; n < ACTIONS; n++) {
    try {
      await pick(random, LIFE)(client, random);
    } catch (error) {
      if (!EXPECTED.has((error as { code?: string }).code ?? '')) throw error;
    }
  }
}

/** Gives two connectors a file in every status. It does not matter which files the earlier rounds have left. */
async function addFiles(round: number): Promise<void> {
  const [running, paused] = NAMES as [string, string];
  for (const name of [running, paused]) {
    const found = await db.query('select from s3_connector.connectors where name = $1', [name]);
    if (found.length === 0) await db.query(insert, [name, null]);
    await db.query('select s3_connector.resume($1)', [name]);
    await db.query(enqueue, [name, objects(FILE_STATUSES.map((status) => `${round} ${status}`))]);
  }
  await db.query(
    `update s3_connector.files f set status = s.status::s3_connector.file_status,
      attempts = 1, attempt_id = case s.status when 'running' then f.id end, worker_id = case s.status when 'running' then 1 end,
      next_attempt_at = case s.status when 'pending_retry' then now() end,
      rows_read = 100, rows_imported = 100, rows_rejected = 0, rows_skipped = 0
    from unnest($3::text[]) s(status)
    where f.connector_name = $1 and f.key = $2 || ' ' || s.status`,
    [running, round, FILE_STATUSES.filter((status) => status !== 'in_queue' && status !== 'paused')],
  );
  await db.query('select s3_connector.pause($1)', [paused]);
  const statuses = await db.query<{ status: string }>(
    'select distinct status from s3_connector.files order by status',
  );
  assert.deepEqual(statuses.map((row) => row.status).sort(), [...FILE_STATUSES].sort());
}

/** The expected connector_status, by counting. */
const COUNTED = `
  select c.name, ${FILE_STATUSES.map((status) => `count(f.id) filter (where f.status = '${status}') as ${status}`).join(', ')},
    coalesce(sum(f.rows_imported) filter (where f.status = 'success'), 0)::bigint as rows_total,
    coalesce(sum(f.size_bytes) filter (where f.status = 'success'), 0)::bigint as bytes_total,
    coalesce(sum(f.rows_imported) filter (where f.status = 'success'), 0)::bigint as rows_last_day,
    coalesce(sum(f.size_bytes) filter (where f.status = 'success'), 0)::bigint as bytes_last_day
  from s3_connector.connectors c left join s3_connector.files f on f.connector_name = c.name
  group by c.name order by c.name`;
const SHOWN = `
  select name, ${FILE_STATUSES.join(', ')}, rows_total, bytes_total, rows_last_day, bytes_last_day
  from s3_connector.connector_status order by name`;

/** The intervals of throughput that do not add up to connector_status. */
const OTHER_THROUGHPUT = `
  select s.name, s.rows_last_hour, s.bytes_last_hour, s.rows_last_day, s.bytes_last_day, t.* from s3_connector.connector_status s
  cross join lateral (
    select array[
      coalesce(sum(t.rows) filter (where t.seconds = 60), 0), coalesce(sum(t.bytes) filter (where t.seconds = 60), 0),
      coalesce(sum(t.rows) filter (where t.seconds = 600), 0), coalesce(sum(t.bytes) filter (where t.seconds = 600), 0)
    ]::bigint[] as sums
    from s3_connector.throughput t where t.connector_name = s.name
  ) t
  where t.sums <> array[s.rows_last_hour, s.bytes_last_hour, s.rows_last_day, s.bytes_last_day]`;

async function assertTotals(): Promise<void> {
  assert.deepEqual(await db.query('select * from s3_connector_private.wrong_totals()'), []);
  assert.deepEqual(await db.query(SHOWN), await db.query(COUNTED));
  assert.deepEqual(await db.query(OTHER_THROUGHPUT), []);
}

test('the totals equal a count, after random changes in several sessions at once', async () => {
  await db.query('create table target (n integer)');
  const clients = await Promise.all(Array.from({ length: SESSIONS }, () => db.connect()));
  const lives = clients.map((client, i) => ({ client, random: seeded(i + 1) }));
  for (let round = 1; round <= ROUNDS; round++) {
    await addFiles(round);
    await assertTotals();
    await Promise.all(lives.map(({ client, random }) => live(client, random)));
    await assertTotals();
  }
  await db.query('select s3_connector_private.fold_totals()');
  assert.deepEqual(await db.query('select from s3_connector_private.total_changes'), []);
  await assertTotals();
  await db.query('select s3_connector_private.count_totals()');
  await assertTotals();
});

test('an uncommitted import makes no other import of its connector wait', async () => {
  await db.query(insert, ['side by side', null]);
  await db.query(enqueue, ['side by side', objects(['1', '2'])]);
  const files = await db.query<{ id: number }>(
    `update s3_connector.files set status = 'running', attempts = 1, attempt_id = id, started_at = now()
      where connector_name = 'side by side' returning id`,
  );
  const status = () =>
    db.one(
      "select running, success, rows_total from s3_connector.connector_status where name = 'side by side'",
    );
  const [first, second] = await Promise.all([db.connect(), db.connect()]);
  try {
    for (const [i, client] of [first, second].entries()) {
      await client.query('begin');
      await client.query("set local lock_timeout = '5s'");
      const { rows } = await client.query(
        'select s3_connector_private.finish_attempt($1, $1, 10, 10, 0, 0) as finished',
        [files[i]!.id],
      );
      assert.equal(rows[0].finished, true);
    }
    await second.query('commit');
    await second.query("set lock_timeout = '5s'");
    await second.query('select s3_connector_private.fold_totals()');
    assert.deepEqual(await status(), { running: 1, success: 1, rows_total: 10 });
    await first.query('commit');
    assert.deepEqual(await status(), { running: 0, success: 2, rows_total: 20 });
  } finally {
    // Locks that they still hold would block the next tests.
    await Promise.all([first.end(), second.end()]);
  }
});

test('imported rows count in the last hour and the last day for as long as they are that recent', async () => {
  await db.query(insert, ['recent', null]);
  await db.query(enqueue, ['recent', objects(['1', '22', '333', '4444'])]);
  await db.query(`
    update s3_connector.files set status = 'success', rows_read = 10, rows_imported = 10, rows_rejected = 0, rows_skipped = 0
    where connector_name = 'recent'`);
  const age = (key: string, minutes: number) =>
    db.query(
      "update s3_connector.files set finished_at = now() - $2 * interval '1 minute' where connector_name = 'recent' and key = $1",
      [key, minutes],
    );
  const recent = () =>
    db.one(
      "select rows_last_hour, bytes_last_hour, rows_last_day, bytes_last_day, rows_total from s3_connector.connector_status where name = 'recent'",
    );
  await age('22', 50);
  await age('333', 90);
  await age('4444', 25 * 60);
  const expected = {
    rows_last_hour: 20,
    bytes_last_hour: 7 + 14,
    rows_last_day: 30,
    bytes_last_day: 7 + 14 + 21,
    rows_total: 40,
  };
  assert.deepEqual(await recent(), expected);
  await db.query('select s3_connector_private.fold_totals()');
  assert.deepEqual(await recent(), expected);

  // Two hours pass; instead of the clock, the counted minutes are moved.
  await db.query(
    "update s3_connector_private.recent_totals set since = since - interval '2 hours' where connector_name = 'recent'",
  );
  const later = { ...expected, rows_last_hour: 0, bytes_last_hour: 0 };
  assert.deepEqual(await recent(), later, 'before the next time that it is summed up');
  await db.query('select s3_connector_private.fold_totals()');
  assert.deepEqual(await recent(), later);
  assert.deepEqual(
    await db.query(
      "select from s3_connector_private.recent_totals where connector_name = 'recent' and seconds = 60",
    ),
    [],
  );
});

test('the last success is the latest one, also if it was undone later', async () => {
  await db.query(insert, ['last', null]);
  await db.query(enqueue, ['last', objects(['1', '2'])]);
  const lastSuccess = async () =>
    (
      await db.one<{ at: Date | null }>(
        "select last_success_at as at from s3_connector.connector_status where name = 'last'",
      )
    ).at;
  const succeed = async (key: string) => {
    const file = await db.one<{ finished_at: Date }>(
      `update s3_connector.files set status = 'success', rows_read = 1, rows_imported = 1, rows_rejected = 0, rows_skipped = 0
        where connector_name = 'last' and key = $1 returning finished_at`,
      [key],
    );
    return file.finished_at;
  };
  assert.equal(await lastSuccess(), null);
  const first = await succeed('1');
  assert.deepEqual(await lastSuccess(), first);
  await db.query('select s3_connector_private.fold_totals()');
  assert.deepEqual(await lastSuccess(), first);
  const second = await succeed('2');
  assert.deepEqual(await lastSuccess(), second);
  await db.query('select s3_connector_private.fold_totals()');
  await db.query(
    "update s3_connector.files set status = 'undone' where connector_name = 'last' and key = '2'",
  );
  await db.query('select s3_connector_private.fold_totals()');
  assert.deepEqual(await lastSuccess(), second);
});

test('a dropped connector leaves no totals', async () => {
  await db.query(insert, ['dropped', null]);
  await db.query(enqueue, ['dropped', objects(['1', '2'])]);
  await db.query('select s3_connector_private.fold_totals()');
  await db.query("select s3_connector.pause('dropped'); select s3_connector.drop_connector('dropped')");
  await db.query('select s3_connector_private.fold_totals()');
  assert.deepEqual(
    await db.query("select from s3_connector_private.totals where connector_name = 'dropped'"),
    [],
  );
  await db.query('truncate s3_connector.files cascade');
  await assertTotals();
});

test('totals that are counted again while another session sums them up are right', async () => {
  await db.query(insert, ['counted', null]);
  const fill = async () => {
    for (const key of ['1', '2']) {
      await db.query(enqueue, ['counted', objects([key])]);
      await db.query('select s3_connector_private.note_keys($1, $2)', ['counted', objects([`late ${key}`])]);
    }
  };
  await fill();
  for (const again of [
    'select s3_connector_private.count_totals()',
    'truncate s3_connector.late_files',
    'truncate s3_connector.files cascade',
  ]) {
    await fill();
    const [folding, counting] = await Promise.all([db.connect(), db.connect()]);
    await folding.query('begin');
    await folding.query('select s3_connector_private.fold_totals()');
    const counted = counting.query(again);
    await db.waitFor('select from pg_locks where not granted and pid = $1', (rows) => rows.length > 0, {
      values: [(counting as unknown as { processID: number }).processID],
    });
    await folding.query('commit');
    await counted;
    await Promise.all([folding.end(), counting.end()]);
    await assertTotals();
    assert.deepEqual(await db.query('select * from s3_connector_private.wrong_late_totals()'), [], again);
  }
});

test('the last error is the latest one, of a file or of a poll', async () => {
  await db.query(insert, ['errors', null]);
  const lastError = async () =>
    (
      await db.one<{ last_error: string | null }>(
        "select last_error from s3_connector.connector_status where name = 'errors'",
      )
    ).last_error;
  const failPoll = "select s3_connector_private.fail_poll('errors', now(), clock_timestamp(), 1, 'code', $1)";
  assert.equal(await lastError(), null);
  await db.query(failPoll, ['the bucket is gone']);
  assert.equal(await lastError(), 'the bucket is gone');
  await db.query(enqueue, ['errors', objects(['1', '2'])]);
  assert.equal(await lastError(), null, 'the bucket is back');
  const end = (key: string, status: string) =>
    db.query(
      "update s3_connector.files set status = $2::s3_connector.file_status, error_code = 'code', error_message = key where connector_name = 'errors' and key = $1",
      [key, status],
    );
  await end('1', 'failure');
  assert.equal(await lastError(), '1');
  await end('2', 'pending_retry');
  assert.equal(await lastError(), '2');
  await db.query(failPoll, ['gone again']);
  assert.equal(await lastError(), 'gone again');
  await end('2', 'failure');
  assert.equal(await lastError(), '2');
});
