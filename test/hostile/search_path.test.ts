import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { migrate } from '../../src/db/migrations.ts';
import { act, getPage, openConsole } from '../console/support.ts';
import { withJobsDue } from '../faults/clock.ts';
import { runCli } from '../package/run_cli.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { parquetOf } from '../support/parquet.ts';
import { runWorkerSetup } from '../support/roles.ts';
import { openWorld } from '../support/world.ts';
import { layTraps, stranger } from './traps.ts';

/** What a database, or a role, can have. PostgreSQL's own objects are found last. */
const HOSTILE = 'public, pg_catalog';

async function makeHostile(db: TestDatabase): Promise<void> {
  await db.asSuperuser(`alter database ${db.name} set search_path = ${HOSTILE}`);
  // The test's own sessions.
  await db.asSuperuser(
    `alter role ${db.person.name} in database ${db.name} set search_path = pg_catalog, public`,
  );
}

test('with the usual path, a function in public that matches better is not run by a poll', async () => {
  const world = await openWorld();
  const { db } = world;
  const client = await db.connect(await stranger(db));
  await client.query(`create table public.taken (by text);
    grant insert, select on public.taken to public;
    create function public.cardinality(text[]) returns integer language sql as 'insert into public.taken values (current_user); select 1';
    create function public.cardinality(bigint[]) returns integer language sql as 'insert into public.taken values (current_user); select 1';
    create function public.format(text, name, text) returns text language sql as 'insert into public.taken values (current_user); select null::text'`);
  await world.startWorker();
  world.put('in/1.csv', 'n\n1\n');
  await db.query('create table imported (n integer)');
  await world.insertConnector({ name: 'in', pattern: 'in/*', target_table: 'imported' });
  assert.equal((await world.settled('in'))[0]!.status, 'success');
  await pollDue(db);
  assert.deepEqual(await db.query('select by from public.taken'), []);
});

test('the script that makes the worker role, and migrations, run none of the traps', async () => {
  const db = await testDatabase({ empty: true });
  const traps = await layTraps(db);
  await makeHostile(db);
  const admin = new pg.Client({ connectionString: db.superuserUrl });
  await admin.connect();
  try {
    await runWorkerSetup(admin, db.worker.name, db.importer.name);
    await migrate(db.workerUrl);
    await runWorkerSetup(admin, db.worker.name, db.importer.name);
  } catch (error) {
    assert.fail(`${error}: ${await traps.sprung()}`);
  } finally {
    await admin.end();
  }
  assert.equal(await traps.sprung(), null);
  // Traps that something was bound to would run later.
  assert.deepEqual(
    await db.query(`select pg_describe_object(d.classid, d.objid, d.objsubid) as object, i.identity
      from pg_depend d cross join pg_identify_object(d.refclassid, d.refobjid, 0) i
      where i.schema = 'public' and i.type not in ('schema', 'extension')
        and exists (select from pg_identify_object(d.classid, d.objid, 0) o where o.schema like 's3\\_connector%')`),
    [],
  );
});

