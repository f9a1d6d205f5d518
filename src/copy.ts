/** Chooses how a part is copied into its table: the plain way, and the wrappers that its connector and its table need. */
import { withBadRows, withLines } from './copy/bad_rows.ts';
import { withChanges } from './copy/changes.ts';
import { withChunkGuard } from './copy/chunk_guard.ts';
import { copyIntoColumnstore } from './copy/columnstore.ts';
import { withConflicts } from './copy/conflicts.ts';
import { targetOf } from './copy/destination.ts';
import { withInserts } from './copy/inserts.ts';
import type { CopyRows, PartCopy } from './copy/part_copy.ts';
import { copyPlain } from './copy/plain.ts';
import type { RowCounts } from './reconcile.ts';

/**
 * Copies a part with the owner's rights. Each wrapper handles one concern, and costs at most a savepoint until it is needed.
 * @throws ConnectorError PostgreSQL's errors, with line and column; the reader's errors; `no_unique_key`,
 *   `too_many_bad_rows`, `rows_do_not_add_up`, `chunk_made_meanwhile`, `rows_changed_meanwhile`
 */
export async function copyPart(copy: PartCopy): Promise<RowCounts> {
  const { on_bad_row, on_conflict, columnstore, change_column } = copy.connector;
  const { byInsert, hasColumnstore } = copy.table;
  const compresses = columnstore && hasColumnstore && on_conflict === 'fail' && !byInsert;

  let copyRows: CopyRows = compresses ? copyIntoColumnstore : copyPlain;
  if (change_column !== null) {
    const stageRows = on_bad_row === 'fail' ? copyPlain : withBadRows(copyPlain);
    return await withChanges(stageRows)(copy, targetOf(copy.table, copy.plan));
  }
  if (on_bad_row !== 'fail') copyRows = withBadRows(copyRows);
  else if (byInsert || on_conflict !== 'fail') copyRows = withLines(copyRows);
  if (byInsert) copyRows = withInserts(copyRows);
  if (on_conflict !== 'fail') copyRows = withConflicts(copyRows);
  if (hasColumnstore) copyRows = withChunkGuard(copyRows);
  return await copyRows(copy, targetOf(copy.table, copy.plan));
}
