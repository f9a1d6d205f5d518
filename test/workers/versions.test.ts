import assert from 'node:assert/strict';
import { test } from 'node:test';
import { migrate } from '../../src/db/migrations.ts';
import { isNewer } from '../../src/db/schema_version.ts';
import { version } from '../../src/version.ts';
import { testDatabase } from '../support/database.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
const NEWER = '999.0.0';

/** The last step of a newer version's migrate. */
const migratedByNewer = () => db.query("select s3_connector_private.record_version($1, 'newer')", [NEWER]);
const forgetNewer = () => db.query('delete from s3_connector_private.versions where version = $1', [NEWER]);

test('versions are compared by their numbers', () => {
  assert.ok(isNewer('1.10.0', '1.9.3') && isNewer('2.0', '1.99.99') && isNewer('0.1.1', '0.1'));
  assert.ok(!isNewer('1.9.3', '1.10.0') && !isNewer('1.0.0', '1.0') && !isNewer('0.1.0', '0.2.0-next.1'));
  // Versions between two releases: newer than the earlier one, and no other than the later one.
  assert.ok(
    isNewer('0.2.0-dev', '0.1.0') && !isNewer('0.2.0', '0.2.0-dev') && !isNewer('0.2.0-dev', '0.2.0'),
  );
});

test('every migration records its version, once', async () => {
  const empty = await testDatabase({ empty: true });
  await migrate(empty.workerUrl);
  await migrate(empty.workerUrl);
  assert.deepEqual(await empty.query('select version from s3_connector_private.versions'), [{ version }]);
});

test('a worker that finds a newer schema does not start, says why, and changes nothing', async () => {
  await migratedByNewer();
  const functions = () =>
    db.query(
      "select oid, xmin::text from pg_proc where pronamespace = 's3_connector_private'::regnamespace order by 1",
    );
  const before = await functions();
  await assert.rejects(
    world.startWorker(),
    /migrated by version 999\.0\.0, which is newer than this worker's version .* \(schema_newer\)\nRun the newer version/,
  );
  assert.deepEqual(await functions(), before);
  await forgetNewer();
});

test('an unknown migration counts as a newer schema, too', async () => {
  await db.query("insert into s3_connector_private.migrations values ('9999_future', '')");
  await assert.rejects(migrate(db.workerUrl), {
    code: 'schema_newer',
    message: /with 9999_future, which is newer/,
  });
  await db.query("delete from s3_connector_private.migrations where name = '9999_future'");
});

test('a worker whose schema is upgraded finishes its imports, and ends with status 78', async () => {
  await db.query('create table overtaken (n integer)');
  const worker = await world.startWorker();
  const slow = server.faults.order({ operation: 'GetObject', stall: { after: 1 } });
  world.put('overtaken/1.csv', 'n\n1\n');
  await world.insertConnector({ name: 'overtaken', pattern: 'overtaken/*', target_table: 'overtaken' });
  await slow.hit();
  await migratedByNewer();
  await worker.logged('stopping');
  slow.release();
  assert.deepEqual(await worker.ended(), { code: 78, signal: null });
  assert.match(worker.stderr(), /schema_newer/);
  assert.deepEqual(
    await db.query("select status, attempts from s3_connector.files where connector_name = 'overtaken'"),
    [{ status: 'success', attempts: 1 }],
  );
  assert.deepEqual(await db.query('select n from overtaken'), [{ n: 1 }]);
  await forgetNewer();
});

test('a worker of the same version continues when another one migrates', async () => {
  const worker = await world.startWorker();
  await migrate(db.workerUrl);
  world.put('overtaken/2.csv', 'n\n2\n');
  await world.pollAndSettle('overtaken');
  assert.deepEqual(await db.query('select n from overtaken order by n'), [{ n: 1 }, { n: 2 }]);
  assert.equal((await worker.end('SIGTERM')).code, 0);
});
