/** The "mapping" of a form: each column of the files next to the column of the table that it goes into. */
import type { PreviewColumn } from '../../src/requests/preview.ts';
import { shortType } from '../format.ts';
import { type Html, html } from '../html.ts';
import { joined, type Statement, sql } from '../sql.ts';
import { dataList, errorText, type FieldError, type FormState, fieldMarks, selectField } from './field.ts';
import { fieldOf, listOf, type Option } from './settings.ts';
import type { StepContext } from './step.ts';
import type { TargetTable } from './tables.ts';

/** A column of the last preview, with its row of column_mappings. */
interface MappedColumn extends PreviewColumn {
  source_column: string;
  mapped: boolean;
  mapped_to: string | null;
  data_type: string | null;
  /** The first value that is not null, as it would land. */
  example: string | null;
}

/** The types that a field offers. Others can be written. */
const TYPES = [
  ...['text', 'boolean', 'integer', 'bigint', 'numeric', 'numeric(12,2)', 'real', 'double precision'],
  ...['date', 'timestamptz', 'timestamp', 'time', 'interval', 'uuid', 'jsonb', 'inet'],
].map((type): Option => [type, type]);

/** Returns the columns that a form can map. Those with an expression or a date_format stay as they are. */
export function previewColumns({ db, draft }: StepContext): Promise<MappedColumn[]> {
  return db.rows<MappedColumn>(sql`
    select p.*, m.id is not null as mapped, m.target_column as mapped_to, m.data_type, (
      select r."values" ->> p.target_column from s3_connector.preview_rows r
      where r.connector_name = p.connector_name and r."values" ->> p.target_column is not null order by r.position limit 1
    ) as example
    from s3_connector.preview_columns p
    left join s3_connector.column_mappings m using (connector_name, source_column)
    where p.connector_name = ${draft!.name} and p.expression is null and m.date_format is null
    order by p.position`);
}

/** Fills in the fields of the mapping. */
export function loadMapping(
  values: URLSearchParams,
  columns: MappedColumn[],
  primaryKey: string | null | undefined,
): void {
  const key = primaryKey ? listOf(primaryKey) : [];
  for (const [i, column] of columns.entries()) {
    // The target without a mapping. If a person keeps it, no mapping is needed.
    const byDefault = column.mapped ? column.source_column : (column.target_column ?? column.source_column);
    const target = column.mapped_to ?? byDefault;
    values.set(`column.${i}.source`, column.source_column);
    values.set(`column.${i}.default`, byDefault);
    values.set(`column.${i}.target`, target);
    values.set(`column.${i}.type`, column.data_type ?? '');
    if (!column.mapped || column.mapped_to !== null) values.set(`column.${i}.import`, 'true');
    if (key.includes(target)) values.set(`column.${i}.key`, 'true');
  }
}

/** Returns the mapping as a table of fields. */
export function mappingTable(
  columns: MappedColumn[],
  state: FormState,
  table: TargetTable | undefined,
): Html {
  const { values } = state;
  return html`<div class="wide" tabindex="0" role="region" aria-label="Columns"><table class="stacks mapping">
<thead><tr><th>Import</th><th>Column of the files</th><th>Type of its values</th><th>First value</th><th>${table ? 'Column of the table' : 'Column of the new table'}</th>${!table && html`<th>Type</th><th>Key</th>`}</tr></thead>
<tbody>${columns.map((column, i) => {
    const field = (name: string) => fieldOf(values, `column.${i}.${name}`) ?? '';
    const { source_column: source, inferred_type, nullable, example } = column;
    return html`<tr>
<td data-label="Import"><input type="checkbox" name="column.${i}.import" value="true"${field('import') && html` checked`} aria-label="Import ${source}"></td>
<th scope="row" data-label="Column of the files"><code>${source}</code><input type="hidden" name="column.${i}.source" value="${source}"><input type="hidden" name="column.${i}.default" value="${field('default')}"></th>
<td data-label="Type of its values">${inferred_type}${nullable && html` <span class="note">has nulls</span>`}</td>
<td data-label="First value" class="example">${example === null ? html`<span class="note">–</span>` : example}</td>
<td data-label="${table ? 'Column of the table' : 'Column of the new table'}">${targetControl(i, source, state, table)}${errorAt(state, `column.${i}.target`)}</td>
${table ? html`<input type="hidden" name="column.${i}.type" value="${field('type')}">` : newColumn(i, column, state)}</tr>`;
  })}</tbody></table></div>${dataList('types', TYPES)}`;
}

