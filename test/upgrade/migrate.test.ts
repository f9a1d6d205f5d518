import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, cp, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { migrate } from '../../src/db/migrations.ts';
import { packageRoot } from '../../src/paths.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

/** Makes the next migrate apply everything, as another version's would. */
const forgetDigest = (db: TestDatabase) =>
  db.asSuperuser("update s3_connector_private.versions set digest = 'another'");

/** All objects of our schemas, as the catalogs describe them. */
const objects = (db: TestDatabase) =>
  db.query(`
    select 'function' as kind, p.oid::regprocedure::text as name, md5(pg_get_functiondef(p.oid)) as definition
    from pg_proc p where p.pronamespace::regnamespace::text in ('s3_connector', 's3_connector_private', 's3_connector_import')
    union all
    select 'view', c.oid::regclass::text, md5(pg_get_viewdef(c.oid))
    from pg_class c where c.relkind = 'v' and c.relnamespace::regnamespace::text in ('s3_connector', 's3_connector_private', 's3_connector_import')
    union all
    select 'trigger', t.tgrelid::regclass || ' ' || t.tgname, md5(pg_get_triggerdef(t.oid))
    from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where not t.tgisinternal and c.relnamespace::regnamespace::text in ('s3_connector', 's3_connector_private', 's3_connector_import')
    order by 1, 2`);

const transactionIds = (db: TestDatabase) =>
  db.query(
    `select oid, xmin::text from pg_proc where pronamespace = 's3_connector_private'::regnamespace order by 1`,
  );

test('migrate is idempotent, and safe if several run at once', async () => {
  const db = await testDatabase({ empty: true });
  await Promise.all([migrate(db.workerUrl), migrate(db.workerUrl), migrate(db.workerUrl)]);
  await migrate(db.workerUrl);
  const files = await readdir(new URL('../../migrations', import.meta.url));
  assert.deepEqual(
    await db.query('select name from s3_connector_private.migrations order by name'),
    files.sort().map((file) => ({ name: `migrations/${file}` })),
  );
  assert.deepEqual(await db.query('select * from s3_connector.connector_status'), []);
});

test('sql/ has only layers, which are applied, and setup, which is not', async () => {
  const names = await readdir(new URL('../../sql', import.meta.url));
  assert.deepEqual(
    names.filter((name) => !/^[1-9]_[a-z]+$/.test(name)),
    ['setup'],
  );
});

test('a start with nothing to change replaces nothing and waits for no lock', async () => {
  const db = await testDatabase();
  // This database is a copy of another one, so its connectors are paused first.
  await migrate(db.workerUrl);
  const before = await transactionIds(db);
  const holder = await db.connect(db.worker);
  await holder.query(
    'begin; lock table s3_connector.connectors, s3_connector.files in access exclusive mode',
  );
  await migrate(db.workerUrl);
  await holder.query('rollback');
  assert.deepEqual(await transactionIds(db), before);
});

test("functions with another result, views with other columns, and removed objects are replaced by this version's", async () => {
  const db = await testDatabase();
  const before = await objects(db);
  const worker = await db.connect(db.worker);
  await worker.query(`
    drop function s3_connector_private.poll_job_key(text) cascade;
    create function s3_connector_private.poll_job_key(connector_name text) returns integer language sql as 'select 1';
    drop view s3_connector.file_history cascade;
    create view s3_connector.file_history as select 1 as one, s3_connector_private.poll_job_key('x') as two;
    create function s3_connector_private.poll_job_key(connector_name text, more text) returns text language sql as 'select more';
    create view s3_connector_private.left_behind as select s3_connector_private.poll_job_key('x', 'y') as key;
    create function s3_connector_private.left_trigger() returns trigger language plpgsql as 'begin return null; end';
    create trigger left_behind after insert on s3_connector.files for each row execute function s3_connector_private.left_trigger();
  `);
  await forgetDigest(db);
  await migrate(db.workerUrl);
  assert.deepEqual(await objects(db), before);
});

test("a person's view on ours is kept; if it is in the way, the error names it and nothing changes", async () => {
  const db = await testDatabase();
  await db.query('create view mine as select name, state from s3_connector.connector_status');
  await forgetDigest(db);
  await migrate(db.workerUrl);
  assert.deepEqual(await db.query('select * from mine'), []);

  const worker = await db.connect(db.worker);
  await worker.query('create view s3_connector.of_old as select 1 as one');
  await worker.query(`grant select on s3_connector.of_old to ${db.person.name}`);
  await db.query('create view mine_too as select one from s3_connector.of_old');
  await forgetDigest(db);
  const before = await transactionIds(db);
  await assert.rejects(migrate(db.workerUrl), {
    code: 'object_in_use',
    message: /view s3_connector\.of_old again, and these objects use it: view public\.mine_too/,
  });
  assert.deepEqual(await transactionIds(db), before);
});

test('an edited migration is refused, and the error names it', async (t) => {
  const db = await testDatabase();
  const edited = await mkdtemp(join(tmpdir(), 's3-connector-edited-'));
  t.after(() => rm(edited, { recursive: true }));
  for (const part of ['package.json', 'src', 'sql', 'migrations'])
    await cp(join(packageRoot, part), join(edited, part), { recursive: true });
  await symlink(join(packageRoot, 'node_modules'), join(edited, 'node_modules'));
  await appendFile(join(edited, 'migrations/0001_schema.sql'), '-- edited');
  const migrated = promisify(execFile)(process.execPath, [join(edited, 'src/migrate.ts')], {
    env: { DATABASE_URL: db.workerUrl },
  });
  await assert.rejects(migrated, {
    stderr: /^migrations\/0001_schema\.sql differs .*\(migration_edited\)$/m,
  });
});

test('the error of a failed statement names its file', async () => {
  const db = await testDatabase();
  await db.asSuperuser(`
    alter function s3_connector_private.poll_job_key(text) owner to ${new URL(db.superuserUrl).username};
    update s3_connector_private.versions set digest = 'another'`);
  await assert.rejects(migrate(db.workerUrl), {
    code: 'migration_failed',
    message:
      /^sql\/2_lifecycle\/\w+\.sql: create or replace function s3_connector_private\.poll_job_key\(connector_name text\): must be owner/,
  });
});

test('a session that reads view after view causes no deadlock, and migrate continues when it is done', async () => {
  const db = await testDatabase();
  const reader = await db.connect();
  await reader.query("set deadlock_timeout = '100ms'").catch(() => {});
  await reader.query('begin');
  await reader.query('select * from s3_connector.connector_status');
  await forgetDigest(db);
  const migrated = migrate(db.workerUrl);
  const tried = `select count(*) as n from pg_stat_activity
    where datname = current_database() and query ~ '^(lock table|alter view|rollback)' and application_name !~ 'test'`;
  await db.waitFor<{ n: string }>(tried, ([row]) => Number(row!.n) > 0);
  for (const view of [
    'workers',
    'throughput',
    'file_history',
    'running_files',
    'rejected_rows',
    'metrics',
    'files',
    'polls',
  ])
    await reader.query(`select * from s3_connector.${view}`);
  await reader.query('commit');
  await migrated;
  assert.deepEqual(await db.query('select * from s3_connector.connector_status'), []);
});
