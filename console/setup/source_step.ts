/** The step "Bucket" of the setup. Its form makes the draft and asks a worker to check the bucket. */
import { html } from '../html.ts';
import { checksPart } from '../pages/connector_parts.ts';
import { identifier, joined, type SqlValue, type Statement, sql } from '../sql.ts';
import { foldedFields, settingFields } from './field.ts';
import { AUTH_METHOD, BUCKET, NAME, PATTERN, ROLE_ARN, SERVER } from './fields/source.ts';
import { iamPanel } from './iam_panel.ts';
import { refuseMissing, stepIsChanged } from './of_step.ts';
import { changedSettings, loadSettings, type Setting, updateSettings } from './settings.ts';
import type { Step } from './step.ts';

/** The name of a connector does not change. */
const OF_NEW: Setting[] = [NAME];
const OF_ALL: Setting[] = [BUCKET, PATTERN, AUTH_METHOD, ROLE_ARN, ...SERVER];
const SOURCE_SETTINGS = [OF_NEW, OF_ALL].flat();

export const sourceStep: Step = {
  name: 'source',
  title: 'Bucket',
  buttons: [{ action: 'next', label: 'Save and check' }],
  load: async ({ columns, draft }) => loadSettings(SOURCE_SETTINGS, columns, draft),
  async form(state, context) {
    const { db, draft } = context;
    return html`<p>Which files, and with whose credentials? The connector is made as a draft: it imports nothing before the last step.</p>
${settingFields([...(draft ? [] : OF_NEW), BUCKET, PATTERN], state)}
${settingFields([AUTH_METHOD], state)}
${await iamPanel(state, context)}
${settingFields([ROLE_ARN], state)}
${foldedFields('Another server than AWS, and costs', SERVER, state, stepIsChanged(context))}
${draft && (await checksPart({ db }, draft.name))}`;
  },
  refuse: (values, context) => refuseMissing([...(context.draft ? [] : OF_NEW), ...OF_ALL], values, context),
  statements(values, context) {
    const { draft } = context;
    if (draft) {
      return [...updateSettings(draft.name, changedSettings(OF_ALL, values, context)), check(draft.name)];
    }
    const name = values.get('name') ?? '';
    const given = changedSettings(SOURCE_SETTINGS, values, context);
    return [insert([...given, ...provisional(name)]), check(name)];
  },
};

/** Returns placeholders for required columns that later steps ask for. */
function provisional(name: string): [string, SqlValue][] {
  return [
    ['file_format', 'csv'],
    ['target_table', tableName(name)],
    ['state', 'draft'],
  ];
}

function tableName(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '_')
    .replace(/^(?=\d)/, '_');
  return plain.slice(0, 63) || 'new_table';
}

/** Returns the insert of one connector. */
export function insert(row: [column: string, value: SqlValue][]): Statement {
  const names = joined(
    row.map(([column]) => identifier(column)),
    ', ',
  );
  const values = joined(
    row.map(([, value]) => sql`${value}`),
    ', ',
  );
  return sql`insert into s3_connector.connectors (${names})
values (${values})`;
}

function check(name: string): Statement {
  return sql`call s3_connector.check(${name})`;
}
