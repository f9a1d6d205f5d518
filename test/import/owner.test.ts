import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { type FileRow, openWorld } from '../support/world.ts';

// Imports run with the rights of the role that inserted the connector, although the worker logs in as a superuser.
const world = await openWorld();
const { db } = world;
let admin: pg.Client;
let name: string;

before(async () => {
  const role = await db.createRole();
  name = role.name;
  await db.query(`grant s3_connector_admin to ${name}`);
  admin = await db.connect(role);
  await world.startWorker();
});
after(() => admin.end());

const importAs = async (client: pg.ClientBase, connector: string, target: string): Promise<FileRow> => {
  world.put(`${connector}/1.csv`, 'n,s\n1,a\n2,b\n');
  await client.query(
    `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, endpoint)
    values ($1, $2, $1 || '/*', 'csv', $3, $4)`,
    [connector, world.bucket, target, world.server.endpoint],
  );
  return (await world.settled(connector))[0]!;
};

/** A lasting error that names whose right is missing; no row is kept. */
const assertDenied = (file: FileRow, says: RegExp) => {
  assert.deepEqual(
    [file.status, file.error_code, file.attempts],
    ['failure', 'permission_denied', 1],
    file.error_message ?? '',
  );
  assert.match(file.error_message!, says);
  assert.ok(file.error_message!.includes(`for role ${name}, the connector's owner`), file.error_message!);
};

test('a connector whose owner has no rights on the table imports nothing until they are granted', async () => {
  await db.query('create table closed (n integer, s text)');
  assertDenied(
    await importAs(admin, 'closed', 'closed'),
    /permission denied for table closed.*Grant .* the missing privilege/,
  );
  assert.deepEqual(await db.query('select from closed'), []);
  await db.query(`grant insert on closed to ${name}`);
  await admin.query("select s3_connector.retry('closed')");
  assert.equal((await world.settled('closed'))[0]!.status, 'success');
});

test('an import needs only the insert right', async () => {
  await db.query(`create table only_insert (n integer, s text); grant insert on only_insert to ${name}`);
  await assert.rejects(admin.query('select from only_insert'), { code: '42501' });
  const file = await importAs(admin, 'only_insert', 'only_insert');
  assert.deepEqual([file.status, file.rows_imported], ['success', 2], file.error_message ?? '');
  assert.deepEqual(await db.query('select n, s from only_insert order by n'), [
    { n: 1, s: 'a' },
    { n: 2, s: 'b' },
  ]);
});

test('insert rights on some columns allow files with only these columns', async () => {
  await db.query(`create table one_column (n integer, s text); grant insert (n) on one_column to ${name}`);
  assertDenied(await importAs(admin, 'one_column', 'one_column'), /permission denied for (table|column)/);
});

test('a table is created only where the owner may create one, and belongs to the owner', async () => {
  await db.query(
    `create schema locked; create schema open; grant usage, create on schema open to ${name}; grant usage on schema locked to ${name}`,
  );
  assertDenied(await importAs(admin, 'locked', 'locked.made'), /permission denied for schema locked/);
  assert.equal((await db.one("select to_regclass('locked.made') as made")).made, null);
  const file = await importAs(admin, 'open', 'open.made');
  assert.equal(file.status, 'success', file.error_message ?? '');
  assert.deepEqual(
    await db.query("select relowner::regrole::text as owner from pg_class where oid = 'open.made'::regclass"),
    [{ owner: name }],
  );
});

test('a trigger on the table runs as the owner', async () => {
  await db.query(`create table seen (who name); create table watched (n integer, s text);
    grant insert on seen, watched to ${name};
    create function note_who() returns trigger language plpgsql as $$ begin insert into seen values (current_user); return new; end $$;
    create trigger note_who before insert on watched for each statement execute function note_who()`);
  assert.equal((await importAs(admin, 'watched', 'watched')).status, 'success');
  assert.deepEqual(await db.query('select who from seen'), [{ who: name }]);
});

test('files of a connector whose owner was dropped fail and say so', async () => {
  const former = await db.createRole();
  await db.query(`grant s3_connector_admin to ${former.name}; create table orphaned (n integer, s text)`);
  const client = await db.connect(former);
  await client.query(`insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, endpoint, state)
    values ('orphaned', '${world.bucket}', 'orphaned/*', 'csv', 'orphaned', '${world.server.endpoint}', 'paused')`);
  await client.end();
  await db.query(`drop role ${former.name}`);
  world.put('orphaned/1.csv', 'n,s\n1,a\n');
  await db.query("select s3_connector.resume('orphaned')");
  const [file] = await world.settled('orphaned');
  assert.deepEqual(
    [file!.status, file!.error_code, file!.attempts],
    ['failure', 'owner_missing', 1],
    file!.error_message ?? '',
  );
  assert.match(file!.error_message!, new RegExp(`${former.name}, does not exist any more.*insert it again`));
});

test('a role that may only read sees the progress of an import', async () => {
  const reader = await db.createRole();
  await db.query(`grant s3_connector_reader to ${reader.name}; create table held (n integer, s text);
    create function wait_for_lock() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock_shared(1); return new; end $$;
    create trigger wait_for_lock before insert on held for each row when (new.n = 2) execute function wait_for_lock()`);
  const holder = await db.connect();
  await holder.query('select pg_advisory_lock(1)');
  world.put('held/1.csv', 'n,s\n1,a\n2,b\n');
  await world.insertConnector({ name: 'held', pattern: 'held/*', target_table: 'held' });
  await db.waitFor(
    "select from s3_connector.running_files where connector_name = 'held' and rows_copied is not null",
    (rows) => rows.length === 1,
  );
  const client = await db.connect(reader);
  const { rows } = await client.query('select key, attempt, rows_copied from s3_connector.running_files');
  await holder.query('select pg_advisory_unlock(1)');
  assert.deepEqual(rows, [{ key: 'held/1.csv', attempt: 1, rows_copied: 1 }]);
  assert.equal((await world.settled('held'))[0]!.status, 'success');
});
