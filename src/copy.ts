/** Chooses how a part is copied into its table: the plain way, and the wrappers that its connector and its table need. */
import { copyInBatches, withBadRows, withLines } from './copy/bad_rows.ts';
import { withChanges } from './copy/changes.ts';
import { withChunkGuard } from './copy/chunk_guard.ts';
import { copyIntoColumnstore } from './copy/columnstore.ts';
import { withConflicts } from './copy/conflicts.ts';
import { targetOf } from './copy/destination.ts';
import { withInserts } from './copy/inserts.ts';
import { withMismatch } from './copy/mismatch.ts';
import type { CopyRows, PartCopy } from './copy/part_copy.ts';
import { copyPlain } from './copy/plain.ts';
import { withRescue } from './copy/rescue.ts';
import type { RowCounts } from './reconcile.ts';
import { inSpan, spanOf } from './telemetry.ts';

/**
 * Copies a part with the owner's rights. Each wrapper handles one concern, and costs at most a savepoint until it is needed.
 * @throws ConnectorError PostgreSQL's errors, with line and column; the reader's errors; `no_unique_key`,
 *   `too_many_bad_rows`, `rows_do_not_add_up`, `chunk_made_meanwhile`, `rows_changed_meanwhile`, `bad_expression`, `target_has_rules`
 */
export async function copyPart(copy: PartCopy): Promise<RowCounts> {
  const { on_bad_row, on_conflict, columnstore, change_column } = copy.connector;
  const { hasColumnstore } = copy.table;
  const { rescue, computed } = copy.plan;
  const byInsert = copy.table.byInsert || computed.length > 0;
  const compresses = columnstore && hasColumnstore && on_conflict === 'fail' && !byInsert && rescue === null;
  const reporting = (rows: CopyRows) => (copy.onMismatch || rescue?.values ? withMismatch(rows) : rows);
  const staging = (rows: CopyRows) => {
    const rescuing = rescue === null ? rows : withRescue(rows, rescue);
    return byInsert ? withInserts(rescuing) : rescuing;
  };

  let copyRows = reporting(compresses ? copyIntoColumnstore : copyPlain);
  if (on_bad_row !== 'fail') copyRows = withBadRows(copyRows);
  else if (byInsert || on_conflict !== 'fail' || rescue !== null) copyRows = withLines(copyRows);
  copyRows = staging(copyRows);
  if (change_column !== null) copyRows = withChanges(copyRows, staging(reporting(copyInBatches)));
  if (on_conflict !== 'fail') copyRows = withConflicts(copyRows);
  if (hasColumnstore) copyRows = withChunkGuard(copyRows);
  return await inSpan(
    'copy',
    spanOf(copy.connector, copy.file.key),
    () => copyRows(copy, targetOf(copy.table, copy.plan)),
    ({ imported }) => ({ rows: imported }),
  );
}
