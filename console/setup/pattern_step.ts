/** The step "Files" of the setup: which files, and how to read them. */
import { bytes, count } from '../format.ts';
import { type Html, html } from '../html.ts';
import { keyText } from '../parts/key.ts';
import { at } from '../parts/time.ts';
import { sql } from '../sql.ts';
import { foldedFields, settingFields } from './field.ts';
import { CSV, FILE_FORMAT, MORE_FILES } from './fields/files.ts';
import { PATTERN } from './fields/source.ts';
import { refuseMissing, stepIsChanged } from './of_step.ts';
import { changedSettings, loadSettings, type Option, updateSettings } from './settings.ts';
import type { Step, StepContext } from './step.ts';

const FILES_SETTINGS = [[PATTERN, FILE_FORMAT], CSV, MORE_FILES].flat();
const SHOWN_FILES = 12;

export const patternStep: Step = {
  name: 'pattern',
  title: 'Files',
  buttons: [
    { action: 'next', label: 'Save and preview' },
    { action: 'stay', label: 'Save and list the files' },
  ],
  load: async ({ columns, draft }) => loadSettings(FILES_SETTINGS, columns, draft),
  async form(state, context) {
    const isChanged = stepIsChanged(context);
    const format = { ...FILE_FORMAT, options: formatOptions(context) };
    return html`<p>A worker lists the bucket, and shows which files match and what is in the first one.</p>
${settingFields([PATTERN, format], state)}
${foldedFields('How the CSV is written', CSV, state, isChanged)}
${foldedFields('Advanced: which files, and how to read them', MORE_FILES, state, isChanged)}
${await matchingFiles(context)}`;
  },
  refuse: (values, context) => refuseMissing(FILES_SETTINGS, values, context),
  statements: (values, context) => [
    ...updateSettings(context.draft!.name, changedSettings(FILES_SETTINGS, values, context)),
    sql`call s3_connector.preview(${context.draft!.name})`,
  ],
};

function formatOptions({ formats }: StepContext): Option[] {
  return [...formats].map(([name, kind]) => [name, name === kind ? name : `${name} (${kind})`]);
}

async function matchingFiles({ db, draft }: StepContext): Promise<Html> {
  const files = await db.rows<{ key: string; size_bytes: string; last_modified: Date; total: string }>(sql`
    select key, size_bytes, last_modified, count(*) over () as total
    from s3_connector.preview_files where connector_name = ${draft!.name} order by key limit ${SHOWN_FILES}`);
  if (files.length === 0) return html`<p class="empty">No preview yet, or nothing matches.</p>`;
  return html`<h3>Matching files</h3><p class="note">${count(files[0]!.total)} in the last preview, which has at most 1,000. These are imported first:</p>
<ul class="plain lines">${files.map((file) => html`<li>${keyText(file.key)} <span class="note">${bytes(file.size_bytes)}, ${at(file.last_modified)}</span></li>`)}</ul>`;
}
