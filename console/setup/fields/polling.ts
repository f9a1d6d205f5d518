/** The fields about when to look into the bucket, and about limits. */
import type { Option, Setting, Situation } from '../settings.ts';

const addsRows = ({ value }: Situation) => value('change_column') === '';

const REPORT: Option = ['report', 'report it'];

export const POLLING: Setting[] = [
  {
    column: 'min_object_age',
    label: 'Wait until objects are this old',
    help: 'Set it if keys do not arrive in order, such as from several writers. Example: 5 minutes.',
  },
  {
    column: 'late_keys',
    label: 'If a key arrives late',
    help: 'A late key sorts before keys that are already imported.',
    options: [REPORT, ['import', 'import it']],
    when: addsRows,
  },
  {
    column: 'on_overwrite',
    label: 'If an imported object is overwritten',
    help: 'To replace its rows, the table needs a column for the id of the file (step 3).',
    options: [['ignore', 'ignore it'], REPORT, ['reimport', 'replace its rows']],
  },
  {
    column: 'audit_schedule',
    label: 'Look for late keys',
    help: 'An audit lists the whole bucket again. A schedule, as above.',
    suggestions: [
      ['@daily', 'each day'],
      ['@weekly', 'each Sunday'],
      ['0 3 * * *', 'each day at 03:00 UTC'],
    ],
    placeholder: 'only on request',
  },
  {
    column: 'event_queue_url',
    label: 'Queue of events',
    help: 'The SQS queue that gets the notifications of the bucket. New files are then found within seconds. Polls by the schedule continue.',
    placeholder: 'none',
  },
  {
    column: 'stop_when_caught_up',
    label: 'Pause when everything is imported',
    help: 'For a backfill, a test, or a run by another program.',
    kind: 'checkbox',
  },
];

export const LIMITS: Setting[] = [
  {
    column: 'max_parallel_files',
    label: 'Files at the same time',
    help: '1: one after another, in the order of their keys.',
    placeholder: 'as many as the workers run',
    when: addsRows,
  },
  {
    column: 'max_tracked_files',
    label: 'Files in the queue',
    help: 'A poll adds files only up to this number.',
  },
  {
    column: 'max_attempts',
    label: 'Attempts at a file',
    help: 'After errors that may pass, such as a broken connection.',
  },
  {
    column: 'import_timeout',
    label: 'Time for one attempt',
    help: 'A longer one is stopped, and the file fails. Example: 2 hours.',
  },
  {
    column: 'max_file_bytes',
    label: 'Bytes of an object',
    help: 'A larger one fails. Uncompressed it may have 20 times as many.',
  },
  { column: 'max_row_bytes', label: 'Bytes of a row', help: 'A larger row fails its file.' },
  {
    column: 'max_rows',
    label: 'Rows of a file',
    help: 'A file with more fails, and nothing of it is kept.',
    placeholder: 'no limit',
  },
];

export const AFTERWARDS: Setting[] = [
  {
    column: 'on_import',
    label: 'Statement after each file',
    help: "One SQL statement in the transaction of the file's rows. $1 is the id of the file.",
    kind: 'long',
    placeholder: 'call roll_up($1)',
  },
  {
    column: 'notify',
    label: 'Notify listeners',
    help: 'Sends each change of a file to the channel s3_connector.',
    kind: 'checkbox',
  },
  {
    column: 'retention',
    label: 'Keep history for',
    help: 'How long polls, audits, status changes and rejected rows are kept. The list of files always stays.',
    suggestions: [
      ['30 days', '30 days'],
      ['1 year', '1 year'],
    ],
    placeholder: 'for ever',
  },
];
