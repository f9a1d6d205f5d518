/** Refuses settings that need a key of the table, which would otherwise fail every file. */
import type { FieldError } from './field.ts';
import { listOf } from './settings.ts';
import type { StepContext } from './step.ts';

/**
 * Returns an error if files skip, update or change rows of a table without a key.
 * @param hasNewKey whether a table that is made gets a primary key
 * @param field where the error stands, if not at the setting itself
 */
export function refuseWithoutKey(
  { situation, table }: Pick<StepContext, 'situation' | 'table'>,
  hasNewKey: boolean,
  field?: string,
): FieldError[] {
  const { value } = situation;
  const name = value('target_table');
  if (value('change_column') !== '') {
    if (table && table.keys.length > 0) return [];
    const message = table
      ? `${name} has no primary key, by which changes could find their rows.`
      : `There is no table ${name} yet, and a file with changes does not say what its key is.`;
    const hint = table ? addKey(name) : `Make the table first: create table ${name} (... primary key (...));`;
    return [{ field: field ?? 'change_column', message, hint }];
  }
  const onConflict = value('on_conflict');
  if (onConflict === 'fail') return [];
  const does = onConflict === 'skip' ? 'leave out' : 'update';
  if (table) {
    if (table.keys.length > 0) return [];
    const message = `To ${does} rows that are there already, ${name} needs a primary key or a unique index, and has none.`;
    return [{ field: field ?? 'on_conflict', message, hint: addKey(name) }];
  }
  // Somebody else will make the table, perhaps with a key.
  if (hasNewKey || value('create_table') === 'false') return [];
  const message = `To ${does} rows that are there already, the new table ${name} needs a primary key.`;
  return [{ field: field ?? 'on_conflict', message, hint: 'Choose the columns of its key in step 3.' }];
}

function addKey(table: string): string {
  return `Run, with the columns of the key: alter table ${table} add primary key (...);`;
}

/** Returns whether the stored connector names a primary key for a new table. */
export function hasStoredKey({ draft }: Pick<StepContext, 'draft'>): boolean {
  const stored = draft?.values.primary_key;
  return Boolean(stored) && listOf(stored!).length > 0;
}
