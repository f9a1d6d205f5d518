import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

test('rows of many row groups are imported once, into an existing table, columns matched by name', async () => {
  await db.query('create table groups (label text, id bigint primary key, file_id bigint)');
  const body = await parquetOf(
    'select i as id, \'label \' || i as "Label", i * 2 as unwanted from range(50000) r(i)',
    ', row_group_size 5000',
  );
  world.put('groups/1.gz.parquet', body);
  await world.insertConnector({
    name: 'groups',
    pattern: 'groups/*',
    file_format: 'parquet',
    target_table: 'groups',
    on_unknown_column: 'ignore',
    file_id_column: 'file_id',
  });
  const [file] = await world.settled('groups');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(
    await db.one(
      'select count(*), sum(id), count(distinct label) as labels, count(distinct file_id) as files from groups',
    ),
    {
      count: 50_000,
      sum: '1249975000',
      labels: 50_000,
      files: 1,
    },
  );
});

test('a file that is not Parquet, is truncated, or does not fit fails with what to do', async () => {
  await db.query('create table fits (id integer, label text)');
  const good = await parquetOf("select i::integer as id, 'x' as label from range(10) r(i)");
  const broken: Record<string, [body: Buffer | string, code: string, says: RegExp[]]> = {
    'bad/cut.parquet': [good.subarray(0, good.length - 20), 'bad_parquet', [/Parquet/]],
    'bad/none.parquet': ['id,label\n1,x\n', 'bad_parquet', [/Parquet/]],
    'bad/empty.parquet': ['', 'bad_parquet', [/empty|Parquet/]],
    'bad/large.parquet': [
      await parquetOf('select 1 as id union all select 3000000000'),
      'value_out_of_range',
      [/row 2/, /column id/, /integer/],
    ],
    'bad/nul.parquet': [
      await parquetOf("select 1 as id, 'a' as label union all select 2, 'b' || chr(0)"),
      'nul_character',
      [/row 2/, /column label/],
    ],
    'bad/unknown.parquet': [await parquetOf("select 1 as id, 'x' as colour"), 'unknown_column', [/colour/]],
  };
  for (const [key, [body]] of Object.entries(broken)) world.put(key, body);
  world.put('bad/zz-good.parquet', good);
  await world.insertConnector({
    name: 'bad',
    pattern: 'bad/*',
    file_format: 'parquet',
    target_table: 'fits',
  });
  const files = await world.settled('bad');
  assert.equal(files.pop()!.status, 'success');
  for (const file of files) {
    if (file.key === 'bad/empty.parquet') {
      assert.deepEqual(
        [file.status, file.rows_imported],
        ['success', 0],
        'an empty object is a success with 0 rows',
      );
      continue;
    }
    const [, code, says] = broken[file.key]!;
    assert.deepEqual([file.status, file.error_code], ['failure', code], `${file.key}: ${file.error_message}`);
    for (const pattern of says) assert.match(file.error_message!, pattern, file.key);
    assert.doesNotMatch(file.error_message!, /spool|\/tmp/, 'no path of the worker in what a user reads');
  }
  assert.deepEqual(await db.query('select count(*) from fits'), [{ count: 10 }]);
  await world.spoolEmptied();
});

test('a reader process that dies ends one attempt and not the worker', async () => {
  await db.query('create table survived (i bigint, label text)');
  // 110 MB, more than the buffers between the reader and PostgreSQL hold.
  world.put('die/1.parquet', await parquetOf("select i, repeat('x', 100) as label from range(1000000) r(i)"));
  // A waiting trigger keeps the import in the middle of the file while its reader is killed.
  const blocker = await db.connect();
  await blocker.query('select pg_advisory_lock(1)');
  await db.query(`create function wait_once() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock_shared(1);
      return new;
    end $$;
    create trigger wait_once before insert on survived for each row when (new.i = 1000) execute function wait_once()`);
  await world.insertConnector({
    name: 'die',
    pattern: 'die/*',
    file_format: 'parquet',
    target_table: 'survived',
  });
  await db.waitFor(
    "select from pg_locks where locktype = 'advisory' and objid = 1 and not granted",
    (rows) => rows.length === 1,
  );
  const { execFileSync } = await import('node:child_process');
  execFileSync('pkill', ['-KILL', '-f', `reader\\.(ts|js) ${world.spoolDir}`]);
  await blocker.query('select pg_advisory_unlock(1)');
  const [file] = await world.settled('die');
  assert.deepEqual(
    [file!.status, file!.attempts, file!.rows_imported],
    ['success', 2, 1_000_000],
    file!.error_message ?? '',
  );
  assert.deepEqual(
    await db.query(
      "select message like 'reader_crashed%' as crashed from s3_connector.file_history where to_status = 'pending_retry'",
    ),
    [{ crashed: true }],
  );
});

test('a row longer than max_row_bytes fails the file, and the error has its number', async () => {
  await db.query('create table long_rows (id bigint, label text)');
  world.put(
    'long/1.parquet',
    await parquetOf(
      "select i as id, repeat('x', case when i = 3000 then 5000 else 5 end) as label from range(5000) r(i)",
    ),
  );
  await world.insertConnector({
    name: 'long',
    pattern: 'long/*',
    file_format: 'parquet',
    target_table: 'long_rows',
    max_row_bytes: 1000,
  });
  const [file] = await world.settled('long');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'row_too_large']);
  assert.match(file!.error_message!, /row 3001 has 50\d\d bytes; max_row_bytes is 1000/);
});

test("names of Parquet columns that differ in case only are the file's own", async () => {
  // DuckDB writes no such names.
  const written = await parquetOf('select 1 as id, 2 as "XD"');
  const body = Buffer.from(written.toString('latin1').replaceAll('XD', 'ID'), 'latin1');
  await db.query('create table both_cases (id integer, "ID" integer)');
  for (const name of ['both_cases', 'both_cases_made']) {
    const file = await world.importFile(name, body, { file_format: 'parquet' });
    assert.equal(file.status, 'success', file.error_message ?? '');
    assert.deepEqual(await db.query(`select * from ${name}`), [{ id: 1, ID: 2 }]);
  }
});

test('equal names of Parquet columns get numbers', async () => {
  const written = await parquetOf('select 1 as id, 2 as "XD"');
  const body = Buffer.from(written.toString('latin1').replaceAll('XD', 'id'), 'latin1');
  const file = await world.importFile('equal_names', body, { file_format: 'parquet' });
  assert.equal(file.status, 'success', file.error_message ?? '');
  assert.deepEqual(await db.query('select * from equal_names'), [{ id: 1, id_1: 2 }]);
});
