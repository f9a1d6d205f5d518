import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { DataFault } from '../../src/data_faults.ts';
import { parquetOf } from '../support/parquet.ts';
import { type FileRow, openWorld } from '../support/world.ts';

// Between the file and the table, rows pass through DuckDB, processes, threads and COPY. Each of them is made to lose rows,
// or to count them wrongly: no file may succeed with wrong rows.
// Not detectable, and so not tested: bytes of a CSV in another order, and conflicts that a merge reports as skipped.

const world = await openWorld();
const { db } = world;
const directory = await mkdtemp(join(tmpdir(), 'lies-'));
after(() => rm(directory, { recursive: true, force: true }));
// The reader of a worker that runs as root is another user.
await chmod(directory, 0o755);
const ordersFile = join(directory, 'lie.json');
const order = (lie: DataFault | { place: null }) => writeFile(ordersFile, JSON.stringify(lie));

const ENCODED_FROM = 1_000_000;
/** Twenty of DuckDB's chunks, and more than one of every other unit. */
const ROWS = 40_000;
const parquet = await parquetOf(`select i as id, md5(i::varchar) as t from range(${ROWS}) r(i)`);
const withBadRow = await parquetOf(
  `select i as id, case when i = 30000 then 'a' || chr(0) else md5(i::varchar) end as t from range(${ROWS}) r(i)`,
);
const csv = (rows: number, badRow = -1) =>
  `id,t\n${Array.from({ length: rows }, (_, i) => `${i === badRow ? 'x' : i},${i}\n`).join('')}`;

/** A data path of the program, with its connector; on_bad_row leaves a bad row out. */
interface Way {
  body: Buffer | string;
  columns: Record<string, string>;
  rows: number;
  badRow?: number;
  table?: string;
}

const CSV_ROWS = 20_000;
const ENCODED_ROWS = 100_000;
const WAYS: Record<string, Way> = {
  parquet_binary: { body: parquet, rows: ROWS, columns: { file_format: 'parquet' } },
  parquet_text: {
    body: parquet,
    rows: ROWS,
    columns: { file_format: 'parquet' },
    table: 'id numeric, t text',
  },
  parquet_skip: {
    body: withBadRow,
    rows: ROWS,
    badRow: 30_000,
    columns: { file_format: 'parquet', on_bad_row: 'skip' },
  },
  parquet_transform: {
    body: parquet,
    rows: ROWS,
    columns: { file_format: 'parquet', transform: 'select id, t from file where id >= 0' },
  },
  csv: { body: csv(CSV_ROWS), rows: CSV_ROWS, columns: {} },
  csv_skip: { body: csv(CSV_ROWS, 9_000), rows: CSV_ROWS, badRow: 9_000, columns: { on_bad_row: 'skip' } },
  csv_encoded: { body: csv(ENCODED_ROWS), rows: ENCODED_ROWS, columns: {} },
  csv_merged: {
    body: csv(CSV_ROWS),
    rows: CSV_ROWS,
    columns: { on_conflict: 'update' },
    table: 'id bigint primary key, t text',
  },
};

before(async () => {
  await order({ place: null });
  await world.startWorker({ DATA_FAULT_FILE: ordersFile, ENCODE_CSV_FROM_BYTES: String(ENCODED_FROM) });
  for (const [name, { columns, table, body }] of Object.entries(WAYS)) {
    await db.query(`create table ${name} (${table ?? 'id bigint, t text'}, file_id bigint)`);
    await world.insertConnector({
      name,
      pattern: `${name}/*`,
      target_table: name,
      file_id_column: 'file_id',
      max_attempts: 1,
      ...columns,
    });
    world.put(`${name}/000`, body);
    const [file] = await world.pollAndSettle(name);
    await assertTrue(name, file!);
    assert.equal(file!.status, 'success', `${name} without a lie: ${file!.error_message}`);
  }
});

/** A success has each row of its file once and reports so; every other file has none. */
async function assertTrue(name: string, file: FileRow): Promise<void> {
  const { rows, badRow } = WAYS[name]!;
  const landed = await db.one<{ rows: number; ids: number; sum: number }>(
    `select count(*)::int as rows, count(distinct id)::int as ids, coalesce(sum(id), 0)::float8 as sum from ${name}
      where file_id = (select id from s3_connector.files where connector_name = $1 and key = $2)`,
    [name, file.key],
  );
  const bad = badRow === undefined ? 0 : 1;
  const good = rows - bad;
  const sum = (rows * (rows - 1)) / 2 - (badRow ?? 0);
  if (file.status === 'success')
    assert.deepEqual(
      [landed, file.rows_read, file.rows_imported, file.rows_rejected, file.rows_skipped],
      [{ rows: good, ids: good, sum }, rows, good, bad, 0],
    );
  else assert.deepEqual({ ...landed }, { rows: 0, ids: 0, sum: 0 }, file.error_message ?? '');
}

const streams = (place: DataFault['place'], kinds: DataFault['kind'][], items: number) => ({
  weight: 3,
  arbitrary: fc.record({ place: fc.constant(place), kind: fc.constantFrom(...kinds), at: fc.nat(items - 1) }),
});
const counts = (place: DataFault['place']) => ({
  weight: 1,
  arbitrary: fc.record({
    place: fc.constant(place),
    kind: fc.constant<DataFault['kind']>('count'),
    at: fc.integer({ min: -3, max: 3 }).filter((by) => by !== 0),
  }),
});
const ofCopy = [counts('given'), counts('taken')];
const ofParquet = [streams('chunks', ['cut', 'drop', 'repeat', 'swap'], 20), counts('answer'), ...ofCopy];
const ofCsv = [streams('bytes', ['cut', 'drop', 'repeat'], 3), ...ofCopy];
const LIES = {
  parquet_binary: ofParquet,
  parquet_text: ofParquet,
  parquet_skip: ofParquet,
  parquet_transform: ofParquet,
  csv: ofCsv,
  csv_skip: ofCsv,
  csv_encoded: [streams('sections', ['cut', 'drop', 'repeat', 'swap'], 5), ...ofCsv],
  csv_merged: [counts('merged'), ...ofCsv],
} as Record<string, fc.WeightedArbitrary<DataFault>[]>;
const lies = fc
  .constantFrom(...Object.keys(LIES))
  .chain((way) => fc.oneof(...LIES[way]!).map((lie) => ({ way, lie })));

const RUNS = Number(process.env.LIES_ROUNDS ?? 16);
const SEED = Number(process.env.LIES_SEED ?? 11);

test('no file succeeds with wrong rows after false data at any step', async (t) => {
  let count = 0;
  const ends: string[] = [];
  await fc.assert(
    fc.asyncProperty(lies, async ({ way, lie }) => {
      const key = `${way}/${String(++count).padStart(3, '0')}`;
      await order(lie);
      world.put(key, WAYS[way]!.body);
      const file = (await world.pollAndSettle(way)).at(-1)!;
      assert.equal(file.key, key);
      ends.push(`${way} ${lie.place} ${lie.kind} ${lie.at}: ${file.error_code ?? file.status}`);
      await assertTrue(way, file);
    }),
    { numRuns: RUNS, seed: SEED, endOnFailure: true },
  );
  t.diagnostic(ends.join('\n'));
  const noticed = ends.filter((end) => !end.endsWith('success')).length;
  assert.ok(noticed > ends.length / 2, `${noticed} of ${ends.length} lies were noticed`);
});
