import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ConnectorError } from '../../src/errors.ts';
import { lockTable } from '../../src/table/exclusive.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(async () => {
  // The default, with which the servers of the tests are not started.
  await db.asSuperuser(`alter database ${db.name} set deadlock_timeout to '1s'`);
  await Promise.all([world.startWorker(), world.startWorker()]);
});

const grower = (name: string, columns: Record<string, unknown> = {}) =>
  world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    on_unknown_column: 'add',
    ...columns,
  });

/** Whether an import waits for a lock of the table. */
const waitsFor = (table: string) =>
  db.waitFor<{ n: number }>(
    'select count(*)::int as n from pg_locks where relation = $1::regclass and not granted',
    ([row]) => row!.n > 0,
    { values: [table] },
  );

test('files that add the same column with different types at the same time do not collide', async () => {
  const rounds = Array.from({ length: 10 }, (_, i) => `race_${i}`);
  for (const name of rounds) {
    await db.query(`create table ${name} (id integer)`);
    world.put(`${name}/1`, 'id,extra\n1,5\n');
    world.put(`${name}/2`, 'id,extra\n2,five\n');
    world.put(`${name}/3`, 'id,other\n3,2026-01-01\n');
    world.put(`${name}/4`, 'id\n4\n');
  }
  await Promise.all(rounds.map((name) => grower(name)));
  for (const name of rounds) {
    const files = await world.settled(name);
    assert.deepEqual(
      files.map(({ attempts }) => attempts),
      [1, 1, 1, 1],
      JSON.stringify(files),
    );
    const { type } = await db.one<{ type: string }>(
      "select format_type(atttypid, null) as type from pg_attribute where attrelid = $1::regclass and attname = 'extra'",
      [name],
    );
    const [integers, texts, dates, plain] = files;
    assert.equal(dates!.status, 'success', dates!.error_message ?? '');
    assert.equal(plain!.status, 'success', plain!.error_message ?? '');
    assert.equal(integers!.status, 'success', integers!.error_message ?? '');
    assert.equal(texts!.error_code, type === 'text' ? null : 'bad_value', texts!.error_message ?? '');
    const changes = await db.query(
      'select column_name from s3_connector.schema_changes where connector_name = $1 order by column_name',
      [name],
    );
    assert.deepEqual(changes, [{ column_name: 'extra' }, { column_name: 'other' }]);
  }
});

test('imports into a partitioned table do not deadlock with one that adds a column', async () => {
  await db.query(`create table parts (id integer) partition by range (id);
    create table parts_0 partition of parts for values from (0) to (10);
    create table parts_1 partition of parts for values from (10) to (100)`);
  for (let i = 0; i < 12; i++)
    world.put(`parts/${i + 10}`, i % 3 === 0 ? `id,c${i}\n${i},1\n` : `id\n${i}\n`);
  await grower('parts');
  for (const { key, status, attempts, error_message } of await world.settled('parts'))
    assert.deepEqual([key, status, attempts], [key, 'success', 1], error_message ?? '');
});

test('a long reader delays the file, and others read meanwhile', async () => {
  await db.query('create table read_long (id integer)');
  world.put('read_long/1', 'id,extra\n1,2\n');
  const reader = await db.connect();
  await reader.query('begin; select * from read_long');
  await grower('read_long');
  await waitsFor('read_long');
  for (let i = 0; i < 3; i++) await db.query('select * from read_long');
  const { status } = await db.one<{ status: string }>(
    "select status from s3_connector.files where key = 'read_long/1'",
  );
  assert.equal(status, 'running');
  await reader.query('commit');
  const [file] = await world.settled('read_long');
  assert.deepEqual([file!.status, file!.attempts], ['success', 1], file!.error_message ?? '');
  await reader.end();
});

test('a transaction that has read the table may still write to it', async () => {
  await db.query('create table read_written (id integer)');
  world.put('read_written/1', 'id,extra\n1,2\n');
  const other = await db.connect();
  await other.query('begin; select * from read_written');
  await grower('read_written');
  await waitsFor('read_written');
  await other.query('insert into read_written values (7); commit');
  const [file] = await world.settled('read_written');
  assert.deepEqual([file!.status, file!.attempts], ['success', 1], file!.error_message ?? '');
  assert.deepEqual(await db.query('select * from read_written order by id'), [
    { id: 1, extra: 2 },
    { id: 7, extra: null },
  ]);
  await other.end();
});

test('an import that waits can be cancelled, and nothing is left', async () => {
  await db.query('create table cancelled (id integer)');
  world.put('cancelled/1', 'id,extra\n1,2\n');
  const reader = await db.connect();
  await reader.query('begin; select * from cancelled');
  await grower('cancelled');
  await waitsFor('cancelled');
  await db.query("select s3_connector.cancel_file('cancelled', 'cancelled/1')");
  await world.settled('cancelled');
  await db.waitFor<{ n: number }>(
    "select count(*)::int as n from pg_locks where relation = 'cancelled'::regclass and mode <> 'AccessShareLock'",
    ([row]) => row!.n === 0,
  );
  await reader.query('insert into cancelled values (1); commit');
  await reader.end();
});

test('a table that stays in use is an error that passes, and says who uses it', async () => {
  await db.query('create table busy (id integer)');
  const [reader, importer] = await Promise.all([db.connect(), db.connect()]);
  await reader.query('begin; select * from busy');
  await importer.query('begin');
  const { owner } = await db.one<{ owner: string }>('select current_user as owner');
  const signal = new AbortController().signal;
  const locking = lockTable(
    importer,
    { schema: 'public', table: 'busy' },
    { connector: { owner }, signal },
    [1, 1],
  );
  await assert.rejects(locking, (error: ConnectorError) => {
    assert.ok(error instanceof ConnectorError);
    assert.deepEqual([error.code, error.passing], ['table_in_use', true]);
    assert.match(error.hint!, /where relation = '"public"\."busy"'::regclass/);
    return true;
  });
  await Promise.all([reader.end(), importer.end()]);
});

test('a worker that is killed after the change leaves no column, and another one imports the file', async () => {
  await world.stopWorkers();
  await db.query('create table killed (id integer)');
  world.put('killed/1', 'id,extra\n1,2\n');
  await grower('killed');
  const dying = world.spawnWorker({ FAULT_POINT: 'before record_success' });
  assert.equal((await dying.ended()).signal, 'SIGKILL');
  assert.equal(
    (await db.query("select from pg_attribute where attrelid = 'killed'::regclass and attname = 'extra'"))
      .length,
    0,
  );
  assert.deepEqual(
    await db.query('select * from s3_connector.schema_changes where connector_name = $1', ['killed']),
    [],
  );
  await world.startWorker();
  const [file] = await world.settled('killed');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(await db.query('select * from killed'), [{ id: 1, extra: 2 }]);
});
