import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type FileRow, openWorld } from '../support/world.ts';

// Invariants are checked where they would be committed. Each test breaks one from outside, as a fault of the program would.

const world = await openWorld();
const { db, server } = world;
before(() => world.startWorker());

const FILE = 'select * from s3_connector.files where connector_name = $1';

/** Waits until the only file of the connector has failed, and asserts that nothing of it was kept. */
async function assertViolated(name: string, message: RegExp): Promise<void> {
  const [file] = await db.waitFor<FileRow>(FILE, ([row]) => row?.status === 'failure', { values: [name] });
  assert.equal(file!.error_code, 'invariant_violated');
  assert.match(file!.error_message!, message);
  assert.deepEqual(await db.query(`select from ${name}`), []);
  assert.deepEqual(
    await db.query('select from s3_connector.rejected_rows where connector_name = $1', [name]),
    [],
  );
}

test('a file whose ETag is not the one that was read fails, and keeps nothing', async () => {
  await db.query('create table other_version (n integer)');
  world.put('other_version/1.csv', 'n\n1\n');
  const stalled = server.faults.order({
    operation: 'GetObject',
    key: 'other_version/1.csv',
    stall: { after: 1 },
  });
  await world.insertConnector({
    name: 'other_version',
    pattern: 'other_version/*',
    target_table: 'other_version',
  });
  await stalled.hit();
  await db.asSuperuser(
    `update s3_connector.files set etag = '"other"' where connector_name = 'other_version'`,
  );
  stalled.release();
  await assertViolated('other_version', /was read, and the file is ETag "other" with 4 bytes/);
});

test('a file whose rejected rows were lost fails, and keeps nothing', async () => {
  await db.query('create table lost_rejects (n integer)');
  await db.asSuperuser(`
    create function lose() returns trigger language plpgsql as $$ begin delete from s3_connector_private.rejected_rows; return null; end $$;
    create trigger lose after insert on s3_connector_private.rejected_rows execute function lose()`);
  world.put('lost_rejects/1.csv', 'n\n1\nx\n');
  await world.insertConnector({
    name: 'lost_rejects',
    pattern: 'lost_rejects/*',
    target_table: 'lost_rejects',
    on_bad_row: 'skip',
  });
  await assertViolated('lost_rejects', /1 rows were rejected, and rejected_rows has 0/);
  await db.asSuperuser('drop trigger lose on s3_connector_private.rejected_rows');
  await db.query("select s3_connector.retry('lost_rejects')");
  const [file] = await world.settled('lost_rejects');
  assert.deepEqual([file!.status, file!.rows_imported, file!.rows_rejected], ['success', 1, 1]);
});

test('a poll that would set the marker back fails, and set_marker does not', async () => {
  await db.query('create table marked (n integer)');
  world.put('marked/2.csv', 'n\n2\n');
  await world.insertConnector({ name: 'marked', pattern: 'marked/*', target_table: 'marked' });
  await world.settled('marked');
  await assert.rejects(
    db.query(
      `select s3_connector_private.commit_poll('marked', 'marked/2.csv', null,
        '[{"key": "marked/1.csv", "etag": "x", "size_bytes": 1, "last_modified": "2026-01-01"}]', null, false, now(), now(), 1, 1, 1)`,
    ),
    {
      code: 'S3C03',
      message: /the marker of connector 'marked' would go back from 'marked\/2.csv' to 'marked\/1.csv'/,
    },
  );
  assert.deepEqual(await db.query("select key from s3_connector.files where connector_name = 'marked'"), [
    { key: 'marked/2.csv' },
  ]);
  await db.query("select s3_connector.set_marker('marked', null)");
  await world.settled('marked');
});
