import { html } from '../html.ts';
import { changedSettings, loadSettings, type Setting, settingFields, updateSettings } from './settings.ts';
import type { Step } from './step.ts';

const ROWS: Setting[] = [
  {
    column: 'on_conflict',
    label: 'A row that the table has already',
    options: [
      ['fail', 'fails the file'],
      ['skip', 'is skipped'],
      ['update', 'takes its place'],
    ],
  },
  {
    column: 'on_bad_row',
    label: 'A bad row',
    options: [
      ['fail', 'fails the file'],
      ['skip', 'is left out, and kept in rejected_rows'],
    ],
  },
  { column: 'max_bad_rows', label: 'Bad rows at most', placeholder: 'no limit' },
  { column: 'file_id_column', label: 'Column for the file’s id', placeholder: 'none' },
];

const PACE: Setting[] = [
  { column: 'schedule', label: 'Schedule', placeholder: '*/5 * * * *' },
  { column: 'min_object_age', label: 'Objects at least this old' },
  { column: 'start_after', label: 'Start after', placeholder: 'the first key' },
  { column: 'max_parallel_files', label: 'Files side by side', placeholder: 'as many as the workers run' },
];

const SETTINGS = [...ROWS, ...PACE];

/** What becomes of conflicts and bad rows, and when the bucket is looked at. */
export const rulesStep: Step = {
  name: 'rules',
  title: 'Rules',
  submit: 'Save',
  load: async ({ columns, draft }) => loadSettings(SETTINGS, columns, draft),
  form: async (values, { columns }) => html`<h3>Rows</h3>${settingFields(ROWS, values, columns)}
<h3>Pace</h3>${settingFields(PACE, values, columns)}`,
  statements: (values, { columns, draft }) =>
    updateSettings(draft!.name, changedSettings(SETTINGS, values, columns, draft)),
};
