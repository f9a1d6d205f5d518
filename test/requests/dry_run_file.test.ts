import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type ConnectorColumns, openWorld } from '../support/world.ts';
import { call } from './support.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const insertPaused = (columns: ConnectorColumns) => world.insertConnector({ state: 'paused', ...columns });
const dryRun = (name: string, key: string) =>
  call<Record<string, unknown>>(db, `call s3_connector.dry_run_file('${name}', '${key}')`);
const counts = (rows: number) => ({
  rows_read: rows,
  rows_imported: rows,
  rows_rejected: 0,
  rows_skipped: 0,
  error_code: null,
  error_message: null,
  // Only files that change rows have these.
  rows_inserted: null,
  rows_updated: null,
  rows_deleted: null,
});
/** Everything that a dry run must leave unchanged. */
const state = (name: string) =>
  db.query(
    `select s.*, (select count(*) from s3_connector.file_history h where h.connector_name = s.name) as changes,
      (select array_agg(f order by f.key) from s3_connector.files f where f.connector_name = s.name) as files
      from s3_connector.connector_status s where s.name = $1`,
    [name],
  );

test('a dry run says what an import would do and changes no table, and the import then does exactly that', async () => {
  world.put('dry/1.csv', 'time,n\n2026-01-01 00:00:00Z,1\n2026-01-02 00:00:00Z,2\n');
  await world.insertConnector({ name: 'dry', pattern: 'dry/*', target_table: 'dry', state: 'paused' });
  const before = await state('dry');
  const { row, notices } = await dryRun('dry', 'dry/1.csv');
  assert.deepEqual(row, counts(2));
  assert.deepEqual(notices, []);
  assert.deepEqual(await state('dry'), before);
  assert.deepEqual(await db.query("select to_regclass('dry') as table"), [{ table: null }]);
  await world.spoolEmptied();

  await db.query("select s3_connector.resume('dry')");
  const [file] = await world.settled('dry');
  assert.equal(file!.rows_imported, row!.rows_imported);
});

test('a dry run fails with the same error as the import, word for word', async () => {
  await db.query('create table broken (n integer, file_id bigint)');
  world.put('broken/1.csv', 'n\n1\nnot a number\n');
  await world.insertConnector({
    name: 'broken',
    pattern: 'broken/*',
    target_table: 'broken',
    file_id_column: 'file_id',
  });
  const [file] = await world.settled('broken');
  const before = await state('broken');
  const { row } = await dryRun('broken', 'broken/1.csv');
  assert.deepEqual(
    [row!.rows_read, row!.error_code, row!.error_message],
    [null, file!.error_code, file!.error_message],
  );
  assert.match(String(row!.error_message), /^broken\/1.csv: line 3, column n: /);
  assert.deepEqual(await state('broken'), before);

  world.put('broken/1.csv', 'n\n1\n2\n3\n');
  assert.deepEqual((await dryRun('broken', 'broken/1.csv')).row, counts(3), 'as the bucket has it now');
  assert.deepEqual(await db.query('select from broken'), []);
});

test('a dry run checks what a commit checks: a deferred constraint', async () => {
  await db.query('create table deferred (n integer unique deferrable initially deferred)');
  world.put('deferred/1.csv', 'n\n1\n1\n');
  await world.insertConnector({
    name: 'deferred',
    pattern: 'deferred/*',
    target_table: 'deferred',
    state: 'paused',
  });
  assert.equal((await dryRun('deferred', 'deferred/1.csv')).row!.error_code, 'conflict');
});

test('a dry run accepts a key that is in the bucket but not tracked, also one that the pattern excludes', async () => {
  world.put('untracked/new.csv', 'n\n1\n');
  world.put('untracked/new.txt', 'n\n1\n2\n');
  await world.insertConnector({
    name: 'untracked',
    pattern: 'untracked/*.csv',
    target_table: 'untracked',
    state: 'paused',
  });
  assert.deepEqual((await dryRun('untracked', 'untracked/new.csv')).row, counts(1));
  const { row, notices } = await dryRun('untracked', 'untracked/new.txt');
  assert.deepEqual(row, counts(2));
  assert.match(notices[0]!.message, /does not match the connector's pattern/);
});

test('an unknown key is refused with similar keys; a tracked key whose object is deleted gives its error', async () => {
  world.put('gone/1.csv', 'n\n1\n');
  await world.insertConnector({ name: 'gone', pattern: 'gone/*', target_table: 'gone' });
  await world.settled('gone');
  await assert.rejects(dryRun('gone', 'gone/2.csv'), {
    code: '42704',
    message: /no file with the key/,
    hint: /'gone\/1.csv'/,
  });
  world.server.store.delete(world.bucket, 'gone/1.csv');
  assert.equal((await dryRun('gone', 'gone/1.csv')).row!.error_code, 'object_missing');
});

test('a dry run counts and shows bad rows and records none; it counts conflicts, too', async () => {
  await db.query('create table mixed (n integer primary key)');
  await db.query('insert into mixed values (1)');
  world.put('mixed/1.csv', 'n\n1\n2\nx\n3\n');
  await insertPaused({
    name: 'mixed',
    pattern: 'mixed/*',
    target_table: 'mixed',
    on_bad_row: 'skip',
    on_conflict: 'skip',
  });
  const { row, notices } = await dryRun('mixed', 'mixed/1.csv');
  assert.deepEqual(row, { ...counts(4), rows_imported: 2, rows_rejected: 1, rows_skipped: 1 });
  assert.match(notices[0]!.message, /^line 4, column n: invalid input syntax/);
  assert.deepEqual(await db.query('select from s3_connector.rejected_rows'), []);
  assert.deepEqual(await db.query('select n from mixed'), [{ n: 1 }]);
});

test('a bad row is reported once if a conflict makes the import copy the file again', async () => {
  await db.query('create table restarted (n integer primary key, pad text)');
  await db.query("insert into restarted values (100000, '')");
  // Bad rows are written batch by batch, so the conflict must be in a later batch.
  const rows = Array.from({ length: 60_000 }, (_, i) => `${i === 1 ? 'x' : i},${'p'.repeat(100)}`);
  world.put('restarted/1.csv', `n,pad\n${rows.join('\n')}\n100000,again\n`);
  await insertPaused({
    name: 'restarted',
    pattern: 'restarted/*',
    target_table: 'restarted',
    on_bad_row: 'skip',
    on_conflict: 'skip',
  });
  const { row, notices } = await dryRun('restarted', 'restarted/1.csv');
  assert.deepEqual(row, { ...counts(60_001), rows_imported: 59_999, rows_rejected: 1, rows_skipped: 1 });
  assert.deepEqual(
    notices.map(({ message }) => message.split(':')[0]),
    ['line 3, column n'],
  );
});
