/** What the steps of the setup ask of their settings. */
import type { FieldError } from './field.ts';
import { applies, fieldOf, type Setting, storedValue } from './settings.ts';
import type { StepContext } from './step.ts';

/** Returns an error for each field that must not be empty, and is. */
export function refuseMissing(
  settings: readonly Setting[],
  values: URLSearchParams,
  { situation }: Pick<StepContext, 'situation'>,
): FieldError[] {
  return settings
    .filter((setting) => setting.isRequired && applies(setting, situation))
    .filter(({ column }) => (fieldOf(values, column) ?? '').trim() === '')
    .map(({ column, label, placeholder }) => ({
      field: column,
      message: `${label} is missing.`,
      ...(placeholder && { hint: `Example: ${placeholder}` }),
    }));
}

/** Returns a function that says whether the stored value of a setting is not its default. */
export function stepIsChanged({ columns, draft }: StepContext): (setting: Setting) => boolean {
  return ({ column }) => storedValue(column, columns, draft) !== (columns.get(column)?.default ?? null);
}
