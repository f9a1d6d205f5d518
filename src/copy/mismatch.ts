/** Notices values that do not fit their column's type, before anybody treats their rows as bad. */
import { isTypeMismatch } from '../sql_errors.ts';
import type { CopyRows } from './part_copy.ts';

/**
 * Returns a way of copying that reports a value that a column's type refused. Who is told may end the import.
 * @param copyRows copies rows, and has no rows sorted out
 */
export function withMismatch(copyRows: CopyRows): CopyRows {
  return async function copyAndReport(copy, destination) {
    try {
      return await copyRows(copy, destination);
    } catch (error) {
      if (isTypeMismatch(error)) await copy.onMismatch?.(error);
      throw error;
    }
  };
}