test('the whole life of connectors runs none of the traps', async () => {
  const world = await openWorld();
  const { db } = world;
  const traps = await layTraps(db);
  await makeHostile(db);
  const owner = await db.createRole();
  await db.asSuperuser(`grant s3_connector_admin to ${owner.name};
    grant create on schema public to ${owner.name};
    create schema app authorization ${owner.name};
    alter role ${owner.name} in database ${db.name} set search_path = app`);
  // The owner's own path holds for the code of the owner.
  const owning = await db.connect(owner);
  await owning.query(`create table made_by_trigger (n integer);
    create table plain (n integer, day date, file_id bigint);
    create table keyed (n integer primary key, s text, file_id bigint);
    create table followed (file_id bigint);
    create function note() returns trigger language plpgsql as $$ begin insert into made_by_trigger values (new.n); return null; end $$;
    create trigger note after insert on plain for each row execute function note();
    create function follow_up(id bigint) returns void language sql as 'insert into followed select id'`);
  // A person with the hostile path.
  const admin = await db.createRole();
  await db.asSuperuser(`grant s3_connector_admin to ${admin.name}; grant ${owner.name} to ${admin.name}`);
  const operator = await db.connect(admin);
  const insert = async (client: pg.Client, row: Record<string, string>) => {
    const all = { bucket: world.bucket, endpoint: world.server.endpoint, file_format: 'csv', ...row };
    await client.query(
      `insert into s3_connector.connectors (${Object.keys(all).join(', ')}) values (${Object.values(all).map(pg.escapeLiteral).join(', ')})`,
    );
  };
  const settled = async (name: string) => {
    const files = await world.settled(name);
    assert.deepEqual(
      files.filter(({ status }) => status !== 'success'),
      [],
      `${await traps.sprung()}`,
    );
    return files;
  };

  const worker = await world.startWorker({ METRICS_PORT: '0' }).catch(async (error) => {
    assert.fail(`${error}: ${await traps.sprung()}`);
  });
  const { port } = await worker.logged('serving metrics');
  world.put('plain/1.csv', 'n,day\n1,2026-01-01\n2,2026-02-30\n');
  world.put('plain/2.csv', 'n,day\n3,2026-01-03\n');
  await insert(owning, {
    name: 'plain',
    pattern: 'plain/*',
    target_table: 'app.plain',
    on_bad_row: 'skip',
    file_id_column: 'file_id',
    on_import: 'select follow_up($1)',
    retention: '1 day',
    max_parallel_files: '1',
  });
  await settled('plain');
  assert.deepEqual(await db.query('select n from app.made_by_trigger order by n'), [{ n: 1 }, { n: 3 }]);
  assert.equal((await db.query('select from app.followed')).length, 2);

  world.put('keyed/1.csv', 'n,s\n1,a\n2,b\n1,c\n');
  world.put('keyed/2.csv', 'n,s\n1,d\n3,e\n');
  await db.asSuperuser(
    `grant select, insert, update, delete on app.keyed to ${admin.name}; grant usage on schema app to ${admin.name}`,
  );
  await insert(operator, {
    name: 'keyed',
    pattern: 'keyed/*',
    target_table: 'app.keyed',
    on_conflict: 'update',
    max_parallel_files: '1',
    file_id_column: 'file_id',
  });
  await settled('keyed');
  assert.deepEqual(await db.query('select n, s from app.keyed order by n'), [
    { n: 1, s: 'd' },
    { n: 2, s: 'b' },
    { n: 3, s: 'e' },
  ]);

  // The worker makes the table. A type in public may be named, but cannot hide one of PostgreSQL's.
  await db.asSuperuser(`grant create on schema public to ${admin.name}`);
  world.put('made/year=2026/1.parquet', await parquetOf("select 1 as n, 'a' as s, 2.5 as x"));
  await operator.query('begin');
  await insert(operator, {
    name: 'made',
    pattern: 'made/**',
    file_format: 'parquet',
    target_table: 'public.made',
    hive_columns: '{year}',
  });
  await operator.query(`insert into s3_connector.column_mappings values ('made', 's', 's', 'text')`);
  await operator.query('commit');
  await settled('made');
  assert.deepEqual(
    await db.query(`select a.attname::text, a.atttypid::regtype::text as type from pg_attribute a
      where a.attrelid = 'public.made'::regclass and a.attnum > 0 order by a.attnum`),
    [
      { attname: 'n', type: 'integer' },
      { attname: 's', type: 'text' },
      { attname: 'x', type: 'numeric' },
      { attname: 'year', type: 'text' },
    ],
  );

  // What people do and read.
  world.put('plain/0-late.csv', 'n,day\n0,2026-01-01\n');
  for (const procedure of [
    "check('made')",
    "preview('plain')",
    "dry_run_file('keyed', 'keyed/1.csv')",
    "audit('plain')",
  ])
    await operator.query(`call s3_connector.${procedure}`);
  for (const statement of [
    "undo_file('plain', 'plain/1.csv')",
    "retry_file('plain', 'plain/1.csv')",
    "import_late('plain')",
    "reimport_file('plain', 'plain/2.csv')",
    "pause('made')",
    "resume('made')",
    "retry('keyed')",
    "poll_now('keyed')",
    "find_gaps('made', 'made/year={YYYY}/*')",
  ]) {
    await operator.query(`select s3_connector.${statement}`);
    // A worker deletes the rows, because the operator is not the owner.
    await db.waitFor(
      'select from s3_connector_private.requests where answered_at is null',
      (rows) => rows.length === 0,
    );
  }
  await settled('plain');
  await settled('keyed');
  world.server.faults.order({
    operation: 'GetObject',
    key: 'keyed/3.csv',
    error: { status: 403, code: 'AccessDenied' },
  });
  world.put('keyed/3.csv', 'n\nx\n');
  await operator.query("select s3_connector.poll_now('keyed')");
  await world.settled('keyed');
  await operator.query("select s3_connector.cancel_file('keyed', 'keyed/3.csv')");
  await operator.query("select s3_connector.set_marker('keyed', 'keyed/3.csv')");
  const { rows: views } = await db
    .query<{ name: string }>(
      "select relname as name from pg_class where relnamespace = 's3_connector'::regnamespace and relkind in ('v', 'r')",
    )
    .then((rows) => ({ rows }));
  for (const { name } of views) await operator.query(`table s3_connector.${name}`);

  // Housekeeping, monitoring, the console, doctor.
  await pollDue(db);
  for (const path of ['/metrics', '/healthz']) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    assert.equal(response.status, 200, await response.text());
  }
  const console = await openConsole(withUser(db, admin));
  for (const path of [
    '/',
    '/connector?name=plain',
    '/file?name=plain&key=plain/2.csv',
    '/workers',
    '/setup',
  ]) {
    const { status, text } = await getPage(console, path);
    assert.equal(status, 200, text);
  }
  await act(console, 'pause', 'plain');
  await act(console, 'resume', 'plain');
  const { code, stdout } = await runCli(['doctor'], {
    DATABASE_URL: db.workerUrl,
    SPOOL_DIR: world.spoolDir,
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'b',
  });
  assert.equal(code, 0, `${stdout}${await traps.sprung()}`);

  // A worker that dies, and the next.
  await worker.end('SIGKILL');
  world.put('keyed/4.csv', 'n,s\n4,f\n');
  await world.startWorker();
  await operator.query("select s3_connector.pause('made'); select s3_connector.drop_connector('made')");
  await withJobsDue(db, () => world.pollAndSettle('keyed'));
  assert.equal(await traps.sprung(), null);
});

