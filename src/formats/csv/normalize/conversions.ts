/** Decides how the values of each column are converted: by the file's format and the type of the table's column. */

import { type DateFormat, dateFormatOf, isDateWord } from '../../date_formats.ts';
import type { CopyPlan } from '../../format.ts';
import type { CsvOptions } from '../options.ts';
import { type ConvertValue, convertValue } from './values.ts';

const NUMBERS = ['smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric'];
const TIMES = ['date', 'timestamp without time zone', 'timestamp with time zone'];

/** Returns the conversion of each field of a record. */
export function conversionsOf(
  { columns }: CopyPlan,
  format: CsvOptions,
  names: string[] | null,
): (ConvertValue | null)[] {
  const conversions: (ConvertValue | null)[] = [];
  for (const { position, target, readAs = target, asIs } of columns) {
    if (asIs) continue;
    conversions[position] = NUMBERS.includes(readAs.baseType)
      ? numberConversion(format)
      : TIMES.includes(readAs.baseType)
        ? timeConversion(dateFormatOf(format, names?.[position]))
        : null;
  }
  return Array.from(conversions, (conversion) => conversion ?? null);
}

/** Returns a text as PostgreSQL reads it in a column of such a type; unchanged, unless it is a type of times. */
export function convertTime(text: string, baseType: string, format: DateFormat): string {
  const conversion = TIMES.includes(baseType) ? timeConversion(format) : null;
  return conversion ? convertValue(text, conversion) : text;
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

function numberConversion({ decimal_separator: decimal, thousands_separator: thousands }: CsvOptions) {
  return decimal === '.' && thousands === null ? null : { what: 'number' as const, decimal, thousands };
}

function timeConversion(format: DateFormat) {
  // A template is PostgreSQL's: see templateColumn in src/table/computed.ts.
  return isDateWord(format) && format !== 'server' ? { what: 'time' as const, format } : null;
}