function targetControl(i: number, source: string, state: FormState, table: TargetTable | undefined): Html {
  const name = `column.${i}.target`;
  const value = fieldOf(state.values, name) ?? '';
  const marks = html`${fieldMarks(name, state)} aria-label="Column for ${source}"`;
  if (!table) {
    return html`<input name="${name}" value="${value}"${marks} autocomplete="off" spellcheck="false">`;
  }
  const offered = table.columns.filter(({ is_generated }) => !is_generated);
  const options = offered.map(
    (column): Option => [column.name, `${column.name} (${shortType(column.type)})`],
  );
  const isThere = offered.some((column) => column.name === value);
  const all = isThere ? options : [[value, `${value} (the table lacks it)`] as const, ...options];
  return selectField(`f-column-${i}`, name, value, all, marks);
}

function newColumn(
  i: number,
  { source_column: source, target_type, inferred_type }: MappedColumn,
  state: FormState,
): Html {
  const name = `column.${i}.type`;
  const isKey = fieldOf(state.values, `column.${i}.key`) === 'true';
  return html`<td data-label="Type"><input name="${name}" value="${fieldOf(state.values, name) ?? ''}" list="types" placeholder="${shortType(target_type ?? inferred_type)}"${fieldMarks(name, state)} aria-label="Type of ${source}" autocomplete="off" spellcheck="false">${errorAt(state, name)}</td>
<td data-label="Key"><input type="checkbox" name="column.${i}.key" value="true"${isKey && html` checked`} aria-label="${source} is part of the primary key"></td>`;
}

function errorAt({ errors }: FormState, name: string): Html {
  return errorText(errors.find(({ field }) => field === name));
}

const WITHOUT_COLUMN: Record<string, string> = {
  fail: 'Files with it fail. Do not import it, choose another column, or say below what to do with it.',
  ignore: 'It is left out.',
  add: 'The first import adds it.',
  rescue: 'Its values go into the rescue column.',
};

/** Returns the keys of an existing table, and which columns the files or the table lack. */
export function differencesPart(
  values: URLSearchParams,
  { columns, keys }: TargetTable,
  onUnknown: string,
): Html {
  const targets = mappedColumns(values).flatMap(({ target }) => (target === null ? [] : [target]));
  const unknown = targets.filter((target) => !columns.some(({ name }) => name === target));
  const unfilled = columns.filter(({ name, is_generated }) => !is_generated && !targets.includes(name));
  return html`<p class="note">${keys.length === 0 ? 'The table has no primary key and no unique index.' : html`Keys of the table: ${keys.map((key, i) => html`${i > 0 && ', '}<code>(${key.join(', ')})</code>`)}.`}</p>
${
  unknown.length > 0 &&
  html`<p class="${onUnknown === 'fail' ? 'trouble' : 'note'}">The table lacks ${unknown.map((name, i) => html`${i > 0 && ', '}<code>${name}</code>`)}. ${WITHOUT_COLUMN[onUnknown]}</p>`
}
${
  unfilled.length > 0 &&
  html`<p>No column of the files goes into: ${unfilled.map(
    ({ name, type, has_default, not_null }, i) =>
      html`${i > 0 && ', '}<code>${name}</code> <span class="note">${shortType(type)}, ${has_default ? 'gets its default' : not_null ? html`<strong class="trouble">must not be null</strong>` : 'gets null'}</span>`,
  )}.</p>`
}`;
}

interface Mapped {
  i: number;
  source: string;
  byDefault: string;
  /** Null: left out. */
  target: string | null;
  type: string | null;
  isKey: boolean;
}

/** Returns the mapping that the fields say. */
export function mappedColumns(values: URLSearchParams): Mapped[] {
  const found: Mapped[] = [];
  for (let i = 0; values.has(`column.${i}.source`); i++) {
    const field = (part: string) => fieldOf(values, `column.${i}.${part}`) ?? '';
    const target = field('import') ? field('target') : null;
    found.push({
      i,
      source: field('source'),
      byDefault: field('default'),
      target,
      type: target === null ? null : field('type').trim() || null,
      isKey: target !== null && field('key') === 'true',
    });
  }
  return found;
}

/** Returns what is wrong with a mapping. */
export function refuseMapping(values: URLSearchParams): FieldError[] {
  const taken = new Map<string, string>();
  return mappedColumns(values).flatMap(({ i, source, target }): FieldError[] => {
    if (target === null) return [];
    if (target.trim() === '') return [{ field: `column.${i}.target`, message: 'Name a column.' }];
    const other = taken.get(target);
    taken.set(target, source);
    if (other === undefined) return [];
    return [{ field: `column.${i}.target`, message: `${other} goes into ${target} already.` }];
  });
}

/** Returns statements that replace all mappings of the form. Only columns that are left out, renamed or typed need one. */
export function mappingStatements(name: string, values: URLSearchParams): Statement[] {
  const mapped = mappedColumns(values);
  if (mapped.length === 0) return [];
  const rows = mapped
    .filter(({ target, byDefault, type }) => target !== byDefault || type !== null)
    .map(({ source, target, type }) => sql`(${name}, ${source}, ${target}, ${type})`);
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