/** Runs the housekeeping, as the crontab does every minute. */
async function pollDue(db: TestDatabase): Promise<void> {
  const client = await db.connect(db.worker);
  await client.query('set search_path = pg_catalog');
  await client.query("select s3_connector_queue.add_job('poll_due', priority => -30)");
  await db.waitFor(
    "select from s3_connector_queue.jobs where task_identifier = 'poll_due'",
    (rows) => rows.length === 0,
  );
  await client.end();
}

function withUser(db: TestDatabase, { name, password }: { name: string; password: string }): string {
  const url = new URL(db.url);
  url.username = name;
  url.password = password;
  return url.href;
}

test('a schema that somebody else has made in advance is not used', async () => {
  const db = await testDatabase({ empty: true });
  const other = await stranger(db);
  await db.asSuperuser(`grant create on database ${db.name} to ${other.name}`);
  const client = await db.connect(other);
  // A view runs its functions with the rights of its reader.
  await client.query(`create table public.taken (by text);
    grant insert on public.taken to public;
    create schema s3_connector_private; grant usage on schema s3_connector_private to public;
    create function public.take() returns text language sql volatile as 'insert into public.taken values (current_user) returning by';
    create view s3_connector_private.versions as select public.take() as version, public.take() as digest, now() as since;
    grant select on s3_connector_private.versions to public`);
  await assert.rejects(migrate(db.workerUrl), { code: 'foreign_schema' });
  assert.deepEqual((await client.query('select by from public.taken')).rows, []);
});
