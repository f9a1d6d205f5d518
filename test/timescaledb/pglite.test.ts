import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Trials } from '../../src/copy/trials.ts';
import type { ReadConnector } from '../../src/db/schema.ts';
import { rowBytes } from '../../src/formats/row_bytes.ts';
import type { TargetTable } from '../../src/table/table.ts';
import { parquetOf } from '../support/parquet.ts';
import { openPglite } from '../support/pglite.ts';
import { CONNECTOR, openPartImports } from './part_imports.ts';
import { testSortedRuns } from './sorted_runs.ts';

// The SQL that creates and fills hypertables, where no server has TimescaleDB: our own functions on PGlite, which
// runs in this process. A whole import needs a server with TimescaleDB (the other files here).
const { client, query, close } = await openPglite([
  '1_checks/names.sql',
  '3_worker/target.sql',
  '3_worker/refuse_target.sql',
  '3_worker/columnstore.sql',
  '3_worker/answers.sql',
]);
const imports = await openPartImports(client);
const { importFile } = imports;
const { signal } = new AbortController();
after(async () => {
  await imports.close();
  await close();
});

const ROWS = 4000;

test('a hypertable is created from a file and takes its rows in binary form', async () => {
  assert.deepEqual(await importFile('plain', await readings(), {}), {
    read: ROWS,
    imported: ROWS,
    rejected: 0,
    skipped: 0,
  });
  assert.deepEqual(
    await query(
      "select column_name, time_interval::text from timescaledb_information.dimensions where hypertable_name = 'plain'",
    ),
    [{ column_name: 'at', time_interval: '7 days' }],
  );
  assert.deepEqual(
    await query('select count(*)::integer as n, count(distinct file_id)::integer as files from plain'),
    [{ n: ROWS, files: 1 }],
  );
});

test('rows for existing chunks are merged into compressed chunks', async () => {
  await importFile('merged', await readings(), { columnstore: true, segment_by: ['device'] });
  await query('create unique index on merged (at, device)');
  await query("select compress_chunk(c, true) from show_chunks('merged') c");
  const again = await importFile('merged', await readings(2), { on_conflict: 'update' }, 2);
  assert.deepEqual(again, { read: ROWS, imported: ROWS, rejected: 0, skipped: 0 });
  assert.deepEqual(
    await query('select file_id::integer as file, count(*)::integer as n from merged group by 1 order by 1'),
    [
      { file: 1, n: (ROWS * 3) / 4 },
      { file: 2, n: ROWS },
    ],
  );
  const third = await importFile('merged', await readings(), { on_conflict: 'skip' }, 3);
  assert.deepEqual(third, { read: ROWS, imported: 0, rejected: 0, skipped: ROWS });
});

test('a TimescaleDB that is too old takes rows uncompressed', async () => {
  const [row] = await query('select s3_connector_import.can_compress_directly() as can');
  assert.deepEqual(row, { can: false });
  await importFile('old', await readings(), { columnstore: true, segment_by: ['device'] });
  assert.deepEqual(await compressed('old'), [{ is_compressed: false }]);
});

test('files go directly into the columnstore, sorted', async () => {
  // As if it were recent enough: its errors concern values that these tables do not have.
  await query(
    'create or replace function s3_connector_import.can_compress_directly() returns boolean language sql as $$select true$$',
  );
  for (const id of [1, 2]) {
    const settings = { columnstore: true, segment_by: ['device'] };
    const counts = await importFile('direct', await readings(), settings, id);
    assert.deepEqual(counts, { read: ROWS, imported: ROWS, rejected: 0, skipped: 0 });
    const [state] = await query<{ states: string[] }>(
      "select array_agg(distinct _timescaledb_functions.chunk_status_text(c)::text) as states from show_chunks('direct') c",
    );
    assert.deepEqual(state?.states, [id === 1 ? '{COMPRESSED}' : '{COMPRESSED,UNORDERED}']);
  }
  assert.deepEqual(await compressed('direct'), [{ is_compressed: true }]);
  assert.deepEqual(
    await query('select device, at, value from direct order by device, at desc'),
    await query('select * from (select device, at, value from direct offset 0) d order by device, at desc'),
  );
});

