import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withJobsDue } from '../faults/clock.ts';
import { assertAtRest, assertExactlyOnce } from '../faults/exactly_once.ts';
import { EACH_MINUTE, openWorld } from '../support/world.ts';
import { FILES, insertFiles, ROWS } from './files.ts';

/** The points within a bundle, and whether its rows are committed there. */
const POINTS: [point: string, committed: boolean][] = [
  ['after begin_attempt', false],
  ['amid copy_rows', false],
  ['before record_bundle', false],
  ['after record_bundle', true],
];

// Each in its own world, because a worker with a kill point is killed by any connector's file there.
describe('a worker is killed in the middle of a bundle', { concurrency: 2 }, () => {
  for (const [point, committed] of POINTS) {
    test(`${point}, and the next one imports everything once`, () => dieAt(point, committed));
  }
});

async function dieAt(point: string, committed: boolean): Promise<void> {
  const world = await openWorld();
  const { db } = world;
  const doomed = await world.startWorker({ WORKER_CONCURRENCY: '1', FAULT_POINT: point });
  await insertFiles(world, 'doomed', { schedule: EACH_MINUTE });
  assert.equal((await doomed.ended()).signal, 'SIGKILL');
  await db.waitFor(
    "select from pg_stat_activity where datname = current_database() and application_name like 's3_connector %'",
    (sessions) => sessions.length === 0,
  );
  assert.deepEqual(
    await db.query('select status, count(*)::integer as files from s3_connector.files group by 1'),
    [{ status: committed ? 'success' : 'running', files: FILES }],
  );
  assert.deepEqual(await db.one('select count(*)::integer as rows from doomed'), {
    rows: committed ? FILES * ROWS : 0,
  });

  const heir = await world.startWorker({ WORKER_CONCURRENCY: '1' });
  const files = await withJobsDue(db, () => world.settled('doomed'));
  // A file that ended a worker would end the next one, too, with its bundle. So each is tried alone.
  assert.deepEqual(new Set(files.map(({ attempts }) => attempts)), new Set([committed ? 1 : 2]));
  await assertExactlyOnce(db, { connector: 'doomed', table: 'doomed', rowsOf: () => ROWS });
  await assertAtRest(db);
  await heir.end('SIGTERM');
  assert.deepEqual(await world.spooled(), []);
}
