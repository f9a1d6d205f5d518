import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { databaseFaults } from '../faults/database_faults.ts';
import { ownServer } from '../faults/own_server.ts';
import { openWorld } from '../support/world.ts';
import { Audited, answers } from './auditor.ts';
import { cutPower } from './processes.ts';

// The server stops in the middle of a COPY, and the same worker goes on when it is back.

const server = await ownServer({}, { durable: true });
const world = await openWorld(server);
const { db } = world;
let landed: Audited;

before(async () => {
  await world.startWorker();
  landed = await Audited.insert(world, 'landed');
  await world.settled('landed');
  await db.query(`create function wait() returns trigger language plpgsql as
      'begin perform pg_advisory_xact_lock(1); return new; end';
    create trigger wait before insert on landed for each row when (new.n = 40) execute function wait()`);
});

const STOPS: Record<string, () => Promise<unknown>> = {
  'an immediate stop': () => server.restart('immediate'),
  'a SIGKILL of the postmaster': async () => {
    process.kill(server.pid, 'SIGKILL');
    await server.restart();
  },
  'a SIGKILL of all its processes': async () => {
    await cutPower(server);
    await server.restart();
  },
};
for (const [name, stop] of Object.entries(STOPS)) {
  test(`after ${name}, acknowledged files are there, and the others come once`, async () => {
    const acknowledged = landed.put(3);
    await world.pollAndSettle('landed');
    const holder = await db.connect();
    await holder.query('select pg_advisory_lock(1)');
    landed.put(3);
    await db.query("select s3_connector.poll_now('landed')");
    await databaseFaults(world).waitsForLock();
    await stop();
    await answers(db);
    await landed.assertKept(acknowledged);
    await landed.assertComesOnce();
  });
}

test('a crash empties an unlogged target; reimport_file brings the rows of its files back once', async () => {
  const lost = await Audited.insert(world, 'lost', { allow_unlogged: true });
  await db.query('alter table lost set unlogged');
  const keys = lost.put(2);
  await db.query("select s3_connector.poll_now('lost')");
  await lost.imported(keys);
  await server.restart('immediate');
  await answers(db);
  assert.deepEqual(await db.query('select from lost'), []);
  assert.deepEqual(await db.query("select status from s3_connector.files where connector_name = 'lost'"), [
    { status: 'success' },
    { status: 'success' },
  ]);
  assert.match((await world.notice('lost'))!, /a crash of the server empties public\.lost/);
  await db.query(
    "select s3_connector.reimport_file('lost', key) from s3_connector.files where connector_name = 'lost'",
  );
  await lost.assertComesOnce();
});
