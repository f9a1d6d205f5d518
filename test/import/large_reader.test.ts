import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// A Parquet file that does not fit into the memory of a reader is read again in the large reader.

const world = await openWorld();
const { db } = world;
afterEach(() => world.stopWorkers());

/** DuckDB needs more than 64 MB for 2,048 rows of it, and less than 512 MB: a null struct takes as much as any other. */
const FIELDS = Array.from(
  { length: 80 },
  (_, i) => `f${i}: ${i === 0 ? "'product ' || h" : 'null::varchar'}`,
);
const WIDE = `select i as id, list_transform(range(8), lambda h: case when i = 7 then {${FIELDS.join(', ')}} end) as products
  from range(2048) r(i)`;

test('wide nested columns load, though a reader has too little memory for them', async () => {
  const worker = await world.startWorker({ READER_MEMORY_MB: '64', LARGE_READER_MEMORY_MB: '512' });
  const body = await parquetOf(WIDE);
  for (const key of ['1', '2']) world.put(`wide/${key}`, body);
  await world.insertConnector({
    name: 'wide',
    pattern: 'wide/*',
    target_table: 'wide',
    file_format: 'parquet',
    file_id_column: 'file_id',
  });
  for (const file of await world.settled('wide'))
    assert.deepEqual([file.status, file.attempts], ['success', 1], file.error_message ?? '');
  assert.equal(worker.lines.filter(({ event }) => event === 'imported again').length, 2);
  assert.deepEqual(
    await db.query(
      "select count(*), count(distinct file_id) as files, sum(id)::int, sum((products #>> '{7,f0}' = 'product 7')::int)::int as equal from wide",
    ),
    [{ count: 4096, files: 2, sum: 2047 * 2048, equal: 2 }],
  );
  await db.query("call s3_connector.dry_run_file('wide', 'wide/1')");
});

test('a file that does not fit into the large reader fails, and names the setting', async () => {
  await world.startWorker({ READER_MEMORY_MB: '64', LARGE_READER_MEMORY_MB: '80' });
  const file = await world.importFile('too_wide', await parquetOf(WIDE), { file_format: 'parquet' });
  assert.deepEqual([file.status, file.error_code, file.attempts], ['failure', 'out_of_memory', 1]);
  assert.match(file.error_message!, /LARGE_READER_MEMORY_MB/);
});
