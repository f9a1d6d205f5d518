/** The fields about the target table. */
import type { Setting, Situation } from '../settings.ts';

const isNew = ({ hasTable }: Situation) => !hasTable;
const rescues = ({ value }: Situation) =>
  value('on_unknown_column') === 'rescue' || value('on_type_mismatch') === 'rescue';

export const TARGET_TABLE: Setting = {
  column: 'target_table',
  label: 'Table',
  help: 'An existing table, or a new one: the first import makes it from the files. Write schema.table, or a table of public.',
  placeholder: 'public.sensor_readings',
  isRequired: true,
};

/** Only where the preview has no columns to choose from. */
export const PRIMARY_KEY: Setting = {
  column: 'primary_key',
  label: 'Primary key of the new table',
  help: 'Its columns, one a line. Needed to skip or update rows that are already there.',
  kind: 'list',
  when: isNew,
  keepsValue: true,
};

export const TIME_COLUMN: Setting = {
  column: 'time_column',
  label: 'Time column',
  help: 'The column along which the table is divided into chunks.',
  when: isNew,
  keepsValue: true,
};

/** Only where TimescaleDB is installed. */
export const TIMESCALEDB: Setting[] = [
  {
    column: 'hypertable',
    label: 'Hypertable',
    help: 'A hypertable is divided by time, which keeps large tables fast.',
    options: [
      ['', 'yes, if there is a time column'],
      ['true', 'yes'],
      ['false', 'no'],
    ],
    when: isNew,
    keepsValue: true,
  },
  {
    column: 'chunk_interval',
    label: 'Time in one chunk',
    help: 'The chunks that are written to should fit into memory.',
    suggestions: [
      ['1 day', '1 day'],
      ['7 days', '7 days'],
      ['1 mon', '1 month'],
    ],
    when: (situation) => isNew(situation) && situation.value('hypertable') !== 'false',
    keepsValue: true,
  },
  {
    column: 'columnstore',
    label: 'Columnstore',
    help: 'Compresses the rows by columns: a tenth of the space, and fast sums. Files load directly into it.',
    kind: 'checkbox',
    when: ({ value }) => value('hypertable') !== 'false' && value('change_column') === '',
  },
  {
    column: 'segment_by',
    label: 'Columnstore: segment by',
    help: 'Columns that queries filter by, such as a device, one a line. Empty: TimescaleDB chooses.',
    kind: 'list',
    when: ({ value }) => value('columnstore') === 'true',
  },
  {
    column: 'order_by',
    label: 'Columnstore: order by',
    help: 'Columns, one a line, such as: time desc. Empty: by time, descending.',
    kind: 'list',
    when: ({ value }) => value('columnstore') === 'true',
  },
];

export const DIFFERENCES: Setting[] = [
  {
    column: 'on_unknown_column',
    label: 'If the table lacks a column of a file',
    help: 'Later files may have columns that the first one had not.',
    options: [
      ['fail', 'fail the file'],
      ['ignore', 'leave the column out'],
      ['add', 'add it to the table'],
      ['rescue', 'keep its values in the rescue column'],
    ],
  },
  {
    column: 'max_new_columns',
    label: 'New columns of one file at most',
    help: 'A file with more fails: it is probably another kind of file.',
    when: ({ value }) => value('on_unknown_column') === 'add',
  },
  {
    column: 'on_type_mismatch',
    label: 'If a value does not fit its column',
    help: 'For example a text in a column of numbers.',
    options: [
      ['fail', 'it makes a bad row'],
      ['widen', 'give the column a wider type'],
      ['rescue', 'keep it in the rescue column'],
    ],
  },
  {
    column: 'rescue_column',
    label: 'Rescue column',
    help: 'A jsonb column of the table that gets what has no other place in its row.',
    placeholder: 'rescued',
    when: rescues,
  },
];

export const MORE_TABLE: Setting[] = [
  {
    column: 'on_missing_column',
    label: 'If a file lacks a column of the table',
    help: 'Columns that have a default never fail the file.',
    options: [
      ['default', 'the column gets its default'],
      ['fail', 'fail the file'],
    ],
  },
  {
    column: 'create_table',
    label: 'Make the table if it does not exist',
    help: 'Otherwise files fail until somebody has made it.',
    kind: 'checkbox',
  },
  {
    column: 'file_id_column',
    label: 'Column for the id of the file',
    help: 'With it, the rows of one file can be undone, or replaced when its object is overwritten.',
    placeholder: 'none',
  },
  {
    column: 'file_key_column',
    label: "Column for the file's key",
    help: 'Says of each row which object it came from.',
    placeholder: 'none',
  },
  {
    column: 'line_column',
    label: 'Column for the line',
    help: 'Says of each row on which line of the file it stood.',
    placeholder: 'none',
    when: ({ value }) => value('transform') === '',
  },
  {
    column: 'allow_unlogged',
    label: 'Allow an unlogged table',
    help: 'A crash of the server empties such a table, and its files are not imported again.',
    kind: 'checkbox',
  },
];
