/** Numbers that are times since 1970, as `date_format` of a column mapping or of the file format says. */
import { type DateFormat, type DateFormats, dateFormatOf } from '../date_formats.ts';
import type { TextColumn } from './text.ts';

/** How many microseconds a unit has; nanoseconds are rounded. */
const MICROSECONDS: Partial<Record<DateFormat, number>> = {
  epoch: 1_000_000,
  epoch_ms: 1000,
  epoch_us: 1,
  epoch_ns: 0.001,
};
/** A little less than 64 bits, so that no number stands for infinity. */
const MAX_MICROSECONDS = 9e18;

const TIME_TYPES: Record<string, string> = {
  date: 'DATE',
  'timestamp without time zone': 'TIMESTAMP',
  'timestamp with time zone': 'TIMESTAMP WITH TIME ZONE',
};
const INTEGER = /^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/;
const FRACTIONAL = /^(FLOAT|DOUBLE|DECIMAL)/;

/** Returns the date format of a column whose numbers are times; null if they are numbers. */
export function epochOf(
  { name, duckdbType }: { name: string; duckdbType: string },
  formats: DateFormats,
): DateFormat | null {
  const format = dateFormatOf(formats, name);
  const isNumber = INTEGER.test(duckdbType) || FRACTIONAL.test(duckdbType);
  return isNumber && MICROSECONDS[format] !== undefined ? format : null;
}

/** Returns how to read such a column for a type of times; for other types unchanged. */
export function fromEpoch(column: TextColumn, format: DateFormat | null): TextColumn {
  const duckdbType = TIME_TYPES[column.targetType];
  const unit = format === null ? undefined : MICROSECONDS[format];
  if (unit === undefined || duckdbType === undefined) return column;
  const { value } = column;
  const isWhole = INTEGER.test(column.duckdbType);
  const micros =
    unit < 1
      ? `sign(${value}) * ((abs(cast(${value} as hugeint)) + 500) // 1000)`
      : isWhole
        ? `cast(${value} as hugeint) * ${unit}`
        : `round(cast(${value} as double) * ${unit})`;
  const instant = `make_timestamp(try_cast(${micros} as bigint))`;
  const limit = MAX_MICROSECONDS / unit;
  return {
    ...column,
    duckdbType,
    value: duckdbType === 'TIMESTAMP' ? instant : `cast(${instant} as ${duckdbType})`,
    outside: `not (cast(${value} as double) between -${limit} and ${limit})`,
  };
}
