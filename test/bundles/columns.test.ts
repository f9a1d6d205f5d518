import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';
import { csv, importFiles, keyOf, ROWS, transactions } from './files.ts';

// What a connector adds to the rows of a file, or decides for each file.
const world = await openWorld();
const { db } = world;
before(() => world.startWorker({ WORKER_CONCURRENCY: '1' }));

const FILES = 8;

test("each row gets the id, the key and the line of its own file, and its folder's value", async () => {
  const body = (file: number) => `file,n,value\n${file},0,0\n${file},1,"1\n"\n${file},2,2`;
  await db.query(
    'create table placed (file integer, n integer, value text, file_id bigint, key text, line bigint, day date)',
  );
  const key = (file: number) => `placed/day=2026-01-0${file + 1}/a.csv`;
  for (let file = 0; file < FILES; file++) world.put(key(file), body(file));
  await world.insertConnector({
    name: 'placed',
    pattern: 'placed/**',
    target_table: 'placed',
    file_id_column: 'file_id',
    file_key_column: 'key',
    line_column: 'line',
    hive_columns: ['day'],
  });
  await world.settled('placed');
  assert.deepEqual(
    await db.query(
      `select p.file, p.n, p.key, p.line, p.day::text, f.key = p.key as own from placed p
        join s3_connector.files f on f.id = p.file_id order by p.file, p.n`,
    ),
    Array.from({ length: FILES }, (_, file) =>
      [2, 3, 5].map((line, n) => ({
        ...{ file, n, key: key(file), line },
        ...{ day: `2026-01-0${file + 1}`, own: true },
      })),
    ).flat(),
  );
  assert.equal(await transactions(world, 'placed'), 1);
});

test('on_import runs for each file, after its rows', async () => {
  await db.query('create table imported (nr serial, file_id bigint, rows bigint)');
  await importFiles(world, 'followed', {
    files: FILES,
    on_import: 'insert into imported (file_id, rows) select $1, count(*) from followed where file_id = $1',
  });
  assert.deepEqual(
    await db.query(
      'select f.key, i.rows from imported i join s3_connector.files f on f.id = i.file_id order by i.nr',
    ),
    Array.from({ length: FILES }, (_, file) => ({ key: keyOf('followed', file), rows: ROWS })),
  );
});

test('rejected rows and max_bad_rows are counted for each file', async () => {
  const bad = (file: number) => csv(file) + `${file},3,x\n`.repeat(file);
  const files = await importFiles(world, 'rejecting', {
    files: 5,
    on_bad_row: 'skip',
    max_bad_rows: 3,
    bodyOf: bad,
  });
  assert.deepEqual(
    files.map(({ status, rows_imported, rows_rejected }) => [status, rows_imported, rows_rejected]),
    [0, 1, 2, 3, 4].map((file) => (file === 4 ? ['failure', null, null] : ['success', ROWS, file])),
  );
  assert.deepEqual(
    await db.query(
      "select key, count(*)::integer as rows, min(line)::integer as line from s3_connector.rejected_rows where connector_name = 'rejecting' group by key order by key",
    ),
    [1, 2, 3].map((file) => ({ key: keyOf('rejecting', file), rows: file, line: 5 })),
  );
});

test('changes are applied in key order, file by file', async () => {
  await db.query('create table changed (id integer primary key, value integer)');
  for (let file = 0; file < FILES; file++)
    world.put(keyOf('changed', file), `op,id,value\n${file % 2 === 0 ? 'U' : 'D'},1,${file}\nU,2,${file}\n`);
  await world.insertConnector({
    name: 'changed',
    pattern: 'changed/*',
    target_table: 'changed',
    change_column: 'op',
    change_values: 'dms',
  });
  await world.settled('changed');
  assert.deepEqual(await db.query('select id, value from changed'), [{ id: 2, value: FILES - 1 }]);
  assert.deepEqual(
    await db.query(
      "select status, rows_deleted, count(*)::integer as files from s3_connector.files where connector_name = 'changed' group by 1, 2 order by 2",
    ),
    [
      { status: 'success', rows_deleted: 0, files: FILES / 2 },
      { status: 'success', rows_deleted: 1, files: FILES / 2 },
    ],
  );
});

test('with on_conflict, each file meets the rows of the earlier ones', async () => {
  const same = (file: number) => `file,n,value\n1,1,${file}\n${file + 10},1,0\n`;
  const constraints = ', primary key (file, n)';
  const updated = await importFiles(world, 'updating', {
    files: 4,
    on_conflict: 'update',
    constraints,
    bodyOf: same,
  });
  assert.deepEqual(
    updated.map(({ rows_imported }) => rows_imported),
    [2, 2, 2, 2],
  );
  assert.deepEqual(await db.query('select value from updating where file = 1'), [{ value: 3 }]);
  const skipped = await importFiles(world, 'skipping', {
    files: 4,
    on_conflict: 'skip',
    constraints,
    bodyOf: same,
  });
  assert.deepEqual(
    skipped.map(({ rows_imported, rows_skipped }) => [rows_imported, rows_skipped]),
    [
      [2, 0],
      [1, 1],
      [1, 1],
      [1, 1],
    ],
  );
  const failed = await importFiles(world, 'failing', { files: 4, constraints, bodyOf: same });
  assert.deepEqual(
    failed.map(({ status }) => status),
    ['success', 'failure', 'failure', 'failure'],
  );
});

test('a new column of one file is added, and the other files have no value in it', async () => {
  const extra = (file: number) => (file === 3 ? `file,n,value,extra\n3,0,9,new\n` : csv(file));
  await importFiles(world, 'growing', { files: FILES, on_unknown_column: 'add', bodyOf: extra });
  assert.deepEqual(await db.query('select file, extra from growing where extra is not null'), [
    { file: 3, extra: 'new' },
  ]);
  const { rows } = await db.one<{ rows: number }>('select count(*) as rows from growing');
  assert.equal(Number(rows), (FILES - 1) * ROWS + 1);
});
