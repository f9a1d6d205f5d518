import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { databaseFaults } from '../faults/database_faults.ts';
import { ownServer } from '../faults/own_server.ts';
import { seeded } from '../support/random.ts';
import { openWorld } from '../support/world.ts';
import { Audited, answers } from './auditor.ts';
import { copyData, replaceData } from './data_directory.ts';
import { type LogPosition, syncedOnly, torn } from './power_cut_images.ts';
import { cutPower, freeze, thaw } from './processes.ts';

// The machine of the server loses power in the middle of a COPY. Each test starts the server on another state of its disk.

/** Seed of the sectors that are lost. */
const seed = Number(process.env.CRASH_SEED ?? 1);

const server = await ownServer(
  // One checkpoint, which the test asks for. Few buffers, so that pages are written before it.
  { checkpoint_timeout: '1h', autovacuum: 'off', shared_buffers: '4MB' },
  { durable: true },
);
const world = await openWorld(server);
const { db } = world;
let landed: Audited;
/** The keys whose success somebody has seen before the cut. */
let acknowledged: string[];
let checkpoint: string;
let cut: string;
let flushed: LogPosition;

before(async () => {
  const worker = await world.startWorker();
  landed = await Audited.insert(world, 'landed');
  acknowledged = landed.put(10);
  await world.pollAndSettle('landed');
  await db.query(`create function wait() returns trigger language plpgsql as
      'begin perform pg_advisory_xact_lock(1); return new; end';
    create trigger wait before insert on landed for each row when (new.file = 30 and new.n = 40) execute function wait()`);
  const holder = await db.connectSuperuser();
  await holder.query('checkpoint');
  await freeze(server);
  checkpoint = await copyData(server);
  await thaw(server);

  await holder.query('select pg_advisory_lock(1)');
  acknowledged.push(...landed.put(20));
  landed.put(5);
  await db.query("select s3_connector.poll_now('landed')");
  await landed.imported(acknowledged);
  await databaseFaults(world).waitsForLock();
  // Takes all buffers, so the pages in them are written.
  await holder.query(`begin; create table filler (pad text);
    insert into filler select repeat('x', 1000) from generate_series(1, 20000); rollback`);
  const { rows } = await holder.query<LogPosition>(
    'select file_name as segment, file_offset as "offset" from pg_walfile_name_offset(pg_current_wal_flush_lsn())',
  );
  flushed = rows[0]!;
  await freeze(server);
  cut = await copyData(server);
  await cutPower(server);
  await worker.end('SIGKILL');
});

const IMAGES: Record<string, () => Promise<string>> = {
  'everything that was written': async () => cut,
  'only what was synced': () => syncedOnly(checkpoint, cut, flushed),
  'torn pages': async () => {
    const { image, tornFiles } = await torn(checkpoint, cut, seeded(seed));
    assert.ok(tornFiles > 0);
    return image;
  },
};
for (const [disk, makeImage] of Object.entries(IMAGES)) {
  test(`after a power cut that leaves ${disk}, acknowledged files are there, and the others come once`, async () => {
    await replaceData(server, await makeImage());
    await server.restart();
    await answers(db);
    await landed.assertKept(acknowledged);
    const worker = await world.startWorker();
    await landed.assertComesOnce();
    await worker.end('SIGKILL');
    await cutPower(server);
  });
}
