/** The fields about the files: which ones, and how to read them. */
import type { Option, Setting, Situation } from '../settings.ts';

export const FILE_FORMAT: Setting = {
  column: 'file_format',
  label: 'Format',
  help: 'What the files are. Compression (gzip, zip, zstd) is found by their content.',
};

const AS_FORMAT: Option = ['', 'as the format says'];
const isCsv = ({ formatKind }: Situation) => formatKind === 'csv';

export const CSV: Setting[] = [
  {
    column: 'csv_skip_header',
    label: 'The first line',
    help: 'A CSV without names in its first line is matched with the table by position.',
    options: [AS_FORMAT, ['true', 'has the column names'], ['false', 'is a row']],
    when: isCsv,
  },
  {
    column: 'csv_delimiter',
    label: 'Delimiter',
    help: 'What stands between two fields.',
    options: [AS_FORMAT, [',', 'comma ,'], [';', 'semicolon ;'], ['\t', 'tab'], ['|', 'pipe |']],
    when: isCsv,
  },
  {
    column: 'csv_quote',
    label: 'Quote',
    help: 'What stands around a field that has delimiters or line breaks.',
    options: [AS_FORMAT, ['"', 'double quote "'], ["'", "single quote '"], ['(none)', 'none']],
    emptyAs: '(none)',
    when: isCsv,
  },
  {
    column: 'csv_escape',
    label: 'Escape',
    help: 'What stands before a quote within quotes. Usually the quote itself.',
    suggestions: [
      ['"', 'double quote'],
      ['\\', 'backslash'],
    ],
    placeholder: 'as the format says',
    when: isCsv,
  },
  {
    column: 'csv_null',
    label: 'Null',
    help: 'The text without quotes that means: no value. Write (empty) for the empty text.',
    suggestions: [
      ['(empty)', 'the empty text'],
      ['\\N', '\\N'],
      ['NULL', 'NULL'],
      ['NA', 'NA'],
    ],
    emptyAs: '(empty)',
    placeholder: 'as the format says',
    when: isCsv,
  },
  {
    column: 'csv_encoding',
    label: 'Encoding',
    help: 'The encoding of the text.',
    suggestions: [
      ['utf-8', 'utf-8'],
      ['latin1', 'latin1'],
      ['win1252', 'win1252'],
      ['utf-16', 'utf-16'],
    ],
    placeholder: 'as the format says',
    when: isCsv,
  },
];

export const MORE_FILES: Setting[] = [
  {
    column: 'exclude',
    label: 'Leave out',
    help: 'Patterns of keys that are not imported, one a line.',
    kind: 'list',
    placeholder: '**/tmp/**',
  },
  {
    column: 'include_hidden',
    label: 'Take hidden keys, too',
    help: 'Keys with a part that begins with _ or a dot, such as _temporary/ and .crc files.',
    kind: 'checkbox',
  },
  {
    column: 'start_after',
    label: 'Start after the key',
    help: 'This key and all before it are left out.',
    placeholder: 'data/2025/12/31.csv',
  },
  {
    column: 'time_zone',
    label: 'Time zone',
    help: 'For times in the files that name none.',
    suggestions: [
      ['UTC', 'UTC'],
      ['Europe/Berlin', 'Europe/Berlin'],
      ['America/New_York', 'America/New_York'],
      ['Asia/Tokyo', 'Asia/Tokyo'],
    ],
  },
  {
    column: 'match_columns_by',
    label: 'Match columns by',
    help: 'How columns of the files find those of the table. By position, their names do not matter.',
    options: [
      ['name', 'their names'],
      ['position', 'their position'],
    ],
    when: ({ formatKind }) => formatKind !== 'json',
  },
  {
    column: 'hive_columns',
    label: 'Columns in the key',
    help: 'Parts of the key such as year=2026 that become columns, one name a line.',
    kind: 'list',
    placeholder: 'year',
  },
  {
    column: 'transform',
    label: 'Transform',
    help: "A select in DuckDB's SQL over the relation file. Its result is imported instead of the file's rows.",
    kind: 'long',
    placeholder: 'select id, price * 100 as cents from file where price > 0',
  },
];
