/** The step "Bucket" of the setup. Its form makes the draft and asks a worker to check the bucket. */
import { html } from '../html.ts';
import { checksPart } from '../pages/connector_parts.ts';
import { identifier, joined, type SqlValue, type Statement, sql } from '../sql.ts';
import { changedSettings, loadSettings, type Setting, settingFields, updateSettings } from './settings.ts';
import type { Step } from './step.ts';

const SETTINGS: Setting[] = [
  { column: 'name', label: 'Name', placeholder: 'sensors' },
  { column: 'bucket', label: 'Bucket', placeholder: 'acme-telemetry' },
  { column: 'pattern', label: 'Pattern', placeholder: 'sensors/**/*.csv' },
  {
    column: 'auth_method',
    label: 'Credentials',
    options: [
      ['worker', "the worker's own"],
      ['anonymous', 'none (a public bucket)'],
      ['iam_role', 'an IAM role that the worker assumes'],
    ],
  },
  { column: 'role_arn', label: 'Role to assume', placeholder: 'arn:aws:iam::123456789012:role/reader' },
  { column: 'region', label: 'Region', placeholder: 'detected' },
  { column: 'endpoint', label: 'Endpoint', placeholder: 'AWS' },
];

export const sourceStep: Step = {
  name: 'source',
  title: 'Bucket',
  submit: 'Save and check',
  load: async ({ columns, draft }) => loadSettings(SETTINGS, columns, draft),
  async form(values, { db, columns, draft }) {
    const settings = draft ? SETTINGS.filter(({ column }) => column !== 'name') : SETTINGS;
    return html`<p>Choose the bucket and the credentials. The database stores no secrets: workers have credentials in their own environment. The connector is created as a draft, and imports nothing before the last step.</p>
${settingFields(settings, values, columns)}
${draft && (await checksPart({ db }, draft.name))}`;
  },
  statements(values, { columns, draft }) {
    if (draft) {
      const settings = SETTINGS.filter(({ column }) => column !== 'name');
      return [
        ...updateSettings(draft.name, changedSettings(settings, values, columns, draft)),
        check(draft.name),
      ];
    }
    const name = values.get('name') ?? '';
    const given = changedSettings(SETTINGS, values, columns);
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
