import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type ConnectorColumns, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

test('a file for an unlogged table fails before a row is copied, with what to run', async () => {
  world.put('lost/1.csv', 'n\n1\n');
  await insertBefore('lost', 'create unlogged table lost (n integer)');
  const [file] = await world.settled('lost');
  assert.deepEqual([file!.status, file!.error_code, file!.attempts], ['failure', 'table_unlogged', 1]);
  assert.match(file!.error_message!, /public\.lost is unlogged: a crash of the server empties it/);
  assert.deepEqual(await db.query('select from lost'), []);
  const statement = /alter table .* set logged/.exec(file!.error_message!)![0];
  await db.query(statement);
  await db.query("select s3_connector.retry('lost')");
  assert.equal((await world.settled('lost'))[0]!.status, 'success');
  assert.deepEqual(await db.query('select n from lost'), [{ n: 1 }]);
});

test('with allow_unlogged, files are imported into an unlogged table, and connector_status warns about a crash', async () => {
  await db.query('create unlogged table "Loss" (n integer)');
  world.put('allowed/1.csv', 'n\n1\n');
  await world.insertConnector({ ...connector('allowed'), target_table: '"Loss"', allow_unlogged: true });
  assert.equal((await world.settled('allowed'))[0]!.status, 'success');
  assert.equal(
    await world.notice('allowed'),
    'a crash of the server empties public."Loss", which is unlogged, while its files stay success',
  );
  await db.query('alter table "Loss" set logged');
  assert.equal(await world.notice('allowed'), null);
});

test('a table that is made unlogged after files came in takes no more files', async () => {
  world.put('later/1.csv', 'n\n1\n');
  await world.insertConnector(connector('later'));
  assert.equal((await world.settled('later'))[0]!.status, 'success');
  await db.query('alter table later set unlogged');
  world.put('later/2.csv', 'n\n2\n');
  const files = await world.pollAndSettle('later');
  assert.deepEqual(
    files.map(({ error_code }) => error_code),
    [null, 'table_unlogged'],
  );
});

/** Tables with an unlogged part. */
const PARTS: Record<string, string> = {
  partition: `create table partition (n integer) partition by range (n);
    create table partition_1 partition of partition for values from (0) to (100) partition by range (n);
    create unlogged table partition_2 partition of partition_1 default`,
  child: 'create table child (n integer); create unlogged table child_1 () inherits (child)',
};
for (const [name, statements] of Object.entries(PARTS)) {
  test(`a table with an unlogged ${name} takes no files`, async () => {
    world.put(`${name}/1.csv`, 'n\n1\n');
    await insertBefore(name, statements);
    const [file] = await world.settled(name);
    assert.equal(file!.error_code, 'table_unlogged');
    assert.match(file!.error_message!, new RegExp(`public\\.${name}_\\d is unlogged`));
  });
}

test('check refuses an unlogged table, or warns of one that is allowed', async () => {
  world.put('checked/1.csv', 'n\n1\n');
  await world.insertConnector({ ...connector('checked'), state: 'paused' });
  await db.query('create unlogged table checked (n integer)');
  const check = async () => {
    await db.query("call s3_connector.check('checked')");
    return db.one<{ ok: boolean; message: string; hint: string }>(
      "select ok, message, hint from s3_connector.checks where connector_name = 'checked' and step = 'target'",
    );
  };
  const refused = await check();
  assert.equal(refused.ok, false);
  assert.match(refused.message, /checked is unlogged/);
  assert.match(refused.hint, /^Run alter table public\.checked set logged; or set allow_unlogged to true/);
  await db.query("update s3_connector.connectors set allow_unlogged = true where name = 'checked'");
  const warned = await check();
  assert.equal(warned.ok, true);
  assert.match(warned.hint, /A crash of the server empties public.checked, which is unlogged/);
});

/** Inserts a connector, which would be refused if its table were there already, then makes the table. */
async function insertBefore(name: string, statements: string): Promise<void> {
  await world.insertConnector({ ...connector(name), state: 'paused' });
  await db.query(statements);
  await db.query('select s3_connector.resume($1)', [name]);
}

function connector(name: string): ConnectorColumns {
  return { name, pattern: `${name}/*`, target_table: name };
}
