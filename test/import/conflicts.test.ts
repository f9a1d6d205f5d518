import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const counts = (connector: string) =>
  db.query(
    `select status, rows_read, rows_imported, rows_skipped, rows_rejected, error_code
      from s3_connector.files where connector_name = $1 order by key`,
    [connector],
  );
const success = (imported: number, skipped = 0, rejected = 0) => ({
  status: 'success',
  rows_read: imported + skipped + rejected,
  rows_imported: imported,
  rows_skipped: skipped,
  rows_rejected: rejected,
  error_code: null,
});

test('fail: a file with an existing key fails, names line and key, and keeps no row', async () => {
  await db.query(
    "create table failing (id integer primary key, label text); insert into failing values (2, 'old')",
  );
  world.put('failing/1.csv', 'id,label\n1,new\n2,new\n3,new\n');
  await world.insertConnector({ name: 'failing', pattern: 'failing/*', target_table: 'failing' });
  const [file] = await world.settled('failing');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'conflict']);
  assert.match(file!.error_message!, /failing\/1\.csv: line 3: .*duplicate key.*\(id\)=\(2\)/);
  assert.deepEqual(await db.query('select * from failing'), [{ id: 2, label: 'old' }]);
});

test('skip: rows with an existing key are left out and counted; the first row of a file is kept', async () => {
  await db.query(
    "create table skipping (id integer primary key, label text, at timestamptz default now()); insert into skipping values (2, 'old')",
  );
  world.put('skipping/1.csv', 'id,label\n1,new\n2,new\n3,first\n3,second\n');
  world.put('skipping/2.csv', 'label,id\nno conflict,9\n');
  await world.insertConnector({
    name: 'skipping',
    pattern: 'skipping/*',
    target_table: 'skipping',
    on_conflict: 'skip',
  });
  await world.settled('skipping');
  assert.deepEqual(await counts('skipping'), [success(2, 2), success(1)]);
  assert.deepEqual(await db.query('select id, label, at is not null as stamped from skipping order by id'), [
    { id: 1, label: 'new', stamped: true },
    { id: 2, label: 'old', stamped: true },
    { id: 3, label: 'first', stamped: true },
    { id: 9, label: 'no conflict', stamped: true },
  ]);
});

test('update: rows with an existing key are overwritten; the last row of a file is kept; other columns stay', async () => {
  await db.query(
    "create table updating (site text, id integer, label text, note text default 'none', unique (site, id)); insert into updating values ('a', 2, 'old', 'kept')",
  );
  world.put('updating/1.csv', 'id,site,label\n1,a,new\n2,a,new\n3,a,first\n3,a,last\n,a,no key\n,a,no key\n');
  await world.insertConnector({
    name: 'updating',
    pattern: 'updating/*',
    target_table: 'updating',
    on_conflict: 'update',
  });
  await world.settled('updating');
  assert.deepEqual(await counts('updating'), [success(5, 1)]);
  assert.deepEqual(await db.query('select id, label, note from updating order by id nulls last'), [
    { id: 1, label: 'new', note: 'none' },
    { id: 2, label: 'new', note: 'kept' },
    { id: 3, label: 'last', note: 'none' },
    { id: null, label: 'no key', note: 'none' },
    { id: null, label: 'no key', note: 'none' },
  ]);
});

test('conflicts of Parquet rows go through staging, too', async () => {
  await db.query(
    "create table parquet_target (id bigint primary key, label text); insert into parquet_target values (49999, 'old')",
  );
  world.put('parquet/1.parquet', await parquetOf("select i as id, 'new' as label from range(50000) r(i)"));
  await world.insertConnector({
    name: 'parquet',
    pattern: 'parquet/*',
    target_table: 'parquet_target',
    file_format: 'parquet',
    on_conflict: 'skip',
  });
  await world.settled('parquet');
  assert.deepEqual(await counts('parquet'), [success(49_999, 1)]);
  assert.deepEqual(await db.query("select * from parquet_target where label = 'old'"), [
    { id: 49_999, label: 'old' },
  ]);
});

test('skip and update without a unique key fail and say so', async () => {
  await db.query(
    'create table keyless (id integer, label text); create table other_key (id integer primary key, label text)',
  );
  world.put('keyless/1.csv', 'id,label\n1,x\n');
  world.put('other-key/1.csv', 'label\nx\n');
  await world.insertConnector({
    name: 'keyless',
    pattern: 'keyless/*',
    target_table: 'keyless',
    on_conflict: 'skip',
  });
  await world.insertConnector({
    name: 'other-key',
    pattern: 'other-key/*',
    target_table: 'other_key',
    on_conflict: 'update',
  });
  for (const [name, says] of [
    ['keyless', /no primary key or unique index/],
    ['other-key', /it has \(id\)/],
  ] as const) {
    const [file] = await world.settled(name);
    assert.deepEqual([file!.status, file!.error_code], ['failure', 'no_unique_key']);
    assert.match(file!.error_message!, says);
  }
});

test('conflicts and bad rows in one file are counted separately', async () => {
  await db.query(
    'create table mixed (id integer primary key, n integer check (n > 0)); insert into mixed values (2, 1)',
  );
  world.put('mixed/1.csv', 'id,n\n1,1\n2,2\nthree,3\n4,-4\n5,5\n');
  await world.insertConnector({
    name: 'mixed',
    pattern: 'mixed/*',
    target_table: 'mixed',
    on_conflict: 'update',
    on_bad_row: 'skip',
  });
  await world.settled('mixed');
  assert.deepEqual(await counts('mixed'), [success(3, 0, 2)]);
  assert.deepEqual(await db.query('select * from mixed order by id'), [
    { id: 1, n: 1 },
    { id: 2, n: 2 },
    { id: 5, n: 5 },
  ]);
});
