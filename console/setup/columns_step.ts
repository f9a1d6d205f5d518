/** The step "Columns" of the setup: the table, and the mapping of columns. */
import { html } from '../html.ts';
import { type SqlValue, sql } from '../sql.ts';
import { foldedFields, settingFields } from './field.ts';
import {
  DIFFERENCES,
  MORE_TABLE,
  PRIMARY_KEY,
  TARGET_TABLE,
  TIME_COLUMN,
  TIMESCALEDB,
} from './fields/table.ts';
import { firstRows } from './first_rows.ts';
import { hasStoredKey, refuseWithoutKey } from './key_rules.ts';
import {
  differencesPart,
  loadMapping,
  mappedColumns,
  mappingStatements,
  mappingTable,
  previewColumns,
  refuseMapping,
} from './mapping.ts';
import { refuseMissing, stepIsChanged } from './of_step.ts';
import { changedSettings, listOf, loadSettings, type Setting, updateSettings } from './settings.ts';
import type { Step, StepContext } from './step.ts';
import { offeredTables } from './tables.ts';

const TABLE_SETTINGS = [
  [TARGET_TABLE, TIME_COLUMN],
  TIMESCALEDB,
  DIFFERENCES,
  MORE_TABLE,
  [PRIMARY_KEY],
].flat();

export const columnsStep: Step = {
  name: 'columns',
  title: 'Columns',
  buttons: [
    { action: 'next', label: 'Save and go on' },
    { action: 'stay', label: 'Save and preview' },
  ],
  async load(context) {
    const { columns, draft } = context;
    const values = loadSettings(TABLE_SETTINGS, columns, draft);
    loadMapping(values, await previewColumns(context), draft!.values.primary_key);
    return values;
  },
  async form(state, context) {
    const { table, db, hasTimescaledb } = context;
    const isChanged = stepIsChanged(context);
    const columns = await previewColumns(context);
    const target = { ...TARGET_TABLE, suggestions: await offeredTables(db) };
    const time = timeColumn(
      mappedColumns(state.values),
      columns.find((column) => column.suggested_time_column)?.target_column,
    );
    return html`<p>Choose the table, and which column of the files goes into which of its columns.</p>
${settingFields([target], state)}
<div id="mapping" data-follows="target_table">
<p class="note">${table ? `The table exists, with ${table.columns.length} columns.` : 'The table does not exist yet: the first import makes it.'}</p>
${columns.length === 0 ? html`<p class="empty">The last preview found no columns. Columns are matched by their names.</p>` : mappingTable(columns, state, table)}
${table && columns.length > 0 && differencesPart(state.values, table, context.situation.value('on_unknown_column'))}
${columns.length === 0 && settingFields([PRIMARY_KEY], state)}
</div>
${hasTimescaledb ? settingFields([time, ...TIMESCALEDB], state) : html`<p class="note">TimescaleDB is not installed in this database, so the table is an ordinary one.</p>`}
${await firstRows(context)}
<h3>If files and table differ</h3>
${settingFields(DIFFERENCES, state)}
${foldedFields('Advanced: the table, and where rows came from', MORE_TABLE, state, isChanged)}`;
  },
  refuse: (values, context) => [
    ...refuseMissing(TABLE_SETTINGS, values, context),
    ...refuseMapping(values),
    ...refuseWithoutKey(context, hasNewKey(values, context), 'target_table'),
  ],
  statements(values, context) {
    const name = context.draft!.name;
    return [
      ...updateSettings(name, [
        ...changedSettings(TABLE_SETTINGS, values, context),
        ...keyChange(values, context),
      ]),
      ...mappingStatements(name, values),
      sql`call s3_connector.preview(${name})`,
    ];
  },
};

function timeColumn(columns: { target: string | null }[], suggested: string | null | undefined): Setting {
  const targets = columns.flatMap(({ target }) => (target ? [target] : []));
  return {
    ...TIME_COLUMN,
    options: [
      ['', suggested ? `the suggested one (${suggested})` : 'the suggested one, if any'],
      ...[...new Set(targets)].map((target) => [target, target] as const),
    ],
  };
}

/** Returns the columns of the primary key that the mapping says; null if the form has no mapping of a new table. */
function chosenKey(values: URLSearchParams, { table }: StepContext): string[] | null {
  const mapped = mappedColumns(values);
  if (table || mapped.length === 0) return null;
  return mapped.flatMap(({ target, isKey }) => (isKey && target ? [target] : []));
}

function hasNewKey(values: URLSearchParams, context: StepContext): boolean {
  const chosen = chosenKey(values, context);
  if (chosen !== null) return chosen.length > 0;
  const written = values.get('primary_key');
  return written === null ? hasStoredKey(context) : written.trim() !== '';
}

function keyChange(values: URLSearchParams, context: StepContext): [string, SqlValue][] {
  const chosen = chosenKey(values, context);
  if (chosen === null) return [];
  const stored = context.draft!.values.primary_key;
  const before = stored ? listOf(stored) : [];
  const isSame = chosen.length === before.length && chosen.every((column) => before.includes(column));
  return isSame ? [] : [['primary_key', chosen.length === 0 ? null : chosen]];
}
