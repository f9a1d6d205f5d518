import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { withJobsDue } from '../faults/clock.ts';
import { openWorld } from '../support/world.ts';
import { arbitraryHistory, csvOf, DEFAULT_W, replay, type Variant } from './history.ts';

const seed = Number(process.env.CHANGES_SEED ?? 1);
const FILES = 5;
const HISTORIES = 40;
const VARIANT: Variant = { name: 'killed', sequence: 'table', badRows: false };
const POINTS = ['after begin_attempt', 'amid copy_rows', 'before record_success', 'after record_success'];

// Each in its own world: a worker with a fault point is killed at every file.
describe('workers are killed while files change rows', { concurrency: 2 }, () => {
  for (const point of POINTS) {
    test(`${point}, twice: the table equals the replay in key order`, async (t) => {
      t.diagnostic(`CHANGES_SEED=${seed}`);
      const world = await openWorld();
      const { db } = world;
      const histories = fc.sample(arbitraryHistory(VARIANT, FILES), { seed, numRuns: HISTORIES });
      for (let file = 0; file < FILES; file++)
        world.put(
          `killed/${file}`,
          csvOf(
            VARIANT,
            histories.map((history) => history[file]!),
            false,
          ),
        );
      await db.query(
        `create table killed (h integer, id integer, v integer, w text default '${DEFAULT_W}', seq bigint, primary key (h, id))`,
      );
      const first = await world.startWorker({ FAULT_POINT: point });
      await world.insertConnector({
        name: 'killed',
        pattern: 'killed/*',
        target_table: 'killed',
        change_column: 'Op',
        change_values: 'dms',
        sequence_column: 'seq',
        max_attempts: 100,
      });
      assert.equal((await first.ended()).signal, 'SIGKILL');
      // After a commit, the worker may have begun the next file.
      const { running } = await db.one<{ running: number }>(
        "select count(*) as running from s3_connector.files where status = 'running'",
      );
      assert.ok(running <= 1, String(running));
      // Housekeeping frees what the dead worker held.
      await withJobsDue(db, async () => {
        // It may die before it is ready.
        const second = world.spawnWorker({ FAULT_POINT: point });
        assert.equal((await second.ended()).signal, 'SIGKILL');
        await world.startWorker();
        const files = await world.settled('killed');
        assert.deepEqual(
          files.map(({ status, error_message }) => error_message ?? status),
          Array(FILES).fill('success'),
        );
      });
      const expected = histories.flatMap((history, h) =>
        replay(VARIANT, history, () => false).map((row) => ({ h, ...row })),
      );
      assert.deepEqual(await db.query('select h, id, v, w, seq::int from killed order by h, id'), expected);
    });
  }
});
