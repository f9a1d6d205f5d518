import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { assertExactlyOnce } from '../faults/exactly_once.ts';
import { openWorld } from '../support/world.ts';
import { keyOf, ROWS, transactions } from './files.ts';

const world = await openWorld();
const { db } = world;
const FILES = 12;
const available = await db.query("select from pg_available_extensions where name = 'timescaledb'");

describe('with TimescaleDB', {
  skip: available.length === 0 && 'this server has no TimescaleDB (TEST_POSTGRES_BIN_DIR names one that has)',
}, () => {
  before(async () => {
    await db.query('create extension if not exists timescaledb');
    await world.startWorker({ WORKER_CONCURRENCY: '1' });
  });

  for (const [name, columnstore] of [
    ['rows_only', false],
    ['with_columnstore', true],
  ] as const) {
    test(`files are bundled into a hypertable ${columnstore ? 'with a columnstore' : 'without a columnstore'}`, async () => {
      await db.query(
        `create table ${name} (at timestamptz not null, file integer, n integer, file_id bigint);
          select create_hypertable('${name}', by_range('at', interval '7 days'))`,
      );
      if (columnstore)
        await db.query(
          `alter table ${name} set (timescaledb.enable_columnstore, timescaledb.segmentby = 'file', timescaledb.orderby = 'at')`,
        );
      // Each file has rows of several chunks.
      const body = (file: number) =>
        `at,file,n\n${[1, 11, 21].map((day, n) => `2026-01-${String(day + (file % 5)).padStart(2, '0')} 00:00Z,${file},${n}\n`).join('')}`;
      for (let file = 0; file < FILES; file++) world.put(keyOf(name, file), body(file));
      await world.insertConnector({
        name,
        pattern: `${name}/*`,
        target_table: name,
        file_id_column: 'file_id',
      });
      await world.settled(name);
      await assertExactlyOnce(db, { connector: name, table: name, rowsOf: () => ROWS });
      assert.equal(await transactions(world, name), 1);
    });
  }
});
