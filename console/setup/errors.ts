/** Finds the field that an error of PostgreSQL is about. */
import type { SqlError } from '../outcome.ts';
import type { FieldError } from './field.ts';
import { mappedColumns } from './mapping.ts';

const PART_OF: Record<string, 'target' | 'type'> = { target_column: 'target', data_type: 'type' };

/** Returns the error at its field; nothing if it is about no field of the form. */
export function fieldErrors(error: SqlError | undefined, values: URLSearchParams): FieldError[] {
  if (!error?.column) return [];
  const { column, message } = error;
  // Without a hint of its own, an error has the comment of the column. The field has its own help.
  const hint = error.hint?.startsWith(`${column}: `) ? undefined : error.hint;
  const isInForm = values.has(column) || values.has(`${column}.choice`);
  if (error.table === 'connectors') return isInForm ? [{ field: column, message, hint }] : [];
  const part = PART_OF[column];
  const got = refusedValue(message);
  if (part === undefined || got === undefined) return [];
  return mappedColumns(values)
    .filter((mapped) => mapped[part] === got)
    .slice(-1)
    .map(({ i }) => ({ field: `column.${i}.${part}`, message, hint }));
}

/** Returns the value that an error of ours names at its end, as an SQL literal; undefined if it names none. */
function refusedValue(message: string): string | undefined {
  const [before, after] = ["(got: '", "')"];
  const at = message.indexOf(before);
  if (at === -1 || !message.endsWith(after)) return undefined;
  return message.slice(at + before.length, -after.length).replaceAll("''", "'");
}
