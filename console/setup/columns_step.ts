/** The step "Columns" of the setup: the table, and the mapping of columns. */
import type { PreviewColumn } from '../../src/requests/preview.ts';
import { type Html, html } from '../html.ts';
import { joined, type Statement, sql } from '../sql.ts';
import { changedSettings, loadSettings, type Setting, settingFields, updateSettings } from './settings.ts';
import type { Step, StepContext } from './step.ts';

const TABLE: Setting[] = [
  { column: 'target_table', label: 'Table', placeholder: 'public.sensor_readings' },
  {
    column: 'on_unknown_column',
    label: 'If the table lacks a column',
    options: [
      ['fail', 'fail the file'],
      ['ignore', 'ignore the column'],
      ['add', 'add it to the table'],
      ['rescue', 'keep its values in the rescue column'],
    ],
  },
  {
    column: 'on_type_mismatch',
    label: 'If a value does not fit the type of its column',
    options: [
      ['fail', 'it makes a bad row'],
      ['widen', 'give the column a wider type'],
      ['rescue', 'keep it in the rescue column'],
    ],
  },
  { column: 'rescue_column', label: 'Rescue column', placeholder: 'a jsonb column, only to rescue' },
];

const HYPERTABLE: Setting[] = [
  {
    column: 'hypertable',
    label: 'Hypertable',
    options: [
      ['', 'yes, if TimescaleDB and a time column exist'],
      ['true', 'yes'],
      ['false', 'no'],
    ],
  },
  { column: 'chunk_interval', label: 'Chunk interval' },
  { column: 'columnstore', label: 'Columnstore', isCheckbox: true },
];

const TIME_COLUMN: Setting = { column: 'time_column', label: 'Time column' };
const SETTINGS = [...TABLE, TIME_COLUMN, ...HYPERTABLE];

/** A column of the last preview, with its row of column_mappings. */
interface MappedColumn extends PreviewColumn {
  source_column: string;
  mapped: boolean;
  mapped_to: string | null;
  data_type: string | null;
}

export const columnsStep: Step = {
  name: 'columns',
  title: 'Columns',
  submit: 'Save and preview',
  async load(context) {
    const values = loadSettings(SETTINGS, context.columns, context.draft);
    for (const [i, column] of (await previewColumns(context)).entries()) loadColumn(values, i, column);
    return values;
  },
  async form(values, context) {
    const columns = await previewColumns(context);
    return html`<p>Choose the table, and map the columns of the files to its columns. If the table does not exist, the first import creates it.</p>
${settingFields(TABLE, values, context.columns)}
${columns.length === 0 ? html`<p class="empty">The last preview found no columns. Columns are matched by their names.</p>` : columnTable(columns, values)}
${settingFields([timeColumnSetting(columns, values), ...HYPERTABLE], values, context.columns)}`;
  },
  statements(values, { columns, draft }) {
    const name = draft!.name;
    return [
      ...updateSettings(name, changedSettings(SETTINGS, values, columns, draft)),
      ...mappingStatements(name, values),
      sql`call s3_connector.preview(${name})`,
    ];
  },
};

/** Returns the columns that this step can map. Those with an expression or a date_format stay as they are. */
function previewColumns({ db, draft }: StepContext): Promise<MappedColumn[]> {
  return db.rows<MappedColumn>(sql`
    select p.*, m.id is not null as mapped, m.target_column as mapped_to, m.data_type
    from s3_connector.preview_columns p
    left join s3_connector.column_mappings m using (connector_name, source_column)
    where p.connector_name = ${draft!.name} and p.expression is null and m.date_format is null
    order by p.position`);
}

function loadColumn(values: URLSearchParams, i: number, column: MappedColumn): void {
  // The target without a mapping. If a person keeps it, no mapping is needed.
  const defaultTarget = column.mapped ? column.source_column : (column.target_column ?? column.source_column);
  values.set(`column.${i}.source`, column.source_column);
  values.set(`column.${i}.default`, defaultTarget);
  values.set(`column.${i}.target`, column.mapped_to ?? defaultTarget);
  values.set(`column.${i}.type`, column.data_type ?? '');
  if (!column.mapped || column.mapped_to !== null) values.set(`column.${i}.import`, 'true');
}

function columnTable(columns: MappedColumn[], values: URLSearchParams): Html {
  const field = (i: number, name: string) => values.get(`column.${i}.${name}`) ?? '';
  return html`<div class="wide" tabindex="0" role="region" aria-label="Columns"><table class="stacks mapping">
<thead><tr><th>Import</th><th>Column of the files</th><th>Inferred type</th><th>Column of the table</th><th>Type</th></tr></thead>
<tbody>${columns.map(
    ({ source_column, inferred_type, nullable, target_type }, i) => html`<tr>
<td data-label="Import"><input type="checkbox" name="column.${i}.import" value="true"${field(i, 'import') && html` checked`} aria-label="Import ${source_column}"></td>
<th scope="row" data-label="Column of the files"><code>${source_column}</code></th>
<td data-label="Inferred type">${inferred_type}${nullable && html` <span class="note">has nulls</span>`}</td>
<td data-label="Column of the table"><input name="column.${i}.target" value="${field(i, 'target')}" aria-label="Column for ${source_column}" autocomplete="off" spellcheck="false">
<input type="hidden" name="column.${i}.source" value="${source_column}"><input type="hidden" name="column.${i}.default" value="${field(i, 'default')}"></td>
<td data-label="Type"><input name="column.${i}.type" value="${field(i, 'type')}" placeholder="${target_type ?? inferred_type}" aria-label="Type of ${source_column}" autocomplete="off" spellcheck="false"></td>
</tr>`,
  )}</tbody></table></div>`;
}

function timeColumnSetting(columns: MappedColumn[], values: URLSearchParams): Setting {
  const suggested = columns.find((column) => column.suggested_time_column)?.target_column;
  const targets = columns.map((_, i) => values.get(`column.${i}.target`) ?? '').filter(Boolean);
  return {
    ...TIME_COLUMN,
    options: [
      ['', suggested ? `the suggested one (${suggested})` : 'the suggested one, if any'],
      ...[...new Set(targets)].map((target) => [target, target] as const),
    ],
  };
}

/** Returns statements that replace all mappings of this step. Only columns that are ignored, renamed or typed need one. */
function mappingStatements(name: string, values: URLSearchParams): Statement[] {
  const rows: Statement[] = [];
  let count = 0;
  for (; values.has(`column.${count}.source`); count++) {
    const field = (part: string) => values.get(`column.${count}.${part}`) ?? '';
    const target = field('import') ? field('target') : null;
    const type = target === null ? null : field('type') || null;
    if (target !== field('default') || type !== null) {
      rows.push(sql`(${name}, ${field('source')}, ${target}, ${type})`);
    }
  }
  if (count === 0) return [];
  return [
    sql`delete from s3_connector.column_mappings where connector_name = ${name} and expression is null and date_format is null`,
    ...(rows.length === 0
      ? []
      : [
          sql`insert into s3_connector.column_mappings (connector_name, source_column, target_column, data_type)
values ${joined(rows, ', ')}`,
        ]),
  ];
}
