import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
const available = await db.query("select from pg_available_extensions where name = 'timescaledb'");
/** By default TimescaleDB refuses a DELETE that would decompress more than 100,000 rows. */
const ROWS = 120_000;

describe('a file whose rows are in compressed chunks', {
  skip: available.length === 0 && 'this server has no TimescaleDB (TEST_POSTGRES_BIN_DIR names one that has)',
}, () => {
  before(async () => {
    await db.query('create extension if not exists timescaledb');
    await world.startWorker();
  });

  test('is undone, imported again, and replaced when its object is overwritten', async () => {
    // The files' rows alternate, so that every batch of a chunk has rows of both files.
    const rows = (file: number) =>
      Array.from(
        { length: ROWS },
        (_, n) => `${new Date(Date.UTC(2026, 0, 1) + (2 * n + file) * 1000).toISOString()},${n}`,
      );
    for (const file of [1, 2]) world.put(`packed/${file}.csv`, `at,n\n${rows(file).join('\n')}\n`);
    await world.insertConnector({
      name: 'packed',
      pattern: 'packed/*',
      target_table: 'packed',
      file_id_column: 'file_id',
    });
    await world.settled('packed');
    await db.query('alter table packed set (timescaledb.compress)');
    const compress =
      "select count(compress_chunk(chunk, if_not_compressed => true)) as n from show_chunks('packed') chunk";
    assert.ok((await db.one<{ n: number }>(compress)).n > 0);

    const session = await db.connect();
    const limit = () => session.query('show timescaledb.max_tuples_decompressed_per_dml_transaction');
    await session.query('begin');
    const before = (await limit()).rows;
    const { rows: undone } = await session.query(
      "select s3_connector.undo_file('packed', 'packed/1.csv') as deleted",
    );
    assert.deepEqual((await limit()).rows, before);
    await session.query('commit');
    assert.equal(undone[0].deleted, ROWS);
    const counts = 'select count(*) as n, count(distinct file_id) as files from packed';
    assert.deepEqual(await db.one(counts), { n: ROWS, files: 1 });

    await db.query(
      "select s3_connector.reimport_file('packed', key) from s3_connector.files where connector_name = 'packed'",
    );
    await world.settled('packed');
    assert.deepEqual(await db.one(counts), { n: 2 * ROWS, files: 2 });

    await db.query(compress);
    world.put('packed/1.csv', `at,n\n${rows(1).slice(1).join('\n')}\n`);
    await db.query("call s3_connector.audit('packed')");
    assert.deepEqual(await db.query("select s3_connector.import_late('packed') as files"), [{ files: 1 }]);
    const [replaced] = await world.settled('packed');
    assert.equal(replaced!.status, 'success', replaced!.error_message ?? '');
    assert.deepEqual(await db.one(counts), { n: 2 * ROWS - 1, files: 2 });
  });
});
