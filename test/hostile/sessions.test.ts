import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type pg from 'pg';
import type { Login } from '../support/roles.ts';
import { type FileRow, openWorld } from '../support/world.ts';

// Two owners, one place for imports: their files use one session in turn.
const world = await openWorld();
const { db } = world;
const owners: { login: Login; client: pg.Client; schema: string }[] = [];

before(async () => {
  for (const schema of ['one', 'other']) {
    const login = await db.createRole();
    await db.asSuperuser(`grant s3_connector_admin to ${login.name};
      create schema ${schema} authorization ${login.name};
      alter role ${login.name} in database ${db.name} set search_path = ${schema}`);
    owners.push({ login, client: await db.connect(login), schema });
  }
  await world.startWorker({ WORKER_CONCURRENCY: '1' });
});

/** Imports a file as an owner, into a table in the owner's schema. */
async function importAs(
  owner: number,
  name: string,
  columns: Record<string, string>,
  body = 'n\n1\n',
): Promise<FileRow> {
  const { client, schema } = owners[owner]!;
  world.put(`${name}/1.csv`, body);
  const row = {
    name,
    bucket: world.bucket,
    endpoint: world.server.endpoint,
    pattern: `${name}/*`,
    file_format: 'csv',
    target_table: `${schema}.${name}`,
    ...columns,
  };
  await client.query(
    `insert into s3_connector.connectors (${Object.keys(row).join(', ')}) values (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
    Object.values(row),
  );
  return (await world.settled(name))[0]!;
}

const assertSuccess = (file: FileRow) => assert.equal(file.status, 'success', file.error_message ?? '');

test("what one owner's code leaves in a session does not reach another's", async () => {
  const [one, other] = owners;
  await one!.client.query(`create table leaves (n integer);
    create function leave() returns void language plpgsql as $$
    begin
      create temporary table totals (n bigint, found text);
      grant all on totals to public;
      create temporary sequence numbers;
      perform nextval('numbers'), pg_advisory_lock(815), set_config('my.secret', 'left', false), set_config('search_path', 'pg_temp', false),
        set_config('standard_conforming_strings', 'off', false), set_config('timezone', 'Asia/Kolkata', false);
      execute 'prepare left_behind as select 1';
      execute 'declare left_open cursor with hold for select 1';
      execute 'listen left_behind';
    end $$`);
  await other!.client.query(`create table finds (n integer);
    create table totals (n bigint, found text);
    create function find_left() returns text language sql as $$
      select concat_ws(', ',
        (select 'prepared ' || name from pg_prepared_statements where name = 'left_behind'),
        (select 'cursor ' || name from pg_cursors where name = 'left_open'),
        (select 'lock' from pg_locks where locktype = 'advisory' and objid = 815 and pid = pg_backend_pid()),
        (select 'listen ' || c from pg_listening_channels() c),
        (select 'relation ' || relname from pg_class where relnamespace = pg_my_temp_schema() limit 1),
        nullif(current_setting('my.secret', true), ''),
        nullif(current_setting('standard_conforming_strings'), 'on'))
    $$`);
  assertSuccess(await importAs(0, 'leaves', { on_import: 'select leave()' }));
  assertSuccess(
    await importAs(1, 'finds', { on_import: 'insert into totals select count(*), find_left() from finds' }),
  );
  assert.deepEqual(await db.query('select * from other.totals'), [{ n: 1, found: '' }]);
});

test('what a dry run leaves in a session does not reach the next one', async () => {
  const { client } = owners[0]!;
  await client.query(`create table tried (n integer);
    create function lock_it() returns trigger language plpgsql as $$
    begin
      if exists (select from pg_locks where locktype = 'advisory' and objid = 4711 and pid = pg_backend_pid()) then
        raise exception 'the session has a lock';
      end if;
      perform pg_advisory_lock_shared(4711);
      return new;
    end $$;
    create trigger lock_it before insert on tried for each row execute function lock_it()`);
  assertSuccess(await importAs(0, 'tried', {}));
  for (const time of ['first', 'second']) {
    const { rows } = await client.query("call s3_connector.dry_run_file('tried', 'tried/1.csv')");
    assert.equal(rows[0].error_message, null, time);
  }
});

test("deferred triggers run with the owner's rights and path, after on_import", async () => {
  const { client, login } = owners[0]!;
  await client.query(`create table seen (by text, parents bigint);
    create table parents (n integer primary key);
    create table deferred (n integer references parents deferrable initially deferred, file_id bigint);
    create function note() returns trigger language plpgsql as $$
      begin insert into seen select current_user, count(*) from parents; return null; end $$;
    create constraint trigger note after insert on deferred deferrable initially deferred for each row execute function note()`);
  assertSuccess(
    await importAs(0, 'deferred', {
      on_import: 'insert into parents select n from deferred',
      file_id_column: 'file_id',
    }),
  );
  assert.deepEqual(await db.query('select * from one.seen'), [{ by: login.name, parents: 1 }]);

  // A dry run shows what an import would do.
  const { rows } = await client.query("call s3_connector.dry_run_file('deferred', 'deferred/1.csv')");
  assert.deepEqual(
    [rows[0].rows_imported, rows[0].error_code, /duplicate key/.test(rows[0].error_message)],
    [null, 'on_import_failed', true],
  );
  await client.query("select s3_connector.pause('deferred')");
  await client.query("update s3_connector.connectors set on_import = null where name = 'deferred'");
  await client.query("select s3_connector.resume('deferred')");
  world.put('deferred/2.csv', 'n\n2\n');
  const files = await world.pollAndSettle('deferred');
  assert.deepEqual([files[1]!.status, files[1]!.error_code], ['failure', 'foreign_key_violated']);

  // A superuser who takes the rows out lends nobody any rights.
  await client.query(`create constraint trigger note_delete after delete on deferred deferrable initially deferred
    for each row execute function note()`);
  await db.asSuperuser("select s3_connector.undo_file('deferred', 'deferred/1.csv')");
  assert.deepEqual(await db.query('select distinct by from one.seen'), [{ by: login.name }]);
});

test('a role has the path that a login would give it', async () => {
  const role = await db.createRole();
  const path = async () =>
    (await db.one<{ path: string }>('select s3_connector_import.usual_search_path($1) as path', [role.name]))
      .path;
  const [{ own } = { own: '' }] = await db.query<{ own: string }>(
    "select current_setting('search_path') as own",
  );
  assert.equal(await path(), own);
  await db.asSuperuser(`alter database ${db.name} set search_path = of_database`);
  assert.equal(await path(), 'of_database');
  await db.asSuperuser(`alter role ${role.name} set search_path = of_role, "odd, name"`);
  assert.equal(await path(), 'of_role, "odd, name"');
  await db.asSuperuser(`alter role ${role.name} in database ${db.name} set search_path = of_both`);
  assert.equal(await path(), 'of_both');
  const client = await db.connect(role);
  assert.equal((await client.query('show search_path')).rows[0].search_path, 'of_both');
  await db.asSuperuser(`alter database ${db.name} reset search_path; alter role ${db.worker.name} in database ${db.name} set search_path = of_worker;
    alter role ${role.name} in database ${db.name} reset all; alter role ${role.name} reset all`);
  const worker = await db.connect(db.worker);
  const { rows } = await worker.query('select s3_connector_import.usual_search_path($1) as path', [
    role.name,
  ]);
  assert.equal(rows[0].path, '"$user", public');
  await db.asSuperuser(`alter role ${db.worker.name} in database ${db.name} reset search_path`);
});

test('a worker whose triggers would not run does not start', async () => {
  await db.asSuperuser(
    `alter role ${db.worker.name} in database ${db.name} set session_replication_role = replica`,
  );
  await assert.rejects(world.startWorker(), /session_replication_role/);
  await db.asSuperuser(`alter role ${db.worker.name} in database ${db.name} reset session_replication_role`);
});
