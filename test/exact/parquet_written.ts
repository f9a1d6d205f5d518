import { bool, type ParquetColumn, type Struct, struct } from '../support/parquet_writer.ts';

// Hand-written files with types that DuckDB reads and does not write.

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
};
export const int64 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
};
/** Nanoseconds of the day, and the day. */
const int96 = (nanoseconds: bigint, julianDay: number) =>
  Buffer.concat([int64(nanoseconds), int32(julianDay)]);
const unit = { ms: 1, us: 2, ns: 3 };
export const stamp = (utc: boolean, of: keyof typeof unit): Struct => ({
  8: struct({ 1: bool(utc), 2: struct({ [unit[of]]: struct({}) }) }),
});
const time = (utc: boolean, of: keyof typeof unit): Struct => ({
  7: struct({ 1: bool(utc), 2: struct({ [unit[of]]: struct({}) }) }),
});
/** A converted type, by its number in parquet.thrift. */
export const DECIMAL = 5;

/** By case: the column, the type created for it, and PostgreSQL's output. */
export const WRITTEN: Record<string, [column: ParquetColumn, type: string, values: (string | null)[]]> = {
  'INT96, as Spark wrote times; what is below microseconds is cut off': [
    {
      type: 'INT96',
      values: [int96(1_999n, 2440588), int96(86_399_999_999_000n, 2440588), int96(0n, 2461043)],
    },
    'timestamp with time zone',
    ['1970-01-01 00:00:00.000001+00', '1970-01-01 23:59:59.999999+00', '2026-01-02 00:00:00+00'],
  ],
  'nanoseconds with a zone, as pandas writes them; what is below microseconds is cut off': [
    { type: 'INT64', logicalType: stamp(true, 'ns'), values: [int64(1767225600123456789n), int64(-1000n)] },
    'timestamp with time zone',
    ['2026-01-01 00:00:00.123456+00', '1969-12-31 23:59:59.999999+00'],
  ],
  'milliseconds with a zone': [
    { type: 'INT64', logicalType: stamp(true, 'ms'), values: [int64(1767225600123n), int64(-1n)] },
    'timestamp with time zone',
    ['2026-01-01 00:00:00.123+00', '1969-12-31 23:59:59.999+00'],
  ],
  'milliseconds of old': [
    { type: 'INT64', convertedType: 9, values: [int64(1767225600123n)] },
    'timestamp without time zone',
    ['2026-01-01 00:00:00.123'],
  ],
  'a time in milliseconds': [
    { type: 'INT32', convertedType: 7, values: [int32(86_399_999), int32(0)] },
    'time without time zone',
    ['23:59:59.999', '00:00:00'],
  ],
  'a time in UTC': [
    { type: 'INT64', logicalType: time(true, 'us'), values: [int64(86_399_999_999n)] },
    'time with time zone',
    ['23:59:59.999999+00'],
  ],
  'half a float': [
    {
      type: 'FIXED_LEN_BYTE_ARRAY',
      typeLength: 2,
      logicalType: { 15: struct({}) },
      values: [Buffer.from([0, 0x3c]), Buffer.from([1, 0]), Buffer.from([0, 0x7c]), Buffer.from([1, 0x7c])],
    },
    'real',
    ['1', '5.9604645e-08', 'Infinity', 'NaN'],
  ],
  'an enum': [{ type: 'BYTE_ARRAY', convertedType: 4, values: [Buffer.from('sad')] }, 'text', ['sad']],
  'bytes of no type': [
    { type: 'BYTE_ARRAY', values: [Buffer.from([0xff, 0]), Buffer.alloc(0)] },
    'bytea',
    ['\\xff00', '\\x'],
  ],
  'bytes of a fixed length': [
    { type: 'FIXED_LEN_BYTE_ARRAY', typeLength: 3, values: [Buffer.from('abc')] },
    'bytea',
    ['\\x616263'],
  ],
  'decimals in bytes': [
    {
      type: 'BYTE_ARRAY',
      convertedType: DECIMAL,
      scale: 2,
      precision: 20,
      values: [Buffer.from([1]), Buffer.from([0xff, 0]), Buffer.from('5af3107a4000', 'hex')],
    },
    'numeric(20,2)',
    ['0.01', '-2.56', '1000000000000.00'],
  ],
  'unsigned by its old name': [
    { type: 'INT64', convertedType: 14, values: [int64(-1n)] },
    'numeric',
    ['18446744073709551615'],
  ],
  'intervals with signs': [
    {
      type: 'FIXED_LEN_BYTE_ARRAY',
      typeLength: 12,
      convertedType: 21,
      values: [Buffer.concat([int32(1), int32(-2), int32(3)])],
    },
    'interval',
    ['1 mon -2 days +00:00:00.003'],
  ],
  'days at the ends of the type': [
    { type: 'INT32', convertedType: 6, values: [2147483647, -2147483647, 2932896, -2440588].map(int32) },
    'date',
    ['infinity', '-infinity', '9999-12-31', '4714-11-24 BC'],
  ],
  'nothing at all': [{ type: 'INT32', logicalType: { 11: struct({}) }, values: [int32(1)] }, 'text', [null]],
};
