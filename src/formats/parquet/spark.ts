/**
 * Times as Spark, Hive and Impala write them: INT96 is an instant, and old versions of Spark count days in the hybrid
 * calendar, which is Julian before 1582-10-15 (RebaseDateTime and DataSourceUtils in Spark's source).
 */
import type { DuckDBConnection } from '@duckdb/node-api';
import { quoteName, quoteText } from '../duckdb_quote.ts';
import { isUtc } from '../pg_binary/kinds.ts';
import { unreadableColumn } from './errors.ts';
import type { Leaf } from './leaves.ts';
import type { ReaderColumn, WrittenTime } from './protocol.ts';
import type { TextColumn } from './text.ts';
import { isNested } from './types.ts';

const LEGACY_TIMES = 'org.apache.spark.legacyDateTime';
const LEGACY_INT96 = 'org.apache.spark.legacyINT96';
const VERSION = 'org.apache.spark.version';
const TIME_ZONE = 'org.apache.spark.timeZone';

/**
 * Returns for each column how its times were written; null for other columns, and for times as they should be.
 * @param file its path, as an SQL literal
 * @param types DuckDB's types of the columns
 */
export async function listWrittenTimes(
  connection: DuckDBConnection,
  file: string,
  types: string[],
  leaves: Leaf[],
): Promise<(WrittenTime | null)[]> {
  const isTime = (type: string) => /\b(DATE|TIMESTAMP)/.test(type);
  if (!types.some(isTime)) return types.map(() => null);
  const found = await connection.runAndReadAll(
    `select decode(key), decode(value) from parquet_kv_metadata(${file}) where starts_with(decode(key), 'org.apache.spark.')`,
  );
  const footer = new Map(found.getRows().map(([key, value]) => [String(key), String(value)]));
  return types.map((type, position) => {
    if (!isTime(type)) return null;
    if (isNested(type))
      return isLegacyWithin(footer) ? { int96: false, calendar: 'unknown before 1900' } : null;
    const int96 = leaves.some((leaf) => leaf.column === position && leaf.physicalType === 'INT96');
    const legacy = isLegacy(footer, int96);
    if (!int96 && !legacy) return null;
    // Java's old calendar had another offset than PostgreSQL before 1900, except in UTC.
    const exact = type === 'DATE' || isUtc(footer.get(TIME_ZONE) ?? '');
    return { int96, calendar: legacy ? (exact ? 'hybrid' : 'unknown before 1900') : 'gregorian' };
  });
}

/** Times within a value are not converted, so old ones are refused. */
function isLegacyWithin(footer: Map<string, string>): boolean {
  return isLegacy(footer, true) || isLegacy(footer, false);
}

function isLegacy(footer: Map<string, string>, int96: boolean): boolean {
  if (footer.has(int96 ? LEGACY_INT96 : LEGACY_TIMES)) return true;
  const [major = 0, minor = 0] = (footer.get(VERSION) ?? '9').split('.').map(Number);
  return major < 3 || (int96 && major === 3 && minor < 1);
}

/**
 * Returns how to read a column for a column of the table. An instant goes into a type without a time zone as Spark shows it in
 * the connector's time zone.
 * @throws ConnectorError `unsupported_type` for a time zone that DuckDB and PostgreSQL may understand differently
 */
export function toTextColumn(column: ReaderColumn, targetType: string, timeZone: string): TextColumn {
  const { name, duckdbName, duckdbType, written } = column;
  const plain = { name, value: quoteName(duckdbName), duckdbType, targetType };
  if (written === null) return plain;
  const value = written.calendar === 'hybrid' ? rebased(plain.value, duckdbType) : plain.value;
  const limited = { ...plain, value, unknownBefore1900: written.calendar === 'unknown before 1900' };
  if (!written.int96) return limited;
  if (targetType === 'timestamp with time zone')
    return { ...limited, value: `cast(${value} as timestamp with time zone)` };
  if (!isUtc(timeZone) && !IS_NAMED.test(timeZone))
    throw unreadableColumn({ ...column, unreadable: unclear(timeZone) });
  return {
    ...limited,
    duckdbType: 'TIMESTAMP',
    value: isUtc(timeZone) ? value : wallClock(value, timeZone),
  };
}

/** Not `UTC+3`, which is west of Greenwich for PostgreSQL, and east of it for DuckDB. */
const IS_NAMED = /^[A-Za-z_]+(\/[\w+-]+)*$/;

function unclear(timeZone: string): NonNullable<ReaderColumn['unreadable']> {
  const reason = `it holds instants for a type without a time zone, and time_zone is ${timeZone}, not a name such as Europe/Berlin`;
  return { code: 'unsupported_type', reason };
}

/** Days from 0000-03-01 in the Julian calendar to 1970-01-01. */
const JULIAN_EPOCH = 719_470;

/** Returns an expression for the day of the same name in the Gregorian calendar, for days that were counted in the Julian one. */
function rebased(value: string, duckdbType: string): string {
  const days = `(cast(${value} as date) - date '1970-01-01')`;
  const year = `floor((4 * (${days} + ${JULIAN_EPOCH}) + 3) / 1461.0)`;
  // In years that begin in March, the calendars differ by a constant in each century.
  const periods = (years: number) => `floor(${year} / ${years}.0)`;
  const difference = `cast(${periods(100)} - ${periods(400)} - 2 as integer)`;
  const moved = duckdbType === 'DATE' ? `${value} - ${difference}` : `${value} - to_days(${difference})`;
  return `case when isfinite(${value}) and ${value} < date '1582-10-15' then ${moved} else ${value} end`;
}

/** Returns an expression for the local time of an instant. The fraction is added afterwards: DuckDB computes it in doubles. */
function wallClock(value: string, timeZone: string): string {
  const seconds = `date_trunc('second', ${value})`;
  const local = `timezone(${quoteText(timeZone)}, cast(${seconds} as timestamp with time zone))`;
  return `case when isfinite(${value}) then ${value} + (${local} - ${seconds}) else ${value} end`;
}
