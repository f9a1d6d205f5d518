import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';
import { withJobsDue } from './clock.ts';
import { assertAtRest, assertExactlyOnce } from './exactly_once.ts';

const ROWS = 20_000;

/** What is harmed in the first attempt, in which format, and its error. */
const HARMED: [point: string, format: 'parquet' | 'csv', code: string][] = [
  ['kill_reader', 'parquet', 'reader_crashed'],
  ['break_pipe', 'parquet', 'reader_crashed'],
  ['kill_encoder', 'csv', 'encoder_crashed'],
];

const lines = Array.from({ length: ROWS }, (_, n) => `0,${n},row ${n}`);
const BODIES = {
  parquet: await parquetOf(`select 0 as file, range as n, 'row ' || range as w from range(${ROWS})`),
  csv: `file,n,w\n${lines.join('\n')}\n`,
};

// Each in its own world, because the harm is done to the first file that is read there.
describe('a reader is harmed, and the next attempt imports everything once', { concurrency: 3 }, () => {
  for (const [point, format, code] of HARMED) {
    test(point, async () => {
      const world = await openWorld();
      const { db } = world;
      await db.query('create table landed (file integer, n bigint, w text, file_id bigint)');
      world.put('in/1', BODIES[format]);
      await world.startWorker({ FAULT_POINT: `at ${point}`, ENCODE_CSV_FROM_BYTES: '1000' });
      await world.insertConnector({
        name: 'harmed',
        pattern: 'in/*',
        file_format: format,
        target_table: 'landed',
        file_id_column: 'file_id',
      });
      const [file] = await withJobsDue(db, () => world.settled('harmed'));
      assert.deepEqual([file!.status, file!.attempts], ['success', 2]);
      const [failed] = await db.query<{ message: string }>(
        "select message from s3_connector.file_history where to_status = 'pending_retry'",
      );
      assert.match(failed!.message, new RegExp(`^${code}: `));
      await assertExactlyOnce(db, { connector: 'harmed', table: 'landed', rowsOf: () => ROWS });
      await assertAtRest(db);
    });
  }
});
