/** The fields about rows: bad ones, those that are there already, and those that change others. */
import type { Setting, Situation } from '../settings.ts';

const addsRows = ({ value }: Situation) => value('change_column') === '';
const changesRows = ({ value }: Situation) => value('change_column') !== '';

export const ROWS: Setting[] = [
  {
    column: 'on_bad_row',
    label: 'If a row is bad',
    help: 'A bad row has too many fields, or a value that PostgreSQL refuses.',
    options: [
      ['fail', 'fail the file, keep nothing of it'],
      ['skip', 'leave the row out, and list it'],
    ],
  },
  {
    column: 'max_bad_rows',
    label: 'Bad rows of one file at most',
    help: 'A file with more fails, and nothing of it is kept.',
    placeholder: 'no limit',
    when: ({ value }) => value('on_bad_row') === 'skip',
  },
  {
    column: 'on_conflict',
    label: 'If a row is already there',
    help: "By the table's primary key, or another unique key.",
    options: [
      ['fail', 'fail the file'],
      ['skip', 'leave the new row out'],
      ['update', 'update the old row'],
    ],
    when: addsRows,
  },
];

export const CHANGES: Setting[] = [
  {
    column: 'change_column',
    label: 'Column that says insert, update or delete',
    help: 'For files of AWS DMS (Op), Debezium (__op) and their like. The table needs a primary key.',
    placeholder: 'none: files add rows',
  },
  {
    column: 'change_values',
    label: 'What its values mean',
    help: 'A preset, or your own as JSON.',
    suggestions: [
      ['dms', 'AWS DMS'],
      ['debezium', 'Debezium'],
      ['{"I": "insert", "U": "update", "D": "delete"}', 'as JSON'],
    ],
    when: changesRows,
  },
  {
    column: 'sequence_column',
    label: 'Column that orders the changes',
    help: 'An older change never replaces a newer one.',
    placeholder: 'none: the order in the file',
    when: changesRows,
  },
];
