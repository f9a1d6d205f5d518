import assert from 'node:assert/strict';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { before, test } from 'node:test';
import { handOver } from '../../embedded/postgres/identity.ts';
import { assertAtRest } from '../faults/exactly_once.ts';
import { ownServer } from '../faults/own_server.ts';
import { openWorld } from '../support/world.ts';
import { Audited, answers } from './auditor.ts';
import { backUp, replaceData } from './data_directory.ts';
import { cutPower } from './processes.ts';

// A base backup and the archived log are restored to a moment before a mistake. The same worker goes on.

const server = await ownServer({ archive_mode: 'on', archive_command: 'false' }, { durable: true });
const world = await openWorld(server);
const { db } = world;
// The server deletes it with its other files.
const archive = join(dirname(server.dataDir), 'archive');
let landed: Audited;
let backup: string;
/** The keys that were imported before the mistake. */
let known: string[];
let time: string;

before(async () => {
  await mkdir(archive);
  await handOver(archive);
  await db.asSuperuser(`alter system set archive_command = 'cp "%p" "${archive}/%f"'`);
  await db.asSuperuser('select pg_reload_conf()');
  await world.startWorker();
  landed = await Audited.insert(world, 'landed');
  landed.put(3);
  await world.pollAndSettle('landed');
  backup = await backUp(server, db);
  landed.put(3);
  await world.pollAndSettle('landed');
  known = [...landed.keys];
  // A job that ends a little later would be run again after the restore.
  await assertAtRest(db);
  await db.asSuperuser("select pg_create_restore_point('before_the_mistake')");
  ({ time } = await db.one<{ time: string }>('select clock_timestamp()::text as time'));
  landed.put(40);
  await world.pollAndSettle('landed');
  await db.query('delete from landed');
  await archived();
});

/** Waits until the log so far is in the archive. */
async function archived(): Promise<void> {
  const session = await db.connectSuperuser();
  const { rows } = await session.query<{ segment: string }>(
    'select pg_walfile_name(pg_switch_wal()) as segment',
  );
  await session.end();
  await db.waitFor<{ done: boolean }>(
    'select coalesce(last_archived_wal >= $1, false) as done from pg_stat_archiver',
    ([row]) => row!.done,
    { values: [rows[0]!.segment] },
  );
}

for (const [to, target] of [
  ['a named point', () => "recovery_target_name = 'before_the_mistake'"],
  ['a time', () => `recovery_target_time = '${time}'`],
] as const) {
  test(`after a restore to ${to}, rows and records are of that moment, and later files come again, each once`, async () => {
    await cutPower(server);
    await replaceData(server, backup);
    await appendFile(
      join(server.dataDir, 'postgresql.auto.conf'),
      `restore_command = 'cp "${archive}/%f" "%p"'\nrecovery_target_action = 'promote'\n${target()}\n`,
    );
    await writeFile(join(server.dataDir, 'recovery.signal'), '');
    await handOver(server.dataDir);
    await server.restart();
    await answers(db);
    await db.waitFor<{ standby: boolean }>('select pg_is_in_recovery() as standby', ([row]) => !row!.standby);
    assert.deepEqual(await landed.assertRowsAgree(), known);
    await landed.assertComesOnce();
  });
}
