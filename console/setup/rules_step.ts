/** The step "Rules" of the setup: conflicts, bad rows, and when to poll. */
import { html } from '../html.ts';
import { changedSettings, loadSettings, type Setting, settingFields, updateSettings } from './settings.ts';
import type { Step } from './step.ts';

const ROWS: Setting[] = [
  {
    column: 'on_conflict',
    label: 'If a row already exists',
    options: [
      ['fail', 'fail the file'],
      ['skip', 'skip the row'],
      ['update', 'update the existing row'],
    ],
  },
  {
    column: 'on_bad_row',
    label: 'If a row is bad',
    options: [
      ['fail', 'fail the file'],
      ['skip', 'skip the row, and record it in rejected_rows'],
    ],
  },
  {
    column: 'change_column',
    label: 'Column that says insert, update or delete',
    placeholder: 'none: rows are added',
  },
  {
    column: 'change_values',
    label: 'Values of that column',
    placeholder: 'dms, debezium, or {"I": "insert"}',
  },
  {
    column: 'sequence_column',
    label: 'Column that orders changes',
    placeholder: 'none: the order in the file',
  },
  { column: 'max_bad_rows', label: 'Maximum bad rows', placeholder: 'no limit' },
  { column: 'max_rows', label: 'Maximum rows of a file', placeholder: 'no limit' },
  { column: 'file_id_column', label: 'Column for the file id', placeholder: 'none' },
  { column: 'file_key_column', label: "Column for the file's key", placeholder: 'none' },
  { column: 'line_column', label: 'Column for the line', placeholder: 'none' },
];

const POLLING: Setting[] = [
  { column: 'schedule', label: 'Schedule', placeholder: '*/5 * * * *' },
  { column: 'min_object_age', label: 'Minimum object age' },
  { column: 'start_after', label: 'Start after', placeholder: 'the first key' },
  {
    column: 'max_parallel_files',
    label: 'Maximum parallel files',
    placeholder: 'as many as the workers can run',
  },
];

const SETTINGS = [...ROWS, ...POLLING];

export const rulesStep: Step = {
  name: 'rules',
  title: 'Rules',
  submit: 'Save',
  load: async ({ columns, draft }) => loadSettings(SETTINGS, columns, draft),
  form: async (values, { columns }) => html`<h3>Rows</h3>${settingFields(ROWS, values, columns)}
<h3>Polling</h3>${settingFields(POLLING, values, columns)}`,
  statements: (values, { columns, draft }) =>
    updateSettings(draft!.name, changedSettings(SETTINGS, values, columns, draft)),
};
