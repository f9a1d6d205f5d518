/** Form fields that edit columns of `connectors`. */
import { type Html, html } from '../html.ts';
import { identifier, joined, type SqlValue, type Statement, sql } from '../sql.ts';
import type { Column, Draft } from './draft.ts';

export interface Setting {
  column: string;
  label: string;
  /** The choices. Undefined: a text field. */
  options?: readonly (readonly [value: string, label: string])[];
  isCheckbox?: boolean;
  placeholder?: string;
}

/** Returns the values of a form: the draft's, or the defaults. */
export function loadSettings(
  settings: readonly Setting[],
  columns: ReadonlyMap<string, Column>,
  draft?: Draft,
): URLSearchParams {
  const values = new URLSearchParams();
  for (const { column, isCheckbox } of settings) {
    const value = draft ? draft.values[column] : columns.get(column)?.default;
    if (!isCheckbox) values.set(column, value ?? '');
    else if (value === 'true') values.set(column, 'true');
  }
  return values;
}

/** Returns the settings of a form that differ from the draft, or from the defaults. */
export function changedSettings(
  settings: readonly Setting[],
  values: URLSearchParams,
  columns: ReadonlyMap<string, Column>,
  draft?: Draft,
): [column: string, value: SqlValue][] {
  const defaultOf = (column: string) => columns.get(column)?.default ?? null;
  return settings.flatMap((setting): [string, SqlValue][] => {
    const { column } = setting;
    const value = settingValue(setting, values, columns.get(column));
    const before = draft ? (draft.values[column] ?? null) : defaultOf(column);
    return value === before ? [] : [[column, asBoolean(setting, value)]];
  });
}

/** Returns the update that saves the changes. Empty if there are none. */
export function updateSettings(name: string, changes: [column: string, value: SqlValue][]): Statement[] {
  if (changes.length === 0) return [];
  const assignments = changes.map(([column, value]) => sql`${identifier(column)} = ${value}`);
  return [sql`update s3_connector.connectors set ${joined(assignments, ', ')} where name = ${name}`];
}

function settingValue(setting: Setting, values: URLSearchParams, column: Column | undefined): string | null {
  const { column: name, isCheckbox } = setting;
  if (isCheckbox) return String(values.get(name) === 'true');
  const value = values.get(name) ?? '';
  return value === '' && column?.isNullable ? null : value;
}

function asBoolean({ isCheckbox, options }: Setting, value: string | null): SqlValue {
  const isBoolean = isCheckbox || options?.some(([option]) => option === 'true');
  return isBoolean && value !== null ? value === 'true' : value;
}

/** Returns the fields of a form, each with the comment of its column as help. */
export function settingFields(
  settings: readonly Setting[],
  values: URLSearchParams,
  columns: ReadonlyMap<string, Column>,
): Html {
  return html`<div class="fields">${settings.map((setting) => settingField(setting, values.get(setting.column) ?? '', columns.get(setting.column)))}</div>`;
}

function settingField(setting: Setting, value: string, column: Column | undefined): Html {
  const { column: name, label } = setting;
  const id = `f-${name}`;
  const help = html`<small id="${id}-help">${column?.help}</small>`;
  if (setting.isCheckbox) {
    return html`<div class="field check"><label><input type="checkbox" id="${id}" name="${name}" value="true"${value === 'true' && html` checked`} aria-describedby="${id}-help"> ${label}</label>${help}</div>`;
  }
  return html`<div class="field"><label for="${id}">${label}</label>${
    setting.options
      ? selectField(id, name, value, setting.options)
      : html`<input id="${id}" name="${name}" value="${value}" placeholder="${setting.placeholder}" autocomplete="off" spellcheck="false" aria-describedby="${id}-help">`
  }${help}</div>`;
}

function selectField(
  id: string,
  name: string,
  value: string,
  options: readonly (readonly [string, string])[],
): Html {
  const isKnown = options.some(([option]) => option === value);
  const all = isKnown ? options : [...options, [value, value] as const];
  return html`<select id="${id}" name="${name}" aria-describedby="${id}-help">${all.map(
    ([option, label]) =>
      html`<option value="${option}"${option === value && html` selected`}>${label}</option>`,
  )}</select>`;
}
