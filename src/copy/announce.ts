/**
 * Announces how far an import is, for running_files. pg_stat_progress_copy shows only the COPY that runs, so the name of the
 * session says what came before it, and how much there is in all. Others see that name at once, within the transaction.
 */
import { sessionName } from '../attempt.ts';
import type { PartCopy } from './part_copy.ts';

/** Returns the statements to send with a COPY; none if there is nothing to say. @param rowsBefore rows of earlier COPYs of the part */
export function announce(copy: PartCopy, rowsBefore: number): string[] {
  const { size } = copy.part;
  if (copy.dryRun || (rowsBefore === 0 && !size)) return [];
  const { rows, rowGroups } = size ?? { rows: 0, rowGroups: 0 };
  // PostgreSQL cuts a name after 63 bytes. The semicolon says that it is whole.
  const name = `${sessionName(copy)} ${rowsBefore}/${rows}/${rowGroups};`;
  return [`set local application_name = '${name}'`];
}
