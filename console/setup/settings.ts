/** "Settings": the columns of `connectors` that forms edit. This file knows their values; field.ts shows them. */
import { identifier, joined, type SqlValue, type Statement, sql } from '../sql.ts';
import type { Column, Draft } from './draft.ts';

export interface Setting {
  column: string;
  label: string;
  /** What it does, for people who see it for the first time. */
  help: string;
  /** The choices. Undefined: a text field. */
  options?: readonly Option[];
  /** What a text field offers. Other texts are valid, too. */
  suggestions?: readonly Option[];
  /** `checkbox`: a boolean that is not null. `list`: text[], one item a line. `long`: a text of several lines. */
  kind?: 'checkbox' | 'list' | 'long';
  placeholder?: string;
  isRequired?: boolean;
  /** Whether its field is as wide as two. */
  isWide?: boolean;
  /** What people write for the empty text, because an empty field means null. */
  emptyAs?: string;
  /** Whether it applies to the other settings. If not, it is hidden, and gets its default. */
  when?: (situation: Situation) => boolean;
  /** Whether it keeps its value where it does not apply. */
  keepsValue?: boolean;
}

export type Option = readonly [value: string, label: string];

/** What decides which settings apply. */
export interface Situation {
  /** The value of a setting: that of the form, or else of the draft. Empty if it is null. */
  value(column: string): string;
  /** csv, json or parquet; undefined if there is no such format. */
  formatKind: string | undefined;
  /** Whether the target table exists. */
  hasTable: boolean;
}

/** Returns a field of a form. A checkbox has two of its name; the last one counts. */
export function fieldOf(values: URLSearchParams, name: string): string | undefined {
  return values.getAll(name).at(-1);
}

/** Returns whether a setting applies. */
export function applies({ when }: Setting, situation: Situation): boolean {
  return when === undefined || when(situation);
}

/** Returns the values of a form: the draft's, or the defaults. */
export function loadSettings(
  settings: readonly Setting[],
  columns: ReadonlyMap<string, Column>,
  draft?: Draft,
): URLSearchParams {
  const values = new URLSearchParams();
  for (const setting of settings)
    values.set(setting.column, shownValue(setting, storedValue(setting.column, columns, draft)));
  return values;
}

/** Returns the value of a column of the draft, or its default; null if it has none. */
export function storedValue(
  column: string,
  columns: ReadonlyMap<string, Column>,
  draft: Draft | undefined,
): string | null {
  return (draft ? draft.values[column] : columns.get(column)?.default) ?? null;
}

/** Returns a value as a field shows it. */
function shownValue({ kind, emptyAs }: Setting, value: string | null): string {
  if (value === null) return '';
  if (value === '' && emptyAs !== undefined) return emptyAs;
  return kind === 'list' ? listOf(value).join('\n') : value;
}

/** Returns the items of a text[] that the database gave as JSON. */
export function listOf(value: string): string[] {
  return JSON.parse(value) as string[];
}

/** Returns the settings of a form that differ from the draft, or from the defaults. */
export function changedSettings(
  settings: readonly Setting[],
  values: URLSearchParams,
  { columns, draft, situation }: SettingsContext,
): [column: string, value: SqlValue][] {
  return settings.flatMap((setting): [string, SqlValue][] => {
    const { column } = setting;
    const before = storedValue(column, columns, draft);
    const shown = fieldOf(values, column);
    if (shown === undefined) return [];
    if (!applies(setting, situation)) {
      const byDefault = columns.get(column)?.default ?? null;
      return setting.keepsValue || before === byDefault ? [] : [[column, toSql(setting, byDefault)]];
    }
    if (shown === shownValue(setting, before)) return [];
    return [[column, toSql(setting, ofField(setting, shown, columns.get(column)))]];
  });
}

export interface SettingsContext {
  columns: ReadonlyMap<string, Column>;
  draft: Draft | undefined;
  situation: Situation;
}

/** Returns the update that saves the changes. Empty if there are none. */
export function updateSettings(name: string, changes: [column: string, value: SqlValue][]): Statement[] {
  if (changes.length === 0) return [];
  const assignments = changes.map(([column, value]) => sql`${identifier(column)} = ${value}`);
  return [sql`update s3_connector.connectors set ${joined(assignments, ', ')} where name = ${name}`];
}

/** Returns what a field says. Null: an empty field of a column that may be null. */
function ofField({ kind, emptyAs }: Setting, shown: string, column: Column | undefined): string | null {
  // A browser sends the lines of a textarea with CRLF.
  const value = kind === undefined ? shown : shown.replaceAll('\r\n', '\n');
  if (value === emptyAs) return '';
  return value.trim() === '' && value !== '\t' && column?.isNullable ? null : value;
}

function toSql({ kind, options }: Setting, value: string | null): SqlValue {
  if (value === null) return null;
  if (kind === 'list') return value.split('\n').filter((item) => item.trim() !== '');
  const isBoolean = kind === 'checkbox' || options?.some(([option]) => option === 'true');
  return isBoolean ? value === 'true' : value;
}
