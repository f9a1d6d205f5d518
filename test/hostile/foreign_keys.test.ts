import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';

// An operator may call dry_run_file for any connector. The worker can read the whole bucket, and errors quote content.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

test('dry_run_file reads a key that the pattern does not match only for who may become the owner', async () => {
  world.put('mine/1.csv', 'n\n1\n');
  world.put('secrets/1.csv', 'n\nthe password is hunter2\n');
  await db.query('create table numbers (n integer)');
  await world.insertConnector({
    name: 'mine',
    pattern: 'mine/*.csv',
    target_table: 'numbers',
    state: 'paused',
  });
  const operator = await db.connect(await db.createRole('in role s3_connector_operator'));
  await assert.rejects(
    operator.query("call s3_connector.dry_run_file('mine', 'secrets/1.csv')"),
    (error: Error & { code: string; hint: string }) => {
      assert.equal(error.code, '42501');
      assert.match(
        error.message,
        /cannot read 'secrets\/1.csv': the pattern of connector 'mine' does not match it/,
      );
      assert.match(error.hint, /Only the owner/);
      assert.ok(!JSON.stringify(error).includes('hunter2'));
      return true;
    },
  );
  const { rows } = await operator.query("call s3_connector.dry_run_file('mine', 'mine/1.csv')");
  assert.deepEqual([Number(rows[0].rows_imported), rows[0].error_code], [1, null]);
  const own = await db.one<{ error_code: string }>("call s3_connector.dry_run_file('mine', 'secrets/1.csv')");
  assert.equal(own.error_code, 'bad_value');
});
