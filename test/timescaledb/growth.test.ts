import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
const available = await db.query("select from pg_available_extensions where name = 'timescaledb'");

describe('hypertables that grow with their files', {
  skip: available.length === 0 && 'this server has no TimescaleDB (TEST_POSTGRES_BIN_DIR names one that has)',
}, () => {
  before(async () => {
    await db.query('create extension if not exists timescaledb');
    await db.asSuperuser('select _timescaledb_functions.stop_background_workers()');
    await world.startWorker();
  });

  test('a column is added to a hypertable with compressed chunks', async () => {
    world.put('packed/1', 'at,device,value\n2026-01-01 00:00:00Z,a,1\n2026-02-01 00:00:00Z,b,2\n');
    await insert('packed', { hypertable: true, columnstore: true, segment_by: ['device'] });
    await succeeded('packed');
    await db.query("select compress_chunk(c, true) from show_chunks('packed') c");
    world.put('packed/2', 'at,device,value,extra\n2026-01-01 00:00:01Z,a,3,x\n2026-03-01 00:00:00Z,c,4,y\n');
    await db.query("select s3_connector.poll_now('packed')");
    await succeeded('packed');
    assert.deepEqual(await db.query('select device, value, extra from packed order by value'), [
      { device: 'a', value: 1, extra: null },
      { device: 'b', value: 2, extra: null },
      { device: 'a', value: 3, extra: 'x' },
      { device: 'c', value: 4, extra: 'y' },
    ]);
  });

  test('a file with a new column goes directly into the columnstore', async () => {
    const rows = (offset: number, more = '') =>
      parquetOf(
        `select timestamptz '2026-01-01 00:00:00Z' + to_seconds(i * 60 + ${offset}) as at, i % 7 as device, i / 8 as value ${more} from range(5000) r(i)`,
      );
    world.put('direct/1', await rows(0));
    world.put('direct/2', await rows(3_000_000, ", 'note ' || i as note"));
    await insert('direct', {
      file_format: 'parquet',
      hypertable: true,
      columnstore: true,
      segment_by: ['device'],
    });
    await succeeded('direct');
    assert.deepEqual(await db.query('select count(*)::int as n, count(note)::int as notes from direct'), [
      { n: 10_000, notes: 5000 },
    ]);
  });

  test('a type that compressed chunks cannot change is refused with the statement', async () => {
    await db.query(`create table fixed (at timestamptz not null, value integer);
      select create_hypertable('fixed', by_range('at'));
      alter table fixed set (timescaledb.enable_columnstore, timescaledb.orderby = 'at');
      insert into fixed values ('2026-01-01', 1)`);
    await db.query("select compress_chunk(c) from show_chunks('fixed') c");
    world.put('fixed/1', 'at,value\n2026-01-01 00:00:00Z,3000000000\n');
    await insert('fixed');
    const [file] = await world.settled('fixed');
    assert.equal(file!.error_code, 'table_cannot_grow', file!.error_message ?? file!.status);
    assert.match(
      file!.error_message!,
      /statement was: alter table "public"\."fixed" alter column "value" type bigint;/,
    );
  });

  test('a column of a plain hypertable becomes wider', async () => {
    await db.query(`create table plain_wider (at timestamptz not null, value integer);
      select create_hypertable('plain_wider', by_range('at'));
      insert into plain_wider values ('2026-01-01', 1), ('2026-05-01', 2)`);
    world.put('plain_wider/1', 'at,value\n2026-01-01 00:00:00Z,3000000000\n');
    await insert('plain_wider');
    await succeeded('plain_wider');
    assert.deepEqual(await db.query('select max(value)::text as most, count(*)::int as n from plain_wider'), [
      { most: '3000000000', n: 3 },
    ]);
  });
});

async function insert(name: string, columns: Record<string, unknown> = {}) {
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    max_parallel_files: 1,
    on_unknown_column: 'add',
    on_type_mismatch: 'widen',
    ...columns,
  });
}

async function succeeded(name: string) {
  for (const file of await world.settled(name))
    assert.equal(file.status, 'success', file.error_message ?? '');
}
