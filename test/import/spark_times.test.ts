import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parquetOf } from '../support/parquet.ts';
import { type ParquetColumn, writeParquet } from '../support/parquet_writer.ts';
import { openWorld } from '../support/world.ts';

// Times as Spark writes them. The expected values are what Spark shows for its files.

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const DATE = 6;
const TIMESTAMP_MICROS = 10;
const JULIAN_DAY_1970 = 2_440_588;

const days = (...values: number[]): Pick<ParquetColumn, 'type' | 'convertedType' | 'values'> => ({
  type: 'INT32',
  convertedType: DATE,
  values: values.map((value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return bytes;
  }),
});
const micros = (...values: string[]): Pick<ParquetColumn, 'type' | 'convertedType' | 'values'> => ({
  type: 'INT64',
  convertedType: TIMESTAMP_MICROS,
  values: values.map((value) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(Date.parse(value)) * 1000n);
    return bytes;
  }),
});
const int96 = (...values: string[]): Pick<ParquetColumn, 'type' | 'values'> => ({
  type: 'INT96',
  values: values.map((value) => {
    const ms = Date.parse(value);
    const day = Math.floor(ms / 86_400_000);
    const bytes = Buffer.alloc(12);
    bytes.writeBigInt64LE(BigInt(ms - day * 86_400_000) * 1_000_000n);
    bytes.writeInt32LE(day + JULIAN_DAY_1970, 8);
    return bytes;
  }),
});
const dayOf = (date: string) => Date.parse(`${date}T00:00:00Z`) / 86_400_000;

const LEGACY = {
  'org.apache.spark.version': '3.5.6',
  'org.apache.spark.legacyDateTime': '',
  'org.apache.spark.legacyINT96': '',
};
const IN_UTC = { ...LEGACY, 'org.apache.spark.timeZone': 'UTC' };

const load = async (name: string, column: ParquetColumn, settings: Record<string, unknown> = {}) => {
  world.put(`${name}/1.parquet`, writeParquet(column));
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    file_format: 'parquet',
    target_table: name,
    hypertable: false,
    ...settings,
  });
  const [file] = await world.settled(name);
  return file!;
};
/** The values in the file's order, as text in a time zone. */
const shown = async (table: string, zone = 'UTC') => {
  const client = await db.connect();
  await client.query(`set timezone = '${zone}'`);
  const { rows } = await client.query(`select v::text from ${table}`);
  await client.end();
  return rows.map(({ v }) => v);
};

test('INT96 is an instant: in timestamptz, and in timestamp as Spark shows it in the time zone', async () => {
  const zone = { time_zone: 'America/New_York' };
  const column = int96('2026-07-01T16:00:00.123Z', '2026-01-01T05:00:00Z', '1900-01-01T05:00:00Z');
  await db.query(
    'create table with_zone (v timestamptz); create table without_zone (v timestamp); create table as_day (v date)',
  );
  for (const name of ['with_zone', 'without_zone', 'instants_made'])
    assert.equal((await load(name, column, zone)).error_message, null, name);
  const instants = ['2026-07-01 16:00:00.123+00', '2026-01-01 05:00:00+00', '1900-01-01 05:00:00+00'];
  assert.deepEqual(await shown('with_zone'), instants);
  assert.deepEqual(await shown('instants_made'), instants);
  assert.deepEqual(await shown('without_zone'), [
    '2026-07-01 12:00:00.123',
    '2026-01-01 00:00:00',
    '1900-01-01 00:00:00',
  ]);
  assert.match((await load('as_day', column, zone)).error_message!, /time of day/);
  const midnights = int96('2026-01-01T05:00:00Z', '1900-01-01T05:00:00Z');
  await db.query('create table as_midnight (v date)');
  assert.equal((await load('as_midnight', midnights, zone)).error_message, null);
  assert.deepEqual(await shown('as_midnight'), ['2026-01-01', '1900-01-01']);
});

