import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, type Notice } from '../requests/support.ts';
import { testDatabase } from '../support/database.ts';

// Notices about files that another connector, or a dropped one, has imported into the same table.
const db = await testDatabase();
await db.query('create table t (n integer); create schema other; create table other.t (n integer)');

type Columns = Record<string, string | null>;
const insertOf = (columns: Columns) => {
  const row: Columns = {
    bucket: 'some-bucket',
    pattern: 'a/**',
    file_format: 'csv',
    target_table: 't',
    ...columns,
  };
  const values = Object.values(row).map((value) => (value === null ? 'null' : `'${value}'`));
  return `insert into s3_connector.connectors (${Object.keys(row).join(', ')}) values (${values.join(', ')})`;
};
const notices = async (statement: string): Promise<Notice[]> => (await call(db, statement)).notices;
const insert = (columns: Columns) => notices(insertOf({ state: 'paused', ...columns }));
const drop = (name: string) =>
  db.query(`select s3_connector.pause('${name}'); select s3_connector.drop_connector('${name}')`);

/** Files of a connector, as if they had been imported. */
const imported = (name: string, keys: string[], status = 'success') =>
  db.query(
    `insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified, status, rows_read, rows_imported, rows_rejected, rows_skipped, finished_at)
      select $1, key, 'e', 1, now(), $3::s3_connector.file_status, 1, 1, 0, 0, now() from unnest($2::text[]) key`,
    [name, keys, status],
  );

test('a connector over files that another one has imported gets a notice with the count and a start_after', async () => {
  assert.deepEqual(await insert({ name: 'first' }), []);
  await imported('first', ['a/1.csv', 'a/2.csv', 'a/2.txt', 'a/3.csv']);
  await imported('first', ['a/4.csv'], 'failure');
  assert.deepEqual(await insert({ name: 'second', pattern: 'a/*.csv', target_table: 'public.t' }), [
    {
      message:
        "connector 'second': files would come into public.t again: 3 that connector 'first' has imported",
      hint: "To leave them out: update s3_connector.connectors set start_after = 'a/3.csv' where name = 'second';",
    },
  ]);
  // What the hint says leaves nothing to say.
  await db.query("update s3_connector.connectors set start_after = 'a/3.csv' where name = 'second'");
  assert.deepEqual(
    await db.query(
      "select r.* from s3_connector.connectors c, s3_connector_private.describe_repeats(c) r where c.name = 'second'",
    ),
    [],
  );
  assert.deepEqual(await insert({ name: 'later', start_after: 'a/3.csv' }), []);
  const [{ message, hint } = { message: '', hint: '' }] = await insert({
    name: 'at once',
    state: 'running',
    start_after: 'a/2.csv',
  });
  assert.match(message, /: 2 that connector 'first' has imported$/);
  assert.match(
    hint!,
    /^To leave them out: select s3_connector\.pause\('at once'\); update .* 'a\/3\.csv' where name = 'at once'; select s3_connector\.resume\('at once'\);/,
  );
  await drop('at once');
  await drop('second');
  await drop('later');
});

test('another bucket, endpoint, table or prefix gives no notice', async () => {
  for (const [name, columns] of Object.entries<Columns>({
    bucket: { bucket: 'other-bucket' },
    endpoint: { endpoint: 'http://127.0.0.1:9000' },
    table: { target_table: 'other.t' },
    missing: { target_table: 'no_such_table' },
    prefix: { pattern: 'b/**' },
    hidden: { pattern: 'a/_*' },
  })) {
    assert.deepEqual(await insert({ name, ...columns }), [], name);
  }
});

test('a paused connector that is moved over imported files gets the notice too', async () => {
  const [notice] = await notices(
    "update s3_connector.connectors set pattern = 'a/?.csv' where name = 'prefix'",
  );
  assert.match(
    notice!.message,
    /^connector 'prefix': files would come into t again: 3 that connector 'first'/,
  );
  assert.deepEqual(
    await notices("update s3_connector.connectors set max_attempts = 3 where name = 'prefix'"),
    [],
  );
  await drop('prefix');
});

test('a dropped connector is remembered with its files and its last key, until its table is dropped', async () => {
  await drop('first');
  const [notice] = await insert({ name: 'first' });
  assert.match(
    notice!.message,
    /^connector 'first': files would come into t again: 4 that connector 'first' had imported when it was dropped on \d{4}-\d\d-\d\d$/,
  );
  assert.match(notice!.hint!, /start_after = 'a\/3\.csv' where name = 'first'/);
  assert.match(
    (await insert({ name: 'part', pattern: 'a/3*' }))[0]!.message,
    /: up to 4 that connector 'first' had/,
  );
  assert.deepEqual(await insert({ name: 'past', start_after: 'a/3.csv' }), []);
  assert.deepEqual(await insert({ name: 'beyond', pattern: 'a/4*' }), []);
  for (const name of ['first', 'part', 'past', 'beyond']) await drop(name);
  await db.query('alter table t rename to renamed');
  assert.equal((await insert({ name: 'renamed', target_table: 'renamed' })).length, 1);
  await drop('renamed');
  await db.query('drop table renamed; create table t (n integer)');
  assert.deepEqual(await insert({ name: 'new table' }), []);
  // The next connector that is dropped forgets what is in no table.
  await imported('new table', ['a/1.csv']);
  await drop('new table');
  assert.deepEqual(await db.query('select name from s3_connector_private.dropped_connectors'), [
    { name: 'new table' },
  ]);
  await db.query('delete from s3_connector_private.dropped_connectors');
});

test('with more files than are looked at, the notice says at least how many', async () => {
  await insert({ name: 'many' });
  // Without triggers, which would write each file's history.
  await db.asSuperuser(
    `set session_replication_role = replica;
    insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified, status, rows_read, rows_imported, rows_rejected, rows_skipped)
      select 'many', 'a/' || lpad(i::text, 6, '0'), 'e', 1, now(), 'success', 1, 1, 0, 0 from generate_series(1, 100001) i`,
  );
  const [notice] = await insert({ name: 'again' });
  assert.match(notice!.message, /: at least 100000 that connector 'many' has imported$/);
  assert.match(notice!.hint!, /'a\/100001'/);
  assert.match(
    (await insert({ name: 'part of it', pattern: 'a/09999*' }))[0]!.message,
    /: 10 that connector 'many'/,
  );
});
