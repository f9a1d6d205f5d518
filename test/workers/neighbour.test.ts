import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type pg from 'pg';
import { migrate } from '../../src/db/migrations.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { openWorld } from '../support/world.ts';

// Another application in the same database has its own graphile-worker, which is older than ours.

/** The schema version of the other application: breaking changes came after it. */
const THEIR_REVISION = 10;
const THEIR_MIGRATIONS = new URL('../../node_modules/graphile-worker/sql/', import.meta.url);

/** Creates the other application's queue, with one job in it. */
async function makeNeighbour(session: pg.Client): Promise<void> {
  await session.query(`create schema graphile_worker;
    create table graphile_worker.migrations (id integer primary key, ts timestamptz not null default now())`);
  const files = (await readdir(THEIR_MIGRATIONS)).sort().slice(0, THEIR_REVISION);
  for (const [index, file] of files.entries()) {
    const text = await readFile(new URL(file, THEIR_MIGRATIONS), 'utf8');
    await session.query(text.replaceAll(':GRAPHILE_WORKER_SCHEMA', 'graphile_worker'));
    await session.query('insert into graphile_worker.migrations (id) values ($1)', [index + 1]);
  }
  await session.query(`select graphile_worker.add_job('theirs', '{"n": 1}')`);
}

/** Everything in their schema: its objects, and each row with the transaction that wrote it. */
async function contents(db: TestDatabase): Promise<unknown[]> {
  const [{ tables }] = (await db.query<{ tables: string[] }>(
    `select array_agg(oid::regclass::text order by oid) as tables from pg_class
      where relnamespace = 'graphile_worker'::regnamespace and relkind = 'r'`,
  )) as [{ tables: string[] }];
  const rows = tables.map((table) => db.query(`select '${table}' as "table", xmin::text, t from ${table} t`));
  return await Promise.all([
    db.query(`select c.relname, c.relkind, c.relowner, c.relacl, a.attname, a.atttypid, a.atttypmod, a.attnotnull
      from pg_class c left join pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = 'graphile_worker'::regnamespace order by c.oid, a.attnum`),
    db.query(`select pg_get_functiondef(oid) from pg_proc
      where pronamespace = 'graphile_worker'::regnamespace order by oid`),
    db.query(`select pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid
      where c.relnamespace = 'graphile_worker'::regnamespace order by t.oid`),
    ...rows,
  ]);
}

test('migrate leaves the queue of another application unchanged, and does not end its workers', async () => {
  const db = await testDatabase({ empty: true });
  const session = await db.connect();
  await makeNeighbour(session);
  const before = await contents(db);
  // As graphile-worker's own workers do.
  const notifications: string[] = [];
  session.on('notification', ({ channel, payload }) => notifications.push(`${channel} ${payload}`));
  await session.query('listen "worker:migrate"');
  await migrate(db.workerUrl);
  await session.query('select 1');
  assert.deepEqual(notifications, []);
  assert.deepEqual(await contents(db), before);
});

test('a worker runs next to that of another application, and neither touches the jobs of the other', async () => {
  const world = await openWorld();
  const { db } = world;
  const session = await db.connect();
  await makeNeighbour(session);
  const before = await contents(db);
  world.put('ours/1.csv', 'n\n1\n');
  const worker = await world.startWorker();
  // The notification that their workers get when they are migrated.
  await db.query(`select pg_notify('worker:migrate', '{"migrationNumber": 11, "breaking": true}')`);
  await world.insertConnector({ name: 'ours', pattern: 'ours/*', target_table: 'ours' });
  const [file] = await world.settled('ours');
  assert.equal(file!.status, 'success');
  assert.deepEqual(await contents(db), before);

  const { rows } = await session.query(
    "select id, task_identifier from graphile_worker.get_job('their worker')",
  );
  assert.equal(rows[0].task_identifier, 'theirs');
  await session.query("select graphile_worker.complete_job('their worker', $1)", [rows[0].id]);
  assert.deepEqual(await db.query('select from graphile_worker.jobs'), []);
  world.put('ours/2.csv', 'n\n2\n');
  assert.equal((await world.pollAndSettle('ours')).length, 2);
  assert.ok(!worker.lines.some((line) => line.event === 'stopping'));
  assert.equal((await worker.end('SIGTERM')).code, 0);
});
