import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EACH_MINUTE, openWorld } from '../support/world.ts';
import { withJobsDue } from './clock.ts';
import { assertExactlyOnce } from './exactly_once.ts';
import { ownServer } from './own_server.ts';

const FILES = 24;
const ROWS = 3;

// A commit is answered before it is on the disk, and nothing writes it there for seconds: a crash loses it, as a power cut does.
const server = await ownServer({
  synchronous_commit: 'off',
  wal_writer_delay: '10s',
  wal_writer_flush_after: '1GB',
});
const world = await openWorld(server);
const { db } = world;

test("a crash that loses the last commits, also those of a worker's start, loses no file", async (t) => {
  await db.query('create table lost (file integer, n integer, file_id bigint)');
  for (let file = 0; file < FILES; file++) {
    const lines = Array.from({ length: ROWS }, (_, n) => `${file},${n}`);
    world.put(`lost/${String(file).padStart(2, '0')}.csv`, `file,n\n${lines.join('\n')}\n`);
  }
  await world.insertConnector({
    name: 'lost',
    pattern: 'lost/*',
    target_table: 'lost',
    file_id_column: 'file_id',
    schedule: EACH_MINUTE,
    // The crashes are not the fault of a file.
    max_attempts: 100,
  });
  await db.asSuperuser('checkpoint');
  await world.startWorker();
  const known = () =>
    db.one<{ rows: number; recorded: number }>(
      `select (select count(*) from lost) as rows,
        (select coalesce(sum(rows_imported), 0)::integer from s3_connector.files) as recorded`,
    );
  const [before] = await db.waitFor<{ rows: number }>(
    'select count(*) as rows from lost',
    ([row]) => row!.rows >= (FILES * ROWS) / 3,
  );
  await server.restart('immediate');
  const { rows, recorded } = await known();
  assert.equal(rows, recorded);
  t.diagnostic(`${before!.rows} rows before the crash, ${rows} after`);
  await withJobsDue(db, () => world.settled('lost'));
  await assertExactlyOnce(db, { connector: 'lost', table: 'lost', rowsOf: () => ROWS });
  assert.deepEqual(await known(), { rows: FILES * ROWS, recorded: FILES * ROWS });
});
