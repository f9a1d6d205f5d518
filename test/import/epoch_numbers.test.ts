import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

// Numbers of Parquet that are times since 1970, as column mappings say.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

async function load(name: string, query: string, dateFormat: string, table: string | null, columns = {}) {
  world.put(`${name}/1.parquet`, await parquetOf(query));
  if (table) await db.query(`create table ${name} (${table})`);
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    file_format: 'parquet',
    target_table: name,
    state: 'paused',
    ...columns,
  });
  await db.query(
    `insert into s3_connector.column_mappings (connector_name, source_column, target_column, date_format) values ($1, 'ts', 'ts', $2)`,
    [name, dateFormat],
  );
  await db.query('select s3_connector.resume($1)', [name]);
  const [file] = await world.settled(name);
  return file!;
}

const rowsOf = (name: string) => db.query(`select ts::text, v from ${name} order by v`);

test('whole numbers are seconds, in the types of times and in a new table', async () => {
  const query = 'select * from (values (1700000000::bigint, 1), (-1, 2), (null, 3)) t (ts, v)';
  for (const [name, table, first, second] of [
    ['epoch_tz', 'ts timestamptz, v integer', '2023-11-14 22:13:20+00', '1969-12-31 23:59:59+00'],
    ['epoch_plain', 'ts timestamp, v integer', '2023-11-14 22:13:20', '1969-12-31 23:59:59'],
    ['epoch_date', 'ts date, v integer', '2023-11-14', '1969-12-31'],
    ['epoch_number', 'ts bigint, v integer', '1700000000', '-1'],
    ['epoch_new', null, '2023-11-14 22:13:20+00', '1969-12-31 23:59:59+00'],
  ] as const) {
    const file = await load(name, query, 'epoch', table);
    assert.equal(file.status, 'success', file.error_message ?? '');
    assert.deepEqual(await rowsOf(name), [
      { ts: first, v: 1 },
      { ts: second, v: 2 },
      { ts: null, v: 3 },
    ]);
  }
});

test('parts of seconds are exact', async () => {
  const units: [string, string, string][] = [
    ['epoch', '1700000000.123456::decimal(18, 6)', '2023-11-14 22:13:20.123456+00'],
    ['epoch', '1700000000.5::double', '2023-11-14 22:13:20.5+00'],
    ['epoch_ms', '1700000000123::bigint', '2023-11-14 22:13:20.123+00'],
    ['epoch_us', '1700000000123456::bigint', '2023-11-14 22:13:20.123456+00'],
    ['epoch_ns', '1700000000123456789::bigint', '2023-11-14 22:13:20.123457+00'],
    ['epoch_ns', '-1000::bigint', '1969-12-31 23:59:59.999999+00'],
    ['epoch', '4000000000::uinteger', '2096-10-02 07:06:40+00'],
  ];
  for (const [i, [unit, value, expected]] of units.entries()) {
    const name = `part_${i}`;
    const file = await load(name, `select ${value} as ts, 1 as v`, unit, 'ts timestamptz, v integer');
    assert.equal(file.status, 'success', file.error_message ?? '');
    assert.deepEqual(await rowsOf(name), [{ ts: expected, v: 1 }], value);
  }
});

test('a number that is too large for a time is a bad row', async () => {
  const query = 'select * from (values (1700000000000000000::bigint, 1), (1, 2)) t (ts, v)';
  const table = 'ts timestamptz, v integer';
  const failed = await load('too_large', query, 'epoch', table);
  assert.equal(failed.error_code, 'value_out_of_range');
  assert.match(failed.error_message!, /row 1, column ts: the number is too large for a time.*date_format/);
  const skipped = await load('too_large_skipped', query, 'epoch', table, { on_bad_row: 'skip' });
  assert.deepEqual([skipped.rows_imported, skipped.rows_rejected], [1, 1], skipped.error_message ?? '');
  assert.deepEqual(await rowsOf('too_large_skipped'), [{ ts: '1970-01-01 00:00:01+00', v: 2 }]);
});
