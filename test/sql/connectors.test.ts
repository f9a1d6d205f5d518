import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../support/database.ts';

// No worker runs here: these are the effects of SQL alone, in one transaction with the jobs.
const db = await testDatabase();

const insert = (columns: Record<string, unknown>) => {
  const row = {
    name: 'c',
    bucket: 'some-bucket',
    pattern: 'a/**',
    file_format: 'csv',
    target_table: 't',
    ...columns,
  };
  return db.query(
    `insert into s3_connector.connectors (${Object.keys(row)}) values (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
    Object.values(row),
  );
};
const jobs = async () =>
  (
    await db.query<{ key: string }>(
      'select key from s3_connector_queue.jobs where attempts < max_attempts order by run_at',
    )
  ).map((job) => job.key);

/** Files as a poll would enqueue them. */
const enqueue = (connector: string, keys: string[]) =>
  db.query(
    `select s3_connector_private.commit_poll($1, p.marker, p.scan_position, $2, null, false, now(), now(), 1, 1, 1)
      from s3_connector_private.progress p where p.connector_name = $1`,
    [
      connector,
      JSON.stringify(keys.map((key) => ({ key, etag: '"x"', size_bytes: 1, last_modified: '2026-01-01' }))),
    ],
  );

test('inserting, pausing, resuming, changing and dropping a connector update its jobs', async () => {
  await db.query('create table t (n integer)');
  await insert({ name: 'life' });
  assert.ok((await jobs()).includes('poll:life'), 'the first poll is queued by the insert itself');
  await enqueue('life', ['a/1', 'a/2']);
  const files = await db.query<{ id: number }>(
    "select id from s3_connector.files where connector_name = 'life' order by key",
  );
  const imports = files.map((file) => `import_file:${file.id}`);
  assert.deepEqual(
    (await jobs()).filter((key) => key.startsWith('import')),
    imports,
  );

  await assert.rejects(db.query("update s3_connector.connectors set pattern = 'b/**' where name = 'life'"), {
    code: '55006',
    message: /pause it first/,
  });
  await assert.rejects(db.query("delete from s3_connector.connectors where name = 'life'"), {
    code: '55006',
  });

  await db.query("select s3_connector.pause('life')");
  await db.query("select s3_connector.pause('life')");
  assert.deepEqual(
    (await jobs()).filter((key) => key.endsWith('life') || imports.includes(key)),
    [],
  );
  assert.deepEqual(
    await db.query("select distinct status from s3_connector.files where connector_name = 'life'"),
    [{ status: 'paused' }],
  );

  await db.query("update s3_connector.connectors set pattern = 'a/*' where name = 'life'");
  await db.query("select s3_connector.resume('life')");
  assert.deepEqual(
    (await jobs()).filter((key) => imports.includes(key)),
    imports,
    'in key order again',
  );

  for (const statement of [
    "select s3_connector.drop_connector('life')",
    "delete from s3_connector.connectors where name = 'life'",
  ]) {
    await assert.rejects(db.query(statement), {
      code: '55006',
      message: "cannot delete connector 'life', because it is running: pause it first",
      hint: "Pause it: select s3_connector.pause('life');",
    });
  }
  await db.query("select s3_connector.pause('life')");
  await db.query("select s3_connector.drop_connector('life')");
  assert.deepEqual(
    (await jobs()).filter((key) => key.endsWith('life') || imports.includes(key)),
    [],
  );
  assert.deepEqual(await db.query("select from s3_connector.files where connector_name = 'life'"), []);
});

test('a transaction that is rolled back leaves neither connector nor job', async () => {
  const client = await db.connect();
  await client.query('begin');
  await client.query(
    "insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table) values ('undone', 'some-bucket', '**', 'csv', 't')",
  );
  await client.query('rollback');
  await client.end();
  assert.ok(!(await jobs()).includes('poll:undone'));
});

test('cancelled, failed and retried files keep status, job and history in step', async () => {
  await insert({ name: 'steer' });
  await enqueue('steer', ['a/1', 'a/2', 'a/3']);
  await db.query("select s3_connector.cancel_file('steer', 'a/1')");
  await db.query("select s3_connector.cancel_file('steer', 'a/1')");
  const statuses = async () =>
    Object.fromEntries(
      (
        await db.query<{ key: string; status: string }>(
          "select key, status from s3_connector.files where connector_name = 'steer'",
        )
      ).map((file) => [file.key, file.status]),
    );
  assert.deepEqual(await statuses(), { 'a/1': 'cancelled', 'a/2': 'in_queue', 'a/3': 'in_queue' });
  const one = await db.one<{ id: number }>(
    "select id from s3_connector.files where connector_name = 'steer' and key = 'a/1'",
  );
  assert.ok(!(await jobs()).includes(`import_file:${one.id}`));
  await db.query("select s3_connector.retry_file('steer', 'a/1')");
  assert.equal((await statuses())['a/1'], 'in_queue');
  assert.ok((await jobs()).includes(`import_file:${one.id}`));

  // An attempt that a cancel has taken from its worker cannot record a success.
  const [attempt] = await db.query<{ attempt_id: number }>(
    'select attempt_id from s3_connector_private.start_attempt($1, 1)',
    [one.id],
  );
  await db.query("select s3_connector.cancel_file('steer', 'a/1')");
  const { finished } = await db.one<{ finished: boolean }>(
    'select s3_connector_private.finish_attempt($1, $2, 1, 1, 0, 0) as finished',
    [one.id, attempt!.attempt_id],
  );
  assert.equal(finished, false);
  assert.deepEqual(
    await db.query("select s3_connector_private.fail_attempt($1, $2, 'code', 'message', true) as status", [
      one.id,
      attempt!.attempt_id,
    ]),
    [{ status: null }],
    'nor a failure',
  );
  const history = await db.query<{ to_status: string; seconds: number | null }>(
    "select to_status, seconds from s3_connector.file_history where connector_name = 'steer' and key = 'a/1' order by at",
  );
  assert.deepEqual(
    history.map((row) => row.to_status),
    ['in_queue', 'cancelled', 'in_queue', 'running', 'cancelled'],
  );
  assert.ok(history.slice(1).every((row) => Number(row.seconds) >= 0));
});

test('the error for an unknown name or key suggests similar ones', async () => {
  await insert({ name: 'flights_daily' });
  await enqueue('flights_daily', ['a/2026-01.csv', 'a/2026-03.csv']);
  await assert.rejects(db.query("select s3_connector.pause('flight_daily')"), {
    code: '42704',
    hint: /'flights_daily'/,
  });
  await assert.rejects(db.query("select s3_connector.cancel_file('flights_daily', 'a/2026-02.csv')"), {
    code: '42704',
    hint: /'a\/2026-01.csv'.*'a\/2026-03.csv'/,
  });
});

test('the counts of a successful import must add up', async () => {
  await insert({ name: 'counts' });
  await enqueue('counts', ['a/1']);
  await assert.rejects(
    db.query(
      "update s3_connector.files set status = 'success', rows_read = 3, rows_imported = 1, rows_rejected = 1, rows_skipped = 0 where connector_name = 'counts'",
    ),
    { code: '23514' },
  );
});
