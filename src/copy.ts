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
  const { rescue } = copy.plan;
  const byInsert = isByInsert(copy);
  const compresses = columnstore && hasColumnstore && on_conflict === 'fail' && !byInsert && rescue === null;
  const reporting = (rows: CopyRows) => (copy.onMismatch || rescue?.values ? withMismatch(rows) : rows);
  const staging = (rows: CopyRows) => withStaging(copy, rows);

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

/**
 * Copies the rows of a part's first batch that PostgreSQL accepts, for a preview. The caller limits the part, and rolls back.
 * @throws ConnectorError as `copyPart`
 */
export async function copyFirstRows(copy: PartCopy): Promise<RowCounts> {
  return await withStaging(copy, copyInBatches)(copy, targetOf(copy.table, copy.plan));
}

/** Returns a way of copying by a staging table, if the plan or the table needs one. */
function withStaging(copy: PartCopy, copyRows: CopyRows): CopyRows {
  const { rescue } = copy.plan;
  const rescuing = rescue === null ? copyRows : withRescue(copyRows, rescue);
  return isByInsert(copy) ? withInserts(rescuing) : rescuing;
}

function isByInsert({ table, plan }: PartCopy): boolean {
  return table.byInsert || plan.computed.length > 0;
}
