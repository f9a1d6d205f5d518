/** A "path" names a value within a record: `$` the record itself, `$.user.id`, `$.items[0].x`, `$."odd name"`. */

/** A key of an object, or a position in an array, from 0. */
export type Step = string | number;

const STEP = /\.([^.[\]"\s]+)|\.("(?:[^"\\]|\\.)+")|\[(\d{1,6})\]/y;

/** Whether a source column is a path, and not the name of a key. */
export const isPath = (text: string): boolean => /^\$(?=[.[]|$)/.test(text);

/** Returns the steps of a path; null if it is none. sql/1_checks/json.sql checks the same syntax. */
export function parsePath(text: string): Step[] | null {
  if (!isPath(text)) return null;
  const steps: Step[] = [];
  STEP.lastIndex = 1;
  while (STEP.lastIndex < text.length) {
    const [, key, quoted, position] = STEP.exec(text) ?? [];
    if (key !== undefined) steps.push(key);
    else if (quoted !== undefined) steps.push(unquote(quoted));
    else if (position !== undefined) steps.push(Number(position));
    else return null;
    // A failed match sets it back to 0.
  }
  return steps;
}

function unquote(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return quoted.slice(1, -1);
  }
}

/** Returns the source column's name for a key of the record. */
export const nameOfKey = (key: string): string => (isPath(key) ? `$.${JSON.stringify(key)}` : key);

/** Returns the steps that a source column names. */
export const stepsOf = (name: string): Step[] => parsePath(name) ?? [name];
