/** Chooses how COPY writes a part into the target table: straight, by a staging table (conflicts), or around bad rows. */
import { copyIntoColumnstore } from './copy/columnstore.ts';
import { guardChunks } from './copy/guard.ts';
import { copyInto, type Destination, filledColumns } from './copy/into.ts';
import type { CopyJob } from './copy/job.ts';
import { chooseKey, dropStaging, makeStaging, mergeStaging } from './copy/merge.ts';
import { inSavepoint } from './copy/savepoint.ts';
import { copyTolerantly } from './copy/tolerant.ts';
import type { RowCounts } from './reconcile.ts';
import { isBadRow, isConflict } from './sql_errors.ts';
import { type Columnstore, describeColumnstore } from './table/columnstore.ts';
import { quoteTable } from './table/table.ts';

/**
 * Copies a part with the owner's rights. COPY writes straight into the table first. A conflict or a bad row repeats the part
 * in a slower way, if the connector says what to do about it.
 * @throws ConnectorError PostgreSQL's errors, with line and column; the reader's errors; `no_unique_key`,
 *   `too_many_bad_rows`, `rows_do_not_add_up`, `chunk_made_meanwhile`
 */
export function copyPart(job: CopyJob): Promise<RowCounts> {
  return guardChunks(job, () => copyUnguarded(job));
}

async function copyUnguarded(job: CopyJob): Promise<RowCounts> {
  const target: Destination = {
    table: quoteTable(job.table),
    columns: filledColumns(job.plan),
    mayLeaveOut: job.table.mayLeaveOut,
  };
  if (job.connector.on_conflict === 'fail') {
    const columnstore =
      job.connector.columnstore && job.table.hasColumnstore
        ? await describeColumnstore(job.client, job.table)
        : null;
    return await fill(job, target, columnstore);
  }
  const key = await chooseKey(job);
  try {
    return await inSavepoint(job.client, () => fill(job, target));
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
  const staging = await makeStaging(job);
  const staged = await fill(job, staging);
  const merged = await mergeStaging(job, key, staged.imported);
  await dropStaging(job);
  return { ...staged, ...merged };
}

/** Copies the part into the target or a staging table. Bad rows go to rejected_rows, if the connector says so. */
async function fill(
  job: CopyJob,
  destination: Destination,
  columnstore: Columnstore | null = null,
): Promise<RowCounts> {
  const { client, connector, part, plan, signal } = job;
  const straight = () =>
    columnstore
      ? copyIntoColumnstore(job, destination, columnstore)
      : copyInto(client, connector.owner, destination, part.copyInputs(plan), signal);
  if (connector.on_bad_row === 'fail') return await straight();
  try {
    return await inSavepoint(client, straight);
  } catch (error) {
    if (!isBadRow(error)) throw error;
    return await copyTolerantly(job, destination);
  }
}
