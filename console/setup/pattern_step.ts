/** The step "Files" of the setup: which files, and how to read them. */
import { bytes, count } from '../format.ts';
import { type Html, html } from '../html.ts';
import { keyText } from '../parts/key.ts';
import { at } from '../parts/time.ts';
import { sql } from '../sql.ts';
import { changedSettings, loadSettings, type Setting, settingFields, updateSettings } from './settings.ts';
import type { Step, StepContext } from './step.ts';

const PATTERN: Setting[] = [
  { column: 'pattern', label: 'Pattern', placeholder: 'sensors/**/*.csv' },
  { column: 'file_format', label: 'Format' },
];

const AS_FORMAT = ['', 'as the format says'] as const;

const CSV: Setting[] = [
  {
    column: 'csv_skip_header',
    label: 'The first line has the column names',
    options: [AS_FORMAT, ['true', 'yes'], ['false', 'no']],
  },
  {
    column: 'csv_delimiter',
    label: 'Delimiter',
    options: [AS_FORMAT, [',', 'comma ,'], [';', 'semicolon ;'], ['\t', 'tab'], ['|', 'pipe |']],
  },
  { column: 'csv_quote', label: 'Quote' },
  { column: 'csv_escape', label: 'Escape' },
  { column: 'csv_null', label: 'Null' },
  { column: 'csv_encoding', label: 'Encoding' },
  { column: 'time_zone', label: 'Time zone' },
];

const SETTINGS = [...PATTERN, ...CSV];
const SHOWN_FILES = 12;

export const patternStep: Step = {
  name: 'pattern',
  title: 'Files',
  submit: 'Save and preview',
  load: async ({ columns, draft }) => loadSettings(SETTINGS, columns, draft),
  async form(values, context) {
    return html`<p>Choose the files of the bucket. A worker lists the bucket and shows the files that match.</p>
${settingFields(await withFormats(context, PATTERN), values, context.columns)}
<details><summary>CSV format</summary>${settingFields(CSV, values, context.columns)}</details>
${await matchingFiles(context)}`;
  },
  statements: (values, { columns, draft }) => [
    ...updateSettings(draft!.name, changedSettings(SETTINGS, values, columns, draft)),
    sql`call s3_connector.preview(${draft!.name})`,
  ],
};

/** Offers the file formats of the database as choices. */
async function withFormats({ db }: StepContext, settings: Setting[]): Promise<Setting[]> {
  const formats = await db.rows<{ name: string }>(sql`
    select name from s3_connector.file_formats order by builtin desc, name`);
  const options = formats.map(({ name }) => [name, name] as const);
  return settings.map((setting) => (setting.column === 'file_format' ? { ...setting, options } : setting));
}

async function matchingFiles({ db, draft }: StepContext): Promise<Html> {
  const files = await db.rows<{ key: string; size_bytes: string; last_modified: Date; total: string }>(sql`
    select key, size_bytes, last_modified, count(*) over () as total
    from s3_connector.preview_files where connector_name = ${draft!.name} order by key limit ${SHOWN_FILES}`);
  if (files.length === 0) return html`<p class="empty">No preview yet, or nothing matches.</p>`;
  return html`<h3>Matching files</h3><p class="note">${count(files[0]!.total)} in the last preview, which has at most 1,000. These are imported first:</p>
<ul class="plain lines">${files.map((file) => html`<li>${keyText(file.key)} <span class="note">${bytes(file.size_bytes)}, ${at(file.last_modified)}</span></li>`)}</ul>`;
}
