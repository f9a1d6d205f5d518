import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { testDatabase } from '../support/database.ts';

// Transactions of workers and people that meet. If they lock a connector's files, progress, late keys, queue and jobs in different
// orders, PostgreSQL ends one of them. No worker runs here.
const db = await testDatabase();
const [blocker, first, second] = [await db.connect(), await db.connect(), await db.connect()];

interface Objects {
  key: string;
  etag?: string;
}
const objects = (...list: Objects[]) =>
  JSON.stringify(
    list.map(({ key, etag = '"x"' }) => ({ key, etag, size_bytes: 1, last_modified: '2026-01-01' })),
  );

/** Creates a connector with files in the queue; returns their ids. */
async function queued(
  name: string,
  keys: string[],
  columns: Record<string, unknown> = {},
): Promise<number[]> {
  const row = {
    ...{ name, bucket: 'some-bucket', pattern: '**', file_format: 'csv', target_table: name },
    ...{ file_id_column: 'file_id', ...columns },
  };
  await db.query(`create table ${name} (n integer, file_id bigint)`);
  await db.query(
    `insert into s3_connector.connectors (${Object.keys(row)}) values (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
    Object.values(row),
  );
  await poll(db, name, objects(...keys.map((key) => ({ key }))));
  const files = await db.query<{ id: number }>(
    'select id from s3_connector.files where connector_name = $1 order by key',
    [name],
  );
  return files.map(({ id }) => id);
}

type Client = { query(text: string, values: unknown[]): Promise<unknown> };
const poll = (client: Client, name: string, ahead: string, behind = '[]') =>
  client.query(
    `select s3_connector_private.commit_poll($1, p.marker, p.scan_position, $2, null, false, now(), now(), 1, 1, 1, $3)
      from s3_connector_private.progress p where p.connector_name = $1`,
    [name, ahead, behind],
  );
const start = async (file: number) =>
  (
    await db.one<{ attempt_id: number }>('select attempt_id from s3_connector_private.start_attempt($1, 1)', [
      file,
    ])
  ).attempt_id;
const finish = (client: Client, file: number, attempt: number) =>
  client.query('select s3_connector_private.finish_attempt($1, $2, 1, 1, 0, 0)', [file, attempt]);
const note = (client: Client, name: string, ...list: Objects[]) =>
  client.query('select s3_connector_private.note_keys($1, $2)', [name, objects(...list)]);

const waiting = (count: number) =>
  db.waitFor<{ waits: number }>(
    `select count(*)::integer as waits from pg_stat_activity
      where wait_event_type = 'Lock' and datname = current_database()`,
    ([row]) => row!.waits === count,
  );

/** Holds the first call at a place within it, until the second one waits, too. */
async function meet(
  hold: (client: pg.ClientBase) => Promise<unknown>,
  one: (client: pg.ClientBase) => Promise<unknown>,
  other: (client: pg.ClientBase) => Promise<unknown>,
): Promise<void> {
  await blocker.query('begin');
  await hold(blocker);
  const calls = [one(first)];
  await waiting(1);
  calls.push(other(second));
  await waiting(2);
  await blocker.query('rollback');
  await Promise.all(calls);
}

const holdUpcoming = (name: string) => (client: pg.ClientBase) =>
  client.query(
    "insert into s3_connector_private.upcoming_keys (connector_name, key, etag, size_bytes, last_modified) values ($1, 'z', '', 1, now())",
    [name],
  );

test('a poll and a file whose note is settled do not wait for each other', async () => {
  const [file] = await queued('settled', ['a', 'b'], { stop_when_caught_up: true });
  const attempt = await start(file!);
  await note(db, 'settled', { key: 'a', etag: '"y"' });
  // The attempt has fetched this version.
  await db.query('update s3_connector.files set etag = \'"y"\' where id = $1', [file]);
  await meet(
    holdUpcoming('settled'),
    (client) => poll(client, 'settled', objects({ key: 'z' }), objects({ key: 'a', etag: '"y"' })),
    (client) => finish(client, file!, attempt),
  );
  assert.deepEqual(await db.query('select from s3_connector.late_files'), []);
});

test('a poll and an event of a restored object do not wait for each other', async () => {
  const [file] = await queued('restored', ['a', 'b'], { max_parallel_files: 1 });
  await db.query("select s3_connector_private.fail_attempt($1, $2, 'object_archived', 'archived', false)", [
    file,
    await start(file!),
  ]);
  await meet(
    holdUpcoming('restored'),
    (client) => poll(client, 'restored', objects({ key: 'z' })),
    (client) =>
      client.query("select s3_connector_private.take_events('restored', $1)", [
        JSON.stringify([{ key: 'a', is_new: false, etag: null }]),
      ]),
  );
  assert.deepEqual(
    await db.query(
      "select key from s3_connector.files where connector_name = 'restored' and status = 'in_queue' order by key",
    ),
    [{ key: 'a' }, { key: 'b' }, { key: 'z' }],
  );
});

test('a page of an audit and enqueue_more do not wait for each other', async () => {
  const [file] = await queued('audited', ['b', 'c'], {
    ...{ max_parallel_files: 2, late_keys: 'import', on_overwrite: 'reimport' },
  });
  await finish(db, file!, await start(file!));
  const { id: audit } = await db.one<{ id: number }>(
    "insert into s3_connector.audits (connector_name, asked, marker) values ('audited', true, 'c') returning id",
  );
  await note(db, 'audited', { key: 'b', etag: '"y"' });
  await meet(
    (client) =>
      client.query(
        "select s3_connector_queue.add_job('import_file', '{}', job_key => 'import_file:' || $1)",
        [String(file)],
      ),
    (client) => client.query("select s3_connector_private.enqueue_more('audited')"),
    (client) =>
      client.query("select s3_connector_private.commit_audit_page($1, null, $2, 'c', 1, 1)", [
        audit,
        objects({ key: 'a' }, { key: 'b', etag: '"y"' }),
      ]),
  );
  assert.deepEqual(
    await db.query(
      "select key, status from s3_connector.files where connector_name = 'audited' order by key",
    ),
    ['a', 'b', 'c'].map((key) => ({ key, status: 'in_queue' })),
  );
});

test('a pause and a file whose object was overwritten during its import do not wait for each other', async () => {
  const [file, other] = await queued('paused', ['a', 'b'], {
    ...{ max_parallel_files: 2, on_overwrite: 'reimport' },
  });
  const attempt = await start(file!);
  await note(db, 'paused', { key: 'a', etag: '"y"' });
  await db.query("select s3_connector.poll_now('paused')");
  await meet(
    (client) =>
      client.query('select from s3_connector_queue._private_jobs where key = $1 for update', [
        `import_file:${other}`,
      ]),
    (client) => client.query("select s3_connector.pause('paused')"),
    (client) => finish(client, file!, attempt),
  );
  assert.deepEqual(
    await db.query("select key, status from s3_connector.files where connector_name = 'paused' order by key"),
    [
      { key: 'a', status: 'success' },
      { key: 'b', status: 'paused' },
    ],
  );
});

test('import_late and a file whose note is settled do not wait for each other', async () => {
  const [imported, file] = await queued('asked', ['a', 'b'], { max_parallel_files: 2 });
  await finish(db, imported!, await start(imported!));
  const attempt = await start(file!);
  await note(db, 'asked', { key: 'a', etag: '"y"' }, { key: 'b', etag: '"y"' });
  // The attempt has fetched this version.
  await db.query('update s3_connector.files set etag = \'"y"\' where id = $1', [file]);
  await meet(
    (client) =>
      client.query(
        "select s3_connector_queue.add_job('import_file', '{}', job_key => 'import_file:' || $1)",
        [String(imported)],
      ),
    (client) => client.query("select s3_connector.import_late('asked')"),
    (client) => finish(client, file!, attempt),
  );
  assert.deepEqual(await db.query("select from s3_connector.late_files where connector_name = 'asked'"), []);
});

test('dropping a connector lets a file end that it has not reached', async () => {
  const [, file] = await queued('dropped', ['a', 'b'], { max_parallel_files: 2 });
  const attempt = await start(file!);
  await db.query("select s3_connector.pause('dropped')");
  await blocker.query('begin');
  await blocker.query(
    "select from s3_connector.files where connector_name = 'dropped' and key = 'a' for update",
  );
  const dropped = first.query("select s3_connector.drop_connector('dropped')");
  await waiting(1);
  await second.query("set lock_timeout = '5s'");
  await finish(second, file!, attempt);
  await second.query('reset lock_timeout');
  await blocker.query('rollback');
  await dropped;
  assert.deepEqual(await db.query("select from s3_connector.files where connector_name = 'dropped'"), []);
});
