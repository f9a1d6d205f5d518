import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

async function importOne(name: string, body: string, columns: Record<string, unknown>) {
  world.put(`${name}/1.csv`, body);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    max_attempts: 1,
    ...columns,
  });
  const [file] = await world.settled(name);
  return file!;
}

const assertFailed = (file: { status: string; error_code: string | null; error_message: string | null }) =>
  assert.deepEqual([file.status, file.error_code], ['failure', 'on_import_failed'], file.error_message ?? '');

test('on_import sees the rows of its file, by the file id, and commits with them', async () => {
  await db.query(`create table rolled (day date, n integer, file_id bigint);
    create table rolled_days (day date primary key, total bigint)`);
  const file = await importOne('rolled', 'day,n\n2026-01-01,1\n2026-01-01,2\n2026-01-02,5\n', {
    file_id_column: 'file_id',
    on_import: `insert into rolled_days as d select day, sum(n) from rolled where file_id = $1 group by day
      on conflict (day) do update set total = d.total + excluded.total`,
  });
  assert.equal(file.status, 'success', file.error_message ?? '');
  const days = () => db.query('select day::text, total from rolled_days order by day');
  assert.deepEqual(await days(), [
    { day: '2026-01-01', total: 3 },
    { day: '2026-01-02', total: 5 },
  ]);
  world.put('rolled/2.csv', 'day,n\n2026-01-02,10\n');
  await world.pollAndSettle('rolled');
  assert.equal((await days())[1]!.total, 15);
  // on_import does not run again for imported files, and undo does not run it.
  await db.query("select s3_connector.retry('rolled')");
  await db.query("select s3_connector.undo_file('rolled', 'rolled/2.csv')");
  await world.pollAndSettle('rolled');
  assert.equal((await days())[1]!.total, 15);
});

test('on_import may be a call, or a statement without the id', async () => {
  await db.query(`create table called (n integer); create table calls (file_id bigint, rows bigint);
    create procedure note_call(id bigint) language sql as 'insert into calls select id, count(*) from called'`);
  const first = await importOne('called', 'n\n1\n2\n', { on_import: 'call note_call($1);' });
  assert.equal(first.status, 'success', first.error_message ?? '');
  assert.deepEqual(
    await db.query(
      'select c.file_id = f.id as same, c.rows from calls c, s3_connector.files f where f.connector_name = $1',
      ['called'],
    ),
    [{ same: true, rows: 2 }],
  );
  await db.query(
    'create table viewed (n integer); create materialized view seen as select count(*) as n from viewed',
  );
  const second = await importOne('viewed', 'n\n1\n', { on_import: 'refresh materialized view seen' });
  assert.equal(second.status, 'success', second.error_message ?? '');
  assert.deepEqual(await db.query('select n from seen'), [{ n: 1 }]);
  const third = await importOne('returning', 'n\n1\n', {
    on_import: "select i, 'x', null from generate_series(1, 100000) i",
  });
  assert.equal(third.status, 'success', third.error_message ?? '');
});

test('an error in on_import fails the file, keeps neither table nor rows, and says so', async () => {
  const file = await importOne('refused', 'n\n1\n', { on_import: 'select 1 / (n - 1) from refused' });
  assertFailed(file);
  assert.match(file.error_message!, /^refused\/1\.csv: on_import: division by zero/);
  assert.deepEqual(await db.query("select to_regclass('refused') as made"), [{ made: null }]);
  await db.query("select s3_connector.pause('refused')");
  await db.query("update s3_connector.connectors set on_import = null where name = 'refused'");
  await db.query("select s3_connector.resume('refused'), s3_connector.retry('refused')");
  assert.equal((await world.settled('refused'))[0]!.status, 'success');
});

