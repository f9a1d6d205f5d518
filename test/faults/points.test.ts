import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EACH_MINUTE, openWorld } from '../support/world.ts';
import { withJobsDue } from './clock.ts';
import { assertAtRest, assertExactlyOnce } from './exactly_once.ts';

/** The database state after a worker was killed at a point: the first file's status, and the numbers of files and rows. */
interface Scene {
  status: string | null;
  files: number;
  rows: number;
  spooled: boolean;
  /** The first file's import may have started in its own share by then. */
  orRunning?: true;
}

const FILES = 3;
const ROWS = 4000;
const SCENES: Record<string, Scene> = {
  'after list': { status: null, files: 0, rows: 0, spooled: false },
  'after enqueue': { status: 'in_queue', files: FILES, rows: 0, spooled: false, orRunning: true },
  'after begin_attempt': { status: 'running', files: FILES, rows: 0, spooled: false },
  'amid read_range': { status: 'running', files: FILES, rows: 0, spooled: true },
  'amid copy_rows': { status: 'running', files: FILES, rows: 0, spooled: true },
  'before record_success': { status: 'running', files: FILES, rows: 0, spooled: true },
  'after record_success': { status: 'success', files: FILES, rows: ROWS, spooled: true },
  'after record_failure': { status: 'pending_retry', files: FILES, rows: 0, spooled: false },
};

// More than one write, so that a fetch can end in its middle.
const csv = (file: number) =>
  `file,n,pad\n${Array.from({ length: ROWS }, (_, n) => `${file},${n},${'x'.repeat(100)}`).join('\n')}\n`;

// Each in its own world, because a worker with a kill point is killed by any connector's file there.
describe('a worker is killed', { concurrency: 2 }, () => {
  for (const [point, scene] of Object.entries(SCENES)) {
    test(`${point}, and the next one imports everything once`, () => dieAt(point, scene));
  }
});

async function dieAt(point: string, scene: Scene): Promise<void> {
  const world = await openWorld();
  const { db, server } = world;
  for (let file = 0; file < FILES; file++) world.put(`in/${file}.csv`, csv(file));
  // The first attempt at the first file gets a passing error for longer than one attempt waits.
  const trouble = server.faults.order({
    operation: 'GetObject',
    key: 'in/0.csv',
    error: { status: 503, code: 'SlowDown' },
    times: point === 'after record_failure' ? 1000 : 0,
  });
  await db.query('create table landed (file integer, n integer, pad text, file_id bigint)');
  // One file at a time, so that it is the first file that has reached the point.
  const doomed = await world.startWorker({ WORKER_CONCURRENCY: '1', FAULT_POINT: point });
  await world.insertConnector({
    name: 'doomed',
    pattern: 'in/*',
    target_table: 'landed',
    file_id_column: 'file_id',
    schedule: EACH_MINUTE,
  });
  assert.equal((await doomed.ended()).signal, 'SIGKILL');
  trouble.cancel();

  await db.waitFor(
    "select from pg_stat_activity where datname = current_database() and application_name like 's3_connector %'",
    (sessions) => sessions.length === 0,
  );
  const { status, ...counts } = await db.one<{ status: string | null }>(
    `select (select status from s3_connector.files order by key limit 1) as status,
      (select count(*) from s3_connector.files) as files, (select count(*) from landed) as rows`,
  );
  const begun = scene.orRunning && status === 'running';
  assert.equal(begun ? scene.status : status, scene.status);
  assert.deepEqual(counts, { files: scene.files, rows: scene.rows });
  if (!begun) assert.equal((await world.spooled()).length > 0, scene.spooled);
  // The dead worker still holds its job. It may also hold the poll's, whose end is written while the next job runs.
  const task = ['after list', 'after enqueue'].includes(point) ? 'poll' : 'import_file';
  assert.deepEqual(
    await db.query(
      'select from s3_connector_queue.jobs where locked_at is not null and task_identifier = $1',
      [task],
    ),
    [{}],
  );

  const heir = await world.startWorker();
  const files = await withJobsDue(db, () => world.settled('doomed'));
  assert.equal(files.length, FILES);
  await assertExactlyOnce(db, { connector: 'doomed', table: 'landed', rowsOf: () => ROWS });
  await assertAtRest(db);
  await heir.end('SIGTERM');
  await world.spoolEmptied();
}