// PGlite's list of locks names no sessions, so nothing tells what a transaction has written.
testSortedRuns(imports, '{COMPRESSED,UNORDERED}');

test('a test of rows inserts nothing into a hypertable, and fails where a row fails', async () => {
  await query(
    "create table probed (at timestamptz not null, value integer); select create_hypertable('probed', by_range('at'))",
  );
  const trials = new Trials({ client, connector: CONNECTOR as unknown as ReadConnector, signal });
  const columns = [{ name: 'at' }, { name: 'value' }] as TargetTable['columns'];
  const probe = (rows: string) =>
    trials.probe(
      { mayLeaveOut: false, table: 'public.probed', columns },
      { options: 'format csv', unit: 'line', lineOf: (line) => line, data: rowBytes(Buffer.from(rows), 0) },
    );
  await query('begin');
  await probe('2026-01-01,1\n2026-01-02,2\n');
  await assert.rejects(probe('2026-01-01,1\n2026-01-02,two\n'), {
    code: 'bad_value',
    line: 2,
    column: 'value',
  });
  await probe('2026-01-01,1\n');
  await trials.undoFailed();
  assert.deepEqual(await query('select from probed'), []);
  await query('commit');
});

const CHANGES: Partial<ReadConnector> = {
  change_column: 'Op',
  change_values: 'dms',
  change_map: { I: 'insert', U: 'update', D: 'delete' },
  file_id_column: null,
  file_key_column: null,
  line_column: null,
};

test('files that change rows are merged into a hypertable, chunk by chunk; one with a columnstore is refused', async () => {
  await query(`create table changed (at timestamptz, device text, value float8, primary key (device, at));
    select create_hypertable('changed', by_range('at', interval '7 days'));
    insert into changed select '2026-01-01Z'::timestamptz + i * interval '1 day', 'a', 0 from generate_series(0, 29) i`);
  const body = await parquetOf(
    `select case i % 3 when 0 then 'I' when 1 then 'U' else 'D' end as Op,
      timestamptz '2026-01-01 00:00:00Z' + to_days(i::integer) as at, case i % 3 when 0 then 'b' else 'a' end as device, i::double as value
     from range(30) r(i)`,
  );
  const counts = await importFile('changed', body, CHANGES);
  assert.deepEqual(counts.changes, { inserted: 10, updated: 10, deleted: 10 });
  assert.deepEqual(
    await query(
      'select device, count(*)::int, count(*) filter (where value > 0)::int as changed from changed group by device order by device',
    ),
    [
      { device: 'a', count: 20, changed: 10 },
      { device: 'b', count: 10, changed: 9 },
    ],
  );

  const refusal = () =>
    query(
      "select code, message, hint from s3_connector_import.refuse_target('public', 'changed', 'postgres', 'apply_changes', false)",
    );
  assert.deepEqual(await refusal(), [{ code: null, message: null, hint: null }]);
  await query("alter table changed set (timescaledb.compress, timescaledb.compress_segmentby = 'device')");
  const [refused] = (await refusal()) as { code: string; message: string }[];
  assert.equal(refused!.code, 'target_takes_no_changes');
  assert.match(refused!.message, /is a hypertable with a columnstore/);
});

/** A row every so many minutes, for the two devices in turn. */
function readings(minutes = 1): Promise<Buffer> {
  return parquetOf(
    `select timestamptz '2026-01-01 00:00:00Z' + to_minutes(i * ${minutes}) as at, 'device ' || i % 2 as device, i / 4 as value
     from range(${ROWS}) r(i)`,
  );
}

function compressed(table: string) {
  return query(
    'select distinct is_compressed from timescaledb_information.chunks where hypertable_name = $1',
    [table],
  );
}
