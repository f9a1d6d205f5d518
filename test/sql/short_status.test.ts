import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;

const health = async (name: string) =>
  (await db.one<{ health: string }>('select health from s3_connector.status where name = $1', [name])).health;

before(async () => {
  world.put('mixed/1.csv', 'n\n1\n');
  world.put('mixed/2.csv', 'n\none\n');
  world.put('mixed/3.csv', 'n\n"never closed\n');
  world.put('broken/1.csv', 'n\n"never closed\n');
  world.put('fine/1.csv', 'n\n1\n');
});

test('without a worker, the health of every running connector says so', async () => {
  await world.insertConnector({ name: 'fine', pattern: 'fine/*', target_table: 'fine' });
  assert.equal(await health('fine'), 'no worker is alive');
});

test('the health says what failed and what was rejected, and ok otherwise', async () => {
  await world.startWorker();
  await db.query('create table mixed (n integer)');
  await world.insertConnector({
    ...{ name: 'mixed', pattern: 'mixed/*', target_table: 'mixed', on_bad_row: 'skip' },
  });
  await world.insertConnector({ name: 'broken', pattern: 'broken/*', target_table: 'broken' });
  for (const name of ['fine', 'mixed', 'broken']) await world.settled(name);
  assert.equal(await health('fine'), 'ok');
  assert.equal(await health('mixed'), '1 failed, 1 row rejected');
  assert.equal(await health('broken'), 'all files failed (1)');
  assert.deepEqual(
    await db.query('select waiting, failed, lag from s3_connector.status where name = $1', ['broken']),
    [{ waiting: 0, failed: 1, lag: null }],
  );
});

test('polls are overdue two intervals after the next one was due, unless somebody asked for one', async () => {
  await world.insertConnector({ name: 'old', pattern: 'old/*', target_table: 'old', state: 'paused' });
  const client = await db.connectSuperuser();
  // One transaction, so that no worker polls it meanwhile.
  await client.query('begin');
  const row = async (minutesSinceDue: number, minutesSinceAsked: number) => {
    await client.query(
      `update s3_connector_private.progress set next_poll_at = now() - $1 * interval '1 minute',
        last_poll_at = now() - ($1 + 5) * interval '1 minute', poll_asked_at = now() - $2 * interval '1 minute'
        where connector_name = 'old'`,
      [minutesSinceDue, minutesSinceAsked],
    );
    const { rows } = await client.query(
      `select s.polls_overdue, h.health ~ 'polls overdue' as said from s3_connector.connector_status s
        join s3_connector.status h using (name) where name = 'old'`,
    );
    return rows;
  };
  assert.deepEqual(await row(20, 60), [{ polls_overdue: false, said: false }], 'a paused one does not poll');
  // Made an hour ago, because a new connector gets two minutes for its first poll.
  await client.query('alter table s3_connector.connectors disable trigger user');
  await client.query(
    "update s3_connector.connectors set state = 'running', created_at = now() - interval '1 hour' where name = 'old'",
  );
  assert.deepEqual(await row(20, 60), [{ polls_overdue: true, said: true }]);
  assert.deepEqual(await row(9, 60), [{ polls_overdue: false, said: false }]);
  assert.deepEqual(await row(20, 9), [{ polls_overdue: false, said: false }]);
  await client.query('rollback');
  await client.end();
  await db.query("select s3_connector.drop_connector('old')");
});

test('a draft is a state of its own that only an insert gives, and a paused connector keeps its problems', async () => {
  await world.insertConnector({ name: 'draft', pattern: '**', target_table: 'd', state: 'draft' });
  assert.equal(await health('draft'), 'draft');
  await db.query("select s3_connector.pause('draft')");
  assert.equal(await health('draft'), 'draft');
  await assert.rejects(db.query("select s3_connector.poll_now('draft')"), /is a draft and does not poll/);
  await db.query("update s3_connector.connectors set pattern = 'd/*' where name = 'draft'");
  await db.query("select s3_connector.resume('draft')");
  await world.settled('draft');
  await db.query("select s3_connector.pause('draft'), s3_connector.pause('broken')");
  assert.equal(await health('draft'), 'paused');
  assert.equal(await health('broken'), 'paused, all files failed (1)');
  await assert.rejects(
    db.query("update s3_connector.connectors set state = 'draft' where name = 'draft'"),
    /is no draft any more/,
  );
  await db.query("select s3_connector.drop_connector('draft')");
});

test('retry_files and cancel_files take those files whose status allows it, and return how many', async () => {
  const count = async (sql: string) => Object.values(await db.one(sql))[0];
  const all = "array(select key from s3_connector.files where connector_name = 'mixed')";
  assert.equal(await count(`select s3_connector.cancel_files('mixed', ${all})`), 1);
  assert.equal(await count(`select s3_connector.cancel_files('mixed', ${all})`), 0);
  assert.equal(await health('mixed'), '1 row rejected');
  assert.equal(await count(`select s3_connector.retry_files('mixed', ${all})`), 1);
  await world.settled('mixed');
  assert.equal(await health('mixed'), '1 failed, 1 row rejected');
  assert.equal(await count("select s3_connector.retry_files('mixed', array['mixed/none.csv'])"), 0);
  await assert.rejects(db.query("select s3_connector.retry_files('none', '{}')"), /no connector named/);
});
