import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { Postgres } from '../../embedded/postgres/server.ts';
import { ownServer } from '../faults/own_server.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { openWorld } from '../support/world.ts';
import { Audited } from './auditor.ts';
import { backUp, replaceData } from './data_directory.ts';
import { cutPower } from './processes.ts';

// A standby that lacks the last commits is promoted. The same worker goes on there.

const PASSWORD = 'of-both-servers';
const primary = await ownServer({}, { durable: true, password: PASSWORD });
const world = await openWorld(primary);
const { db } = world;
let standby: Postgres;
let promoted: TestDatabase;
let landed: Audited;

before(async () => {
  standby = await ownServer({}, { durable: true, password: PASSWORD });
  const hosts = (url: string) =>
    url.replace(`:${primary.port}/`, `:${primary.port},127.0.0.1:${standby.port}/`);
  await world.startWorker({ DATABASE_URL: hosts(db.workerUrl), IMPORT_DATABASE_URL: hosts(db.importUrl) });
  landed = await Audited.insert(world, 'landed');
  landed.put(3);
  await world.pollAndSettle('landed');
  await makeStandby();
  promoted = await testDatabase({ server: standby, replicaOf: db });
});

/** Makes the second server a standby of the first, which keeps its own settings. */
async function makeStandby(): Promise<void> {
  const settings = await readFile(join(standby.dataDir, 'postgresql.conf'));
  const image = await backUp(primary, db);
  await cutPower(standby);
  await writeFile(join(image, 'postgresql.conf'), settings);
  await writeFile(join(image, 'standby.signal'), '');
  await appendFile(
    join(image, 'postgresql.auto.conf'),
    `primary_conninfo = 'host=127.0.0.1 port=${primary.port} user=postgres password=${PASSWORD}'\n`,
  );
  await replaceData(standby, image);
  await standby.restart();
}

async function caughtUp(): Promise<void> {
  const { at } = await db.one<{ at: string }>('select pg_current_wal_insert_lsn()::text as at');
  await promoted.waitFor<{ reached: boolean }>(
    'select pg_last_wal_replay_lsn() >= $1::pg_lsn as reached',
    ([row]) => row!.reached,
    { values: [at] },
  );
}

test('after a failover to a standby that lacks the last files, they come again, each once, with the same worker', async () => {
  const known = [...landed.keys, ...landed.put(2)];
  await world.pollAndSettle('landed');
  await caughtUp();
  await promoted.asSuperuser("alter system set primary_conninfo = ''");
  await promoted.asSuperuser('select pg_reload_conf()');
  await promoted.waitFor('select from pg_stat_wal_receiver', (rows) => rows.length === 0);

  const lacking = landed.put(40);
  await db.query("select s3_connector.poll_now('landed')");
  await landed.imported(lacking);
  // One more attempt is running in the worker.
  const [last] = landed.put(1);
  const stalled = world.server.faults.order({ operation: 'GetObject', key: last!, stall: { after: 10 } });
  await db.query("select s3_connector.poll_now('landed')");
  await stalled.hit();

  await cutPower(primary);
  assert.deepEqual(await landed.assertRowsAgree(promoted), known);
  await promoted.asSuperuser('select pg_promote(wait => false)');
  await promoted.waitFor<{ standby: boolean }>(
    'select pg_is_in_recovery() as standby',
    ([row]) => !row!.standby,
  );
  stalled.release();
  await landed.assertComesOnce(promoted);
});
