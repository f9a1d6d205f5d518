import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ownServer } from '../faults/own_server.ts';
import { call } from '../requests/support.ts';
import { openWorld } from '../support/world.ts';

// A server of its own, because a test stops one of its processes.
const world = await openWorld(await ownServer());
const { db, server } = world;
/** One place, so that an import that keeps it would hold up the next file. */
before(() => world.startWorker({ WORKER_CONCURRENCY: '1' }));

/** Statements for on_import that never end by themselves. */
const ENDLESS: Record<string, string> = {
  'sleeps for a day': 'select pg_sleep(100000)',
  'catches every cancel': 'select stubborn()',
};

before(() =>
  db.query(`create function stubborn() returns void language plpgsql as $$
    begin
      loop
        begin
          perform pg_sleep(100000);
        exception when query_canceled then null;
        end;
      end loop;
    end $$`),
);

async function insertEndless(name: string, columns: Record<string, unknown>): Promise<void> {
  await db.query(`create table ${name} (n integer)`);
  world.put(`${name}/1.csv`, 'n\n1\n');
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    import_timeout: '1 second',
    ...columns,
  });
}

/** Imports a file of another connector, which needs the worker's only place. */
async function importsOthers(name: string): Promise<void> {
  world.put(`${name}/1.csv`, 'n\n1\n');
  await world.insertConnector({ name, pattern: `${name}/*`, target_table: name });
  assert.equal((await world.settled(name))[0]!.status, 'success');
}

async function assertTimedOut(name: string): Promise<void> {
  const [file] = await world.settled(name);
  assert.deepEqual([file!.status, file!.error_code, file!.attempts], ['failure', 'import_timeout', 1]);
  assert.match(
    file!.error_message!,
    new RegExp(`^${name}/1.csv: the import was stopped after 1 s, .*raise import_timeout`),
  );
  assert.deepEqual(await db.query(`select from ${name}`), []);
  await world.spoolEmptied();
}

for (const [index, [what, on_import]] of Object.entries(ENDLESS).entries()) {
  test(`an import whose on_import ${what} fails at import_timeout, and frees its place`, async () => {
    await insertEndless(`endless_${index}`, { on_import });
    await assertTimedOut(`endless_${index}`);
    await importsOthers(`after_endless_${index}`);
    await db.waitFor(
      "select from pg_stat_activity where datname = current_database() and application_name like 's3_connector import_file %' and state = 'active'",
      (rows) => rows.length === 0,
    );
  });
}

test('import_timeout covers the wait for a lock', async () => {
  await db.query('create table locked (n integer)');
  const session = await db.connect();
  await session.query('begin; lock table locked in access exclusive mode');
  world.put('locked/1.csv', 'n\n1\n');
  await world.insertConnector({
    name: 'locked',
    pattern: 'locked/*',
    target_table: 'locked',
    import_timeout: '1 second',
  });
  const [file] = await world.settled('locked');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'import_timeout']);
  await session.query('rollback');
  await db.query("select s3_connector.pause('locked')");
  await db.query("update s3_connector.connectors set import_timeout = '1 hour' where name = 'locked'");
  await db.query("select s3_connector.resume('locked'), s3_connector.retry_file('locked', 'locked/1.csv')");
  assert.equal((await world.settled('locked'))[0]!.status, 'success');
});

test('import_timeout covers the fetch', async () => {
  server.faults.order({ operation: 'GetObject', key: 'fetching/1.csv', stall: { after: 1 } });
  await insertEndless('fetching', {});
  await assertTimedOut('fetching');
  server.faults.clear();
});

test('a place is free although the backend of its import does not react to a cancel', async () => {
  await insertEndless('stopped', { on_import: 'select pg_sleep(100000)', import_timeout: '5 seconds' });
  const [backend] = await db.waitFor<{ pid: number }>(
    "select pid from pg_stat_activity where datname = current_database() and application_name like 's3_connector import_file %' and wait_event = 'PgSleep'",
    (rows) => rows.length === 1,
  );
  process.kill(backend!.pid, 'SIGSTOP');
  try {
    const [file] = await world.settled('stopped');
    assert.deepEqual([file!.status, file!.error_code], ['failure', 'import_timeout']);
    await importsOthers('after_stopped');
  } finally {
    process.kill(backend!.pid, 'SIGCONT');
  }
  await db.waitFor('select from pg_stat_activity where pid = $1', (rows) => rows.length === 0, {
    values: [backend!.pid],
  });
  assert.deepEqual(await db.query('select from stopped'), []);
});

test('import_timeout covers a dry run', async () => {
  await insertEndless('dry', { on_import: 'select pg_sleep(100000)', state: 'paused' });
  const { row } = await call<{ error_code: string; error_message: string }>(
    db,
    "call s3_connector.dry_run_file('dry', 'dry/1.csv')",
  );
  assert.equal(row!.error_code, 'import_timeout');
  assert.match(row!.error_message, /stopped after 1 s/);
});
