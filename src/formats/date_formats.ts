/** How formats write dates and times: `date_format` of `file_formats` and of `column_mappings`. */

const DATE_WORDS = [
  'server',
  'ISO',
  'DMY',
  'MDY',
  'YMD',
  'epoch',
  'epoch_ms',
  'epoch_us',
  'epoch_ns',
] as const;

export type DateWord = (typeof DATE_WORDS)[number];

/** How times are written; `server`: as the database's DateStyle says. Any other text is a template of PostgreSQL's to_timestamp. */
export type DateFormat = DateWord | (string & {});

/** The date format of a file, and those of single columns, by source column. */
export interface DateFormats {
  date_format: DateFormat;
  date_formats: Record<string, DateFormat>;
}

export function isDateWord(format: DateFormat): format is DateWord {
  return DATE_WORDS.includes(format as DateWord);
}

/** Returns how times of a column are written. */
export function dateFormatOf(
  { date_format, date_formats }: DateFormats,
  name: string | undefined,
): DateFormat {
  const own = name !== undefined && Object.hasOwn(date_formats, name);
  return own ? date_formats[name]! : date_format;
}
