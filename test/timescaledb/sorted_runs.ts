/** Tests of rows that go into the columnstore in sorted runs. A run has some 200 rows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import type { PartImports } from './part_imports.ts';

const ROWS = 4000;
const SORTED = { columnstore: true, segment_by: ['device'], order_by: ['at desc'] };
const UNORDERED = '{COMPRESSED,UNORDERED}';

/** @param declared the states of chunks that one file alone filled in order */
export function testSortedRuns({ importFile, query }: PartImports, declared: string): void {
  for (const [name, { minute, states }] of Object.entries({
    'in the order of time': { minute: (i: number) => Math.floor(i / 3), states: [declared] },
    'in any order': { minute: (i: number) => (i * 7919) % 1000, states: [UNORDERED] },
  })) {
    test(`a CSV with rows ${name} goes directly into the columnstore, in sorted runs`, async () => {
      const table = `csv_${name.replaceAll(' ', '_')}`;
      const body = csvOf(minute);
      const counts = await importFile(table, body, SORTED, 1, 'csv');
      assert.deepEqual(counts, { read: ROWS, imported: ROWS, rejected: 0, skipped: 0 });
      assert.deepEqual(await statesOf(table), states);
      await assertOrdered(table);
      await importFile(`${table}_plain`, body, {}, 1, 'csv');
      const rows = (of: string) =>
        query(`select device, at, value from ${of} order by device nulls last, at, value`);
      assert.deepEqual(await rows(table), await rows(`${table}_plain`));
      // A batch for each run of 200 rows and more, device and chunk.
      const batches = (await query(await batchesOf(table))).length;
      assert.ok(batches <= (ROWS / 200) * 5 * 3, `${batches} batches`);
    });
  }

  for (const [name, { minute, inRuns }] of Object.entries({
    'in the order of time': { minute: 'i // 3', inRuns: true },
    'in any order': { minute: '(i * 7919) % 1000', inRuns: false },
  })) {
    test(`a Parquet file with row groups ${name} is sorted ${inRuns ? 'in runs' : 'as a whole'}`, async () => {
      const table = `parquet_${name.replaceAll(' ', '_')}`;
      const body = await parquetOf(
        `select timestamptz '2026-01-01 00:00:00Z' + to_minutes(20 * (${minute})) as at,
           case when i % 5 > 0 then 'device ' || i % 4 end as device, (i * 31) % 997 as value from range(${ROWS}) r(i)`,
        ', row_group_size 2048',
      );
      const counts = await importFile(table, body, SORTED);
      assert.deepEqual(counts, { read: ROWS, imported: ROWS, rejected: 0, skipped: 0 });
      assert.deepEqual(await statesOf(table), [inRuns ? declared : '{COMPRESSED}']);
      await assertOrdered(table);
      await importFile(`${table}_plain`, body, {});
      const rows = (of: string) =>
        query(`select device, at, value from ${of} order by device nulls last, at, value`);
      assert.deepEqual(await rows(table), await rows(`${table}_plain`));
      // A batch for each device of a run and a chunk, or of a chunk.
      const batches = (await query(await batchesOf(table))).length;
      assert.equal(batches > 60, inRuns, `${batches} batches`);
    });
  }

  test('rows that only PostgreSQL can parse end the order of the chunks that they go to', async () => {
    const body = csvOf((i) => Math.floor(i / 3))
      .toString()
      .split('\n');
    // Makes the table, with a number.
    await importFile('csv_raw', Buffer.from('at,device,value\n2020-01-01T00:00:00Z,a,1\n'), SORTED, 1, 'csv');
    // The server alone reads this as a number.
    body[ROWS / 2] = body[ROWS / 2]!.replace(/,([^,]*)$/, ', $1 ');
    await importFile('csv_raw', Buffer.from(body.join('\n')), SORTED, 2, 'csv');
    // Those with earlier rows only stay as they are.
    assert.ok((await statesOf('csv_raw')).includes(UNORDERED));
    await assertOrdered('csv_raw');
    assert.deepEqual(await query('select count(*)::int as n from csv_raw'), [{ n: ROWS + 1 }]);
  });

  test('a bad row of a CSV that is sorted is reported with its line', async () => {
    const body = csvOf((i) => Math.floor(i / 3))
      .toString()
      .split('\n');
    body[3000] = 'no time,a,1';
    await importFile('csv_bad', Buffer.from(body.slice(0, 10).join('\n')), SORTED, 1, 'csv');
    await assert.rejects(importFile('csv_bad', Buffer.from(body.join('\n')), SORTED, 2, 'csv'), {
      code: 'bad_value',
      line: 3001,
      column: 'at',
    });
    await query('rollback');
  });

  test('a second file in the same chunks leaves them unordered', async () => {
    const times = (first: number) => (i: number) => first + Math.floor(i / 3);
    await importFile('csv_second', csvOf(times(0)), SORTED, 1, 'csv');
    await importFile('csv_second', csvOf(times(700)), SORTED, 2, 'csv');
    assert.ok((await statesOf('csv_second')).includes(UNORDERED));
    await assertOrdered('csv_second');
  });

  /** Returns the states of the chunks of 2026. */
  async function statesOf(table: string): Promise<string[]> {
    const found = await query<{ state: string }>(
      `select distinct _timescaledb_functions.chunk_status_text(c)::text as state
       from show_chunks('${table}', newer_than => timestamptz '2025-12-01Z') c order by 1`,
    );
    return found.map(({ state }) => state);
  }
  /** Compares ordered results with those of queries that do not use the columnstore's order. */
  async function assertOrdered(table: string): Promise<void> {
    for (const order of ['at desc', 'at', 'device, at desc', 'device nulls first, at']) {
      assert.deepEqual(
        await query(`select at from ${table} order by ${order}`),
        await query(`select at from (select * from ${table} offset 0) d order by ${order}`),
        order,
      );
    }
  }

  /** Returns a query for a row of each batch of a table. */
  async function batchesOf(table: string): Promise<string> {
    const parts = await query<{ part: string }>(
      `select compress_relid::text as part from _timescaledb_catalog.compression_settings
     where relid in (select show_chunks('${table}')) and compress_relid is not null`,
    );
    return parts.map(({ part }) => `select 1 from ${part}`).join(' union all ');
  }
}

/** Rows with some times that are equal, and some null devices. */
function csvOf(minute: (row: number) => number): Buffer {
  const rows = Array.from({ length: ROWS }, (_, i) => {
    const at = new Date(Date.UTC(2026, 0, 1) + minute(i) * 60_000 * 20).toISOString();
    return `${at},${i % 5 === 0 ? '' : `device ${i % 4}`},${(i * 31) % 997}\n`;
  });
  return Buffer.from(`at,device,value\n${rows.join('')}`);
}