test('a time zone that is no name does not shift INT96 by a guess', async () => {
  await db.query('create table unclear_zone (v timestamp)');
  const file = await load('unclear_zone', int96('2026-07-01T16:00:00Z'), { time_zone: 'UTC+3' });
  assert.equal(file.error_code, 'unsupported_type');
  assert.match(file.error_message!, /UTC\+3.*Europe\/Berlin/);
});

test('days of the legacy calendar are the days that Spark shows', async () => {
  // 1500-02-29 exists in the Julian calendar alone.
  const stored = ['1500-01-10', '1500-03-10', '1500-03-11', '1582-10-14', '1582-10-15', '2026-01-02'].map(
    dayOf,
  );
  const file = await load('legacy_days', { ...days(...stored, dayOf('0001-01-01') - 2), metadata: LEGACY });
  assert.equal(file.error_message, null);
  assert.deepEqual(await shown('legacy_days'), [
    '1500-01-01',
    '1500-03-01',
    '1500-03-01',
    '1582-10-04',
    '1582-10-15',
    '2026-01-02',
    '0001-01-01',
  ]);
  // Spark 2 wrote only its version.
  await load('spark_2', { ...days(stored[0]!), metadata: { 'org.apache.spark.version': '2.4.8' } });
  assert.deepEqual(await shown('spark_2'), ['1500-01-01']);
  await load('spark_3', { ...days(stored[0]!), metadata: { 'org.apache.spark.version': '3.5.6' } });
  assert.deepEqual(await shown('spark_3'), ['1500-01-10']);
});

test('times of the legacy calendar are exact if they were written in UTC', async () => {
  const values = ['1500-01-10T05:00:00.500Z', '1850-06-01T00:00:00Z', '2026-01-02T03:04:05Z'];
  const expected = ['1500-01-01 05:00:00.5+00', '1850-06-01 00:00:00+00', '2026-01-02 03:04:05+00'];
  assert.equal((await load('legacy_int96', { ...int96(...values), metadata: IN_UTC })).error_message, null);
  assert.deepEqual(await shown('legacy_int96'), expected);
  await db.query('create table legacy_micros (v timestamptz)');
  assert.equal((await load('legacy_micros', { ...micros(...values), metadata: IN_UTC })).error_message, null);
  assert.deepEqual(await shown('legacy_micros'), expected);
});

test('times of the legacy calendar before 1900 are refused with their row if the zone is another', async () => {
  const metadata = { ...LEGACY, 'org.apache.spark.timeZone': 'America/New_York' };
  const column = { ...int96('2026-07-01T16:00:00Z', '1500-01-10T05:00:00Z'), metadata };
  const file = await load('legacy_zone', column);
  assert.equal(file.error_code, 'value_out_of_range');
  assert.match(file.error_message!, /row 2, column v: .*legacy calendar.*CORRECTED/);
  const skipped = await load('legacy_skip', column, { on_bad_row: 'skip' });
  assert.deepEqual([skipped.status, skipped.rows_imported, skipped.rows_rejected], ['success', 1, 1]);
  assert.deepEqual(await shown('legacy_skip'), ['2026-07-01 16:00:00+00']);
});

test('old times within lists and structs are refused with their row', async () => {
  const kv = `, kv_metadata {'org.apache.spark.version': '2.4.8'}`;
  const rows = (day: string) =>
    `select [date '${day}'] as l, {'d': timestamp '${day} 01:02:03', 't': '1500-01'} as s`;
  world.put('within/1.parquet', await parquetOf(`${rows('2026-01-02')} union all ${rows('1500-01-10')}`, kv));
  await world.insertConnector({
    name: 'within',
    pattern: 'within/*',
    file_format: 'parquet',
    target_table: 'within',
    on_bad_row: 'skip',
  });
  const [file] = await world.settled('within');
  assert.deepEqual([file!.error_message, file!.rows_imported, file!.rows_rejected], [null, 1, 1]);
  assert.deepEqual(await db.query('select l::text, s from within'), [
    { l: '{2026-01-02}', s: { d: '2026-01-02 01:02:03', t: '1500-01' } },
  ]);
});
