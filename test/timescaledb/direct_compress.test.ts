import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerProcess } from '../support/worker.ts';
import { type ConnectorColumns, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
const [available] = await db.query<{ version: string }>(
  "select default_version as version from pg_available_extensions where name = 'timescaledb'",
);
const tableOption = available !== undefined && Number(available.version.split('.')[1]) >= 29;

/** The ways to make every COPY compress directly, independent of the connector: a table's option, and a database's setting. */
const WAYS: Record<string, { skip?: string | false; option?: string; setting?: 'on' }> = {
  'a table with tsdb.direct_compress': {
    option: ', tsdb.direct_compress',
    skip: !tableOption && 'TimescaleDB before 2.29 has no such option',
  },
  'a database with enable_direct_compress_copy': { setting: 'on' },
};

/** Connectors whose files are written to the table in different ways. A bad first row sends the rows after it one by one. */
const CONNECTORS: Record<string, { columns: object; bad?: string }> = {
  plain: { columns: {} },
  tolerant: { columns: { on_bad_row: 'skip' }, bad: 'no time,bad\n' },
  columnstore: { columns: { columnstore: true } },
};

describe('if TimescaleDB compresses during COPY', {
  skip: !available && 'this server has no TimescaleDB (TEST_POSTGRES_BIN_DIR names one that has)',
}, () => {
  before(async () => {
    await db.query('create extension if not exists timescaledb');
    await db.asSuperuser('select _timescaledb_functions.stop_background_workers()');
  });

  for (const [way, { option = '', setting = 'off', skip = false }] of Object.entries(WAYS)) {
    describe(way, { skip }, () => {
      let worker: WorkerProcess;
      before(async () => {
        await db.asSuperuser(
          `alter database ${db.name} set timescaledb.enable_direct_compress_copy = ${setting}`,
        );
        worker = await world.startWorker();
      });
      after(() => worker.end('SIGTERM'));

      for (const [name, { columns, bad = '' }] of Object.entries(CONNECTORS)) {
        test(`rows that other sessions insert meanwhile stay visible: ${name}`, async () => {
          const table = `${name}_${setting}`;
          await db.query(`create table ${table} (at timestamptz not null, note text)
            with (tsdb.hypertable, tsdb.segmentby = 'note'${option})`);
          world.put(`${table}/1.csv`, `at,note\n${bad}2026-01-05T00:00:01Z,a2\n2026-03-05T00:00:01Z,b2\n`);
          const [one, another] = [await db.connect(), await db.connect()];
          await one.query(`begin; insert into ${table} values ('2026-01-05', 'a1')`);
          await world.insertConnector(connector(table, columns));
          await waiting('import_file', 1);
          // Creates the second chunk as soon as the import has found the first, and the import waits for that one, too.
          const inserted = another.query(`begin; insert into ${table} values ('2026-03-05', 'b1')`);
          await waiting('', 2);
          await one.query('commit');
          await inserted;
          await waiting('import_file', 1);
          await another.query('commit');
          const [file] = await world.settled(table);
          assert.deepEqual([file!.status, file!.rows_imported], ['success', 2], file!.error_message ?? '');
          assert.deepEqual(
            (await db.query(`select note from ${table} order by at`)).map(({ note }) => note),
            ['a1', 'a2', 'b1', 'b2'],
          );
          const refused = 'select from s3_connector.rejected_rows where connector_name = $1';
          assert.equal((await db.query(refused, [table])).length, bad ? 1 : 0);
        });
      }
    });
  }

  for (const [call, left] of Object.entries({ undo_file: 0, reimport_file: 5000 })) {
    test(`${call} deletes a file's rows from a chunk that is being compacted`, {
      skip: !tableOption && 'TimescaleDB before 2.29 has no compaction',
    }, async () => {
      const worker = await world.startWorker();
      await db.query(`create table ${call} (at timestamptz not null, note text, file_id bigint)
        with (tsdb.hypertable, tsdb.segmentby = 'note', tsdb.direct_compress)`);
      for (const n of [1, 2]) world.put(`${call}/${n}.csv`, `at,note\n${rows('2026-01-05', 5000, 3)}`);
      await world.insertConnector(connector(call, { file_id_column: 'file_id' }));
      await world.settled(call);
      const { chunk, store } = await db.one<{ chunk: string; store: string }>(
        `select relid::regclass::text as chunk, compress_relid::regclass::text as store
         from _timescaledb_catalog.compression_settings where relid in (select show_chunks('${call}'))`,
      );
      const [compacting, holding] = [await db.connect(), await db.connect()];
      // With another session's lock on the columnstore, the compaction does not lock all of it at its end.
      await holding.query(`begin; lock table ${store} in row share mode`);
      await compacting.query(`begin; select _timescaledb_functions.compact_chunk('${chunk}')`);
      const undone = db.one(`select s3_connector.${call}('${call}', '${call}/1.csv') as deleted`);
      await waiting('', 1);
      await compacting.query('commit');
      await holding.query('commit');
      assert.deepEqual(await undone, { deleted: 5000 });
      await world.settled(call);
      assert.deepEqual(await db.query(`select count(*) as n from ${call}`), [{ n: 5000 + left }]);
      await worker.end('SIGTERM');
    });
  }

  for (const columnstore of [true, false]) {
    test(`a column with one value in all rows is not segmented by: columnstore = ${columnstore}`, async () => {
      const table = `constant_${columnstore}`;
      // The database's setting; a table without segment_by, whose chunks get rows in turns.
      await db.asSuperuser(`alter database ${db.name} set timescaledb.enable_direct_compress_copy = on`);
      await db.query(`create table ${table} (at timestamptz not null, note text, source text, file_id bigint)
        with (tsdb.hypertable, tsdb.columnstore)`);
      const worker = await world.startWorker();
      world.put(`${table}/source=x/1.csv`, `at,note\n${rows('2026-01-05', 10_000, 10_000)}`);
      await world.insertConnector({
        ...connector(table, { columnstore, file_id_column: 'file_id', hive_columns: ['source'] }),
        pattern: `${table}/**`,
      });
      const [file] = await world.settled(table);
      assert.deepEqual([file!.status, file!.rows_imported], ['success', 10_000], file!.error_message ?? '');
      const { store, segmentby } = await db.one<{ store: string; segmentby: string[] | null }>(
        `select compress_relid::regclass::text as store, segmentby
         from _timescaledb_catalog.compression_settings where relid in (select show_chunks('${table}'))`,
      );
      assert.equal(segmentby, null);
      assert.deepEqual(
        await db.query(`select min(_ts_meta_count) as least, count(*) as batches from ${store}`),
        [{ least: 1000, batches: 10 }],
      );
      await db.query(`alter table ${table} drop column file_id, drop column source`);
      await worker.end('SIGTERM');
    });
  }
});

/** Rows of a CSV, one second apart, with that many different notes. */
function rows(day: string, count: number, notes: number): string {
  const start = Date.parse(`${day}T00:00:00Z`);
  return Array.from(
    { length: count },
    (_, i) => `${new Date(start + i * 1000).toISOString()},note ${i % notes}\n`,
  ).join('');
}

function connector(name: string, columns: object): ConnectorColumns {
  return { name, pattern: `${name}/*`, target_table: name, ...columns };
}

/** Waits until that many sessions wait for a lock: of imports, or of all. */
async function waiting(task: string, sessions: number): Promise<void> {
  await db.waitFor(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
     and application_name like case $1 when '' then '%' else format('s3_connector %s %%', $1) end`,
    (rows) => rows.length === sessions,
    { values: [task] },
  );
}
