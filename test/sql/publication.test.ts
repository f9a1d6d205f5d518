import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
const { queue } = await db.one<{ queue: string }>(
  "select relnamespace::regnamespace::text as queue from pg_class where relname = '_private_jobs'",
);

before(async () => {
  await db.asSuperuser('create publication everything for all tables');
});

test('every table of the connector and of its queue has a primary key', async () => {
  const without = await db.query(
    `select c.oid::regclass::text as "table" from pg_class c
     where c.relkind in ('r', 'p') and c.relnamespace::regnamespace::text in ('s3_connector', 's3_connector_private', $1)
       and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)`,
    [queue],
  );
  assert.deepEqual(without, []);
});

test('a connector works from insert to drop if all tables are published', async () => {
  await db.query('create table readings (n integer primary key, file_id bigint)');
  for (const n of [1, 2]) world.put(`readings/${n}.csv`, `n\n${n}\n`);
  world.put('readings/3.csv', 'n\nbroken\n');
  await world.startWorker();
  await world.insertConnector({
    name: 'readings',
    pattern: 'readings/*',
    target_table: 'readings',
    file_id_column: 'file_id',
    on_bad_row: 'skip',
    retention: '1 microsecond',
  });
  await world.settled('readings');
  await db.query("select s3_connector.undo_file('readings', 'readings/1.csv')");
  await db.query("select s3_connector.reimport_file('readings', 'readings/2.csv')");
  await db.query("call s3_connector.check('readings')");
  await world.settled('readings');
  await housekeep();
  assert.deepEqual(await db.query('select undone, success, rows_total from s3_connector.connector_status'), [
    { undone: 1, success: 2, rows_total: 1 },
  ]);
  await db.waitFor('select from s3_connector.file_history', (rows) => rows.length === 0);

  // A copy of the database deletes its identity row and counts all totals again.
  await db.asSuperuser('update s3_connector_private.database_identity set database_oid = 1');
  await housekeep();
  await db.waitFor<{ state: string }>(
    'select state from s3_connector.connectors',
    ([row]) => row?.state === 'paused',
  );
  assert.deepEqual(await db.query('select * from s3_connector_private.wrong_totals()'), []);
  await db.query("select s3_connector.drop_connector('readings')");
  await housekeep();
  assert.deepEqual(await db.query('select from s3_connector_private.totals'), []);
});

/** Runs the workers' every-minute task, and waits until the totals are summed up, which is one of its last steps. */
async function housekeep(): Promise<void> {
  await db.query(`select ${queue}.add_job('poll_due', job_key => 'poll_due')`);
  await db.waitFor('select from s3_connector_private.total_changes', (rows) => rows.length === 0);
}