test('several statements that were not checked at the insert are not run', async () => {
  await db.query('create table several (n integer)');
  // As after an upgrade: the trigger that checks the insert did not exist.
  await db.asSuperuser(`alter table s3_connector.connectors disable trigger validate_on_import`);
  const file = await importOne('several', 'n\n1\n', { on_import: 'insert into several values (2); commit' });
  await db.asSuperuser(`alter table s3_connector.connectors enable trigger validate_on_import`);
  assertFailed(file);
  assert.deepEqual(await db.query('select n from several'), []);
});

test('a procedure in on_import cannot end the transaction', async () => {
  await db.query(`create table ended (n integer);
    create procedure end_it() language plpgsql as 'begin commit; end'`);
  assertFailed(await importOne('ended', 'n\n1\n', { on_import: 'call end_it()' }));
  assert.deepEqual(await db.query('select n from ended'), []);
});

test("on_import has the rights of the connector's owner", async () => {
  const owner = await db.createRole();
  await db.query(`create table owned (n integer); grant insert on owned to ${owner.name};
    create table secret (n integer); create table whose (who name); grant insert on whose to ${owner.name};
    grant s3_connector_admin to ${owner.name}`);
  const client = await db.connect(owner);
  const importAs = async (name: string, onImport: string) => {
    world.put(`${name}/1.csv`, 'n\n1\n');
    await client.query(
      `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table, on_import)
      values ($1, $2, $3, $1 || '/*', 'csv', 'owned', $4)`,
      [name, world.bucket, world.server.endpoint, onImport],
    );
    return (await world.settled(name))[0]!;
  };
  const allowed = await importAs('allowed', 'insert into whose values (current_user)');
  assert.equal(allowed.status, 'success', allowed.error_message ?? '');
  assert.deepEqual(await db.query('select who from whose'), [{ who: owner.name }]);
  const denied = await importAs('denied', 'insert into secret values (1)');
  assertFailed(denied);
  assert.match(denied.error_message!, /permission denied for table secret/);
  assert.deepEqual(await db.query('select n from owned'), [{ n: 1 }]);
});

test('a dry run runs on_import, and rolls it back', async () => {
  await db.query('create table dried (n integer); create table dry_calls (file_id bigint)');
  world.put('dried/1.csv', 'n\n1\n');
  await world.insertConnector({
    name: 'dried',
    pattern: 'dried/*',
    target_table: 'dried',
    state: 'paused',
    on_import: 'insert into dry_calls select $1 / (select count(*) from dried)',
  });
  const dryRun = async () =>
    (
      await db.query<{ rows_imported: number; error_code: string; error_message: string }>(
        "call s3_connector.dry_run_file('dried', 'dried/1.csv')",
      )
    )[0]!;
  assert.equal((await dryRun()).rows_imported, 1);
  world.put('dried/1.csv', 'n\n');
  const failed = await dryRun();
  assert.deepEqual(
    [failed.error_code, /division by zero/.test(failed.error_message)],
    ['on_import_failed', true],
  );
  assert.deepEqual(await db.query('select from dry_calls'), []);
});

test('a deadlock or another passing error in on_import is retried', async () => {
  await db.query(`create table passing (n integer); create sequence tries;
    create function fail_once() returns void language plpgsql as $$ begin
      if nextval('tries') = 1 then raise exception 'once' using errcode = 'deadlock_detected'; end if;
    end $$`);
  world.put('passing/1.csv', 'n\n1\n');
  await world.insertConnector({
    name: 'passing',
    pattern: 'passing/*',
    target_table: 'passing',
    on_import: 'select fail_once()',
  });
  await world.settled('passing');
  assert.deepEqual(
    await db.query(
      "select to_status, message from s3_connector.file_history where connector_name = 'passing' order by at",
    ),
    [
      { to_status: 'in_queue', message: null },
      { to_status: 'running', message: null },
      {
        to_status: 'pending_retry',
        message:
          'on_import_failed: passing/1.csv: on_import: once. Fix what on_import calls, or pause the connector and change on_import. Then retry the file.',
      },
      { to_status: 'running', message: null },
      { to_status: 'success', message: null },
    ],
  );
});
