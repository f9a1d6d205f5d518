/** Notices values that do not fit their column's type, before anybody treats their rows as bad. */
import { isTypeMismatch } from '../sql_errors.ts';
import type { CopyRows, PartCopy } from './part_copy.ts';

/**
 * Returns a way of copying that reports a value that a column's type refused.
 * @param copyRows copies rows, and has no rows sorted out
 */
export function withMismatch(copyRows: CopyRows): CopyRows {
  return async function copyAndReport(copy, destination) {
    try {
      return await copyRows(copy, destination);
    } catch (error) {
      await reportMismatch(copy, error);
      throw error;
    }
  };
}

/** Reports a value that a column's type refused. The one who is told may end the copy by an error. */
export async function reportMismatch({ onMismatch }: PartCopy, error: unknown): Promise<void> {
  if (isTypeMismatch(error)) await onMismatch?.(error);
}
