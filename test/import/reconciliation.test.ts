import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// rows_read is the reader's count, and the other counts are PostgreSQL's: their sum equals rows_read.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const CSV = `n\n${Array.from({ length: 10 }, (_, i) => `${i + 1}\n`).join('')}`;

async function importFile(name: string, body: Buffer | string, columns: Record<string, unknown> = {}) {
  world.put(`${name}/1`, body);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    max_attempts: 1,
    ...columns,
  });
  const [file] = await world.settled(name);
  const { rows_read, rows_imported, rows_rejected, rows_skipped, status, error_message } = file!;
  return { status: error_message ?? status, counts: [rows_read, rows_imported, rows_rejected, rows_skipped] };
}

const leaveOut = (table: string, condition: string, event = 'insert') =>
  db.query(`create function ${table}_leave_out() returns trigger language plpgsql as $$
    begin return case when ${condition} then null else new end; end $$;
    create trigger leave_out before ${event} on ${table} for each row execute function ${table}_leave_out()`);

test('rows that a trigger drops are counted as skipped', async () => {
  await db.query('create table odd (n integer)');
  await leaveOut('odd', 'new.n % 2 = 0');
  assert.deepEqual(await importFile('odd', CSV), { status: 'success', counts: [10, 5, 0, 5] });
  assert.equal((await db.one<{ count: number }>('select count(*)::int from odd')).count, 5);
});

test('rows of Parquet that a trigger drops are counted as skipped', async () => {
  await db.query('create table odd_parquet (n bigint)');
  await leaveOut('odd_parquet', 'new.n % 2 = 0');
  const body = await parquetOf('select i as n from range(1, 11) r(i)');
  assert.deepEqual(await importFile('odd_parquet', body, { file_format: 'parquet' }), {
    status: 'success',
    counts: [10, 5, 0, 5],
  });
});

test("rows that a partition's trigger drops are counted as skipped", async () => {
  await db.query(`create table parts (n integer) partition by range (n);
    create table parts_low partition of parts for values from (0) to (6);
    create table parts_high partition of parts for values from (6) to (100)`);
  await leaveOut('parts_high', 'new.n = 8');
  assert.deepEqual(await importFile('parts', CSV), { status: 'success', counts: [10, 9, 0, 1] });
});

test('bad rows, and rows that a trigger drops, are counted separately', async () => {
  await db.query('create table both_ways (n integer)');
  await leaveOut('both_ways', 'new.n % 2 = 0');
  const file = await importFile('both_ways', CSV.replace('7\n', 'seven\n'), { on_bad_row: 'skip' });
  assert.deepEqual(file, { status: 'success', counts: [10, 4, 1, 5] });
});

test('an update takes the last of several rows with the same key, and counts the others as skipped', async () => {
  await db.query('create table keyed (n integer primary key, v text)');
  await db.query("insert into keyed values (1, 'before')");
  const body = 'n,v\n1,a\n2,b\n1,c\n3,d\n2,e\n1,f\n';
  const file = await importFile('keyed', body, { on_conflict: 'update' });
  assert.deepEqual(file, { status: 'success', counts: [6, 3, 0, 3] });
  assert.deepEqual(await db.query('select * from keyed order by n'), [
    { n: 1, v: 'f' },
    { n: 2, v: 'e' },
    { n: 3, v: 'd' },
  ]);
});

test('rows that a trigger keeps from being updated are counted as skipped', async () => {
  await db.query('create table kept (n integer primary key, v text)');
  await db.query("insert into kept values (1, 'before'), (2, 'before')");
  await leaveOut('kept', 'new.n = 2', 'update');
  const file = await importFile('kept', 'n,v\n1,a\n2,b\n3,c\n', { on_conflict: 'update' });
  assert.deepEqual(file, { status: 'success', counts: [3, 2, 0, 1] });
});

test('a row of a single empty field, and a last row without a line end, are rows', async () => {
  await db.query('create table lone (t text)');
  assert.deepEqual(await importFile('lone', 't\na\n\n"b\nc"\nd'), {
    status: 'success',
    counts: [4, 4, 0, 0],
  });
});

test('a table with an after row trigger takes all rows', async () => {
  await db.query(`create table watched (n integer);
    create function seen() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger seen after insert on watched for each row execute function seen()`);
  assert.deepEqual(await importFile('watched', CSV), { status: 'success', counts: [10, 10, 0, 0] });
});

test('counts that do not add up cannot be recorded', async () => {
  await assert.rejects(
    db.query(`insert into s3_connector.files
        (connector_name, key, etag, size_bytes, last_modified, status, rows_read, rows_imported, rows_rejected, rows_skipped)
      values ('odd', 'k', 'e', 1, now(), 'success', 10, 9, 0, 0)`),
    { code: '23514', constraint: 'files_rows_add_up' },
  );
});
