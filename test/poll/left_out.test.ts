import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const keysOf = async (name: string) => (await world.settled(name)).map(({ key }) => key);
const marker = async (name: string) =>
  (
    await db.one<{ marker: string }>('select marker from s3_connector.connector_status where name = $1', [
      name,
    ])
  ).marker;

test("Spark's unfinished files and Delta's log are left out, and the data comes once", async () => {
  const rows = await parquetOf('select 1 as n');
  const log = await parquetOf("select 'x' as txn, true as protocol");
  for (const key of [
    'part-0.parquet',
    '_temporary/0/_temporary/attempt_1/part-0.parquet',
    '_day=1/part-1.parquet',
  ])
    world.put(`spark/${key}`, rows);
  world.put('spark/_delta_log/0010.checkpoint.parquet', log);
  world.put('spark/_SUCCESS', '');
  await world.insertConnector({
    name: 'spark',
    pattern: 'spark/**/*.parquet',
    file_format: 'parquet',
    target_table: 'spark',
  });
  assert.deepEqual(await keysOf('spark'), ['spark/_day=1/part-1.parquet', 'spark/part-0.parquet']);
  assert.deepEqual(await db.query('select n from spark'), [{ n: 1 }, { n: 1 }]);
  assert.equal(await marker('spark'), 'spark/part-0.parquet');
});

test('with include_hidden every key that matches comes; exclude leaves out what its globs match', async () => {
  for (const key of ['_log/1.csv', '_log/1.csv.crc', 'a.csv', 'b.csv', 'tmp/c.csv', '.d.csv'])
    world.put(`hidden/${key}`, 'n\n1\n');
  const columns = { pattern: 'hidden/**', target_table: 'hidden' };
  await world.insertConnector({ name: 'visible', ...columns });
  assert.deepEqual(await keysOf('visible'), ['hidden/a.csv', 'hidden/b.csv', 'hidden/tmp/c.csv']);
  await world.insertConnector({
    name: 'all',
    ...columns,
    include_hidden: true,
    exclude: ['**/*.crc', 'hidden/tmp/*'],
  });
  assert.deepEqual(await keysOf('all'), [
    'hidden/.d.csv',
    'hidden/_log/1.csv',
    'hidden/a.csv',
    'hidden/b.csv',
  ]);
});

test('an audit does not report keys that the connector leaves out as late', async () => {
  world.put('audited/m.csv', 'n\n1\n');
  await world.insertConnector({
    name: 'audited',
    pattern: 'audited/**',
    target_table: 'audited',
    exclude: ['**/x.csv'],
  });
  await world.settled('audited');
  for (const key of ['a.csv', '_b.csv', '.c/d.csv', 'e/x.csv']) world.put(`audited/${key}`, 'n\n1\n');
  await db.query("call s3_connector.audit('audited')");
  assert.deepEqual(
    await db.query("select key from s3_connector.late_files where connector_name = 'audited'"),
    [{ key: 'audited/a.csv' }],
  );
});

test('a late key that a changed connector no longer takes is forgotten', async () => {
  await db.query("select s3_connector.pause('audited')");
  await db.query("update s3_connector.connectors set exclude = '{**/a.csv}' where name = 'audited'");
  assert.deepEqual(
    await db.query("select key from s3_connector.late_files where connector_name = 'audited'"),
    [],
  );
});
