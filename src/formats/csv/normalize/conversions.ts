/** Decides how the values of each column are converted: by the file's format and the type of the table's column. */
import type { CopyPlan } from '../../format.ts';
import type { CsvOptions, DateFormat } from '../options.ts';
import type { ConvertValue } from './values.ts';

const NUMBERS = ['smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric'];
const TIMES = ['date', 'timestamp without time zone', 'timestamp with time zone'];

/** Returns the conversion of each field of a record. */
export function conversionsOf(
  { columns }: CopyPlan,
  format: CsvOptions,
  names: string[] | null,
): (ConvertValue | null)[] {
  const conversions: (ConvertValue | null)[] = [];
  for (const { position, target, readAs = target } of columns) {
    conversions[position] = NUMBERS.includes(readAs.baseType)
      ? numberConversion(format)
      : TIMES.includes(readAs.baseType)
        ? timeConversion(dateFormatOf(format, names?.[position]))
        : null;
  }
  return Array.from(conversions, (conversion) => conversion ?? null);
}

/** Returns the conversion of each field while the types are not known. */
export function guessingConversions(
  format: CsvOptions,
  names: string[] | null,
  count: number,
): (ConvertValue | null)[] {
  const number = numberConversion(format);
  return Array.from({ length: count }, (_, position) => {
    const time = guessedTime(format, names?.[position]);
    return number || time ? { what: 'either', number, time } : null;
  });
}

/** A number may be anything, so it is a time only in a column that has a date format of its own. */
function guessedTime(format: CsvOptions, name: string | undefined) {
  const isOwn = name !== undefined && Object.hasOwn(format.date_formats, name);
  const dateFormat = dateFormatOf(format, name);
  return dateFormat.startsWith('epoch') && !isOwn ? null : timeConversion(dateFormat);
}

function dateFormatOf(format: CsvOptions, name: string | undefined): DateFormat {
  const own = name !== undefined && Object.hasOwn(format.date_formats, name);
  return own ? format.date_formats[name]! : format.date_format;
}

function numberConversion({ decimal_separator: decimal, thousands_separator: thousands }: CsvOptions) {
  return decimal === '.' && thousands === null ? null : { what: 'number' as const, decimal, thousands };
}

function timeConversion(format: DateFormat) {
  return format === 'server' ? null : { what: 'time' as const, format };
}
