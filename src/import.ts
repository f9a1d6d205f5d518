/** Imports one object: fetch -> read -> copy -> record. */
import type { Attempt } from './attempt.ts';
import { copyPart } from './copy.ts';
import { ConnectorError, locate } from './errors.ts';
import { faultPoint } from './fault_points.ts';
import type { SpooledFile } from './fetch/spooled_file.ts';
import { fetchFor } from './fetch.ts';
import type { FilePart } from './formats/format.ts';
import { FORMATS } from './formats/registry.ts';
import { checkRowLimit } from './formats/row_limit.ts';
import { deleteReplaced } from './import/old_rows.ts';
import { type ImportTransaction, inTransaction } from './import/transaction.ts';
import { log } from './log.ts';
import { runOnImport } from './on_import.ts';
import { addCounts, checkCounts, NO_ROWS, type RowCounts } from './reconcile.ts';
import { recordSuccess } from './record.ts';
import type { SourceObject } from './sources/source.ts';
import { toImportError } from './sql_errors.ts';
import { planColumns } from './table/change_columns.ts';
import { ensureTable } from './table/ensure.ts';
import type { WorkerContext } from './task.ts';

/** Objects of at least this size are read while they are fetched. */
const READ_AHEAD_FROM_BYTES = 8 << 20;

/** The result of an import, and whether its connector has a backlog. */
export interface Imported {
  counts: RowCounts;
  backlog: boolean;
}

/**
 * Fetches a version of the attempt's object, and imports it. A large object is imported while it is fetched. If it cannot be
 * read in this way, it is imported again when all of it is there.
 */
export async function fetchAndImport(
  worker: WorkerContext,
  attempt: Attempt,
  object: SourceObject,
): Promise<Imported> {
  const { connector, signal } = attempt;
  const fetched = await fetchFor(worker, connector, object, { name: spoolName(attempt), signal });
  try {
    // A small file gains little from reading ahead, so its transaction does not wait for the network.
    if (object.sizeBytes < READ_AHEAD_FROM_BYTES) await fetched.file.whole();
    try {
      return await importInTransaction(worker, attempt, fetched.file);
    } catch (error) {
      if (!(error instanceof ConnectorError && error.code === 'read_too_early')) throw error;
      log.info('read too early', { key: object.key, error: error.message });
    }
    await fetched.file.whole();
    return await importInTransaction(worker, attempt, fetched.file);
  } finally {
    await fetched.remove();
  }
}

/** Returns a name that no other file in the worker's spool has. */
function spoolName({ file, dryRun }: Attempt): string {
  return dryRun ? `request.${dryRun.requestId}` : `${file.id}.${file.attempt_id}`;
}

/** Imports a spooled file. Its rows, the effects of on_import, and its success are committed together, or not at all. */
function importInTransaction(
  worker: WorkerContext,
  attempt: Attempt,
  spooled: SpooledFile,
): Promise<Imported> {
  return inTransaction(worker, attempt, async (transaction) => {
    if (attempt.file.replaces !== null) await deleteReplaced(transaction.client, attempt);
    let counts: RowCounts = NO_ROWS;
    for await (const part of readParts(worker, attempt, spooled)) {
      counts = addCounts(counts, await importPart(transaction, attempt, part, counts.rejected));
      checkRowLimit(counts.read, attempt.connector.max_rows);
    }
    // The reader may not have needed all bytes, but the whole file must be there.
    await spooled.whole();
    checkCounts(counts);
    faultPoint('copied');
    // Without a table, the file had no rows for on_import to follow up.
    if (transaction.table !== null) await runOnImport(transaction.client, attempt.connector, attempt.file);
    const backlog = await recordSuccess(transaction, attempt, counts);
    faultPoint('committed');
    return { counts, backlog };
  });
}

function readParts(
  worker: WorkerContext,
  { connector, signal }: Attempt,
  spooled: SpooledFile,
): AsyncIterable<FilePart> {
  return FORMATS[connector.format.kind].parts(spooled, connector, worker, signal);
}

/** Makes the table if it is missing, and copies a part into it. Its errors name the part. */
async function importPart(
  transaction: ImportTransaction,
  attempt: Attempt,
  part: FilePart,
  rejectedBefore: number,
): Promise<RowCounts> {
  const { client, tableName } = transaction;
  try {
    if (transaction.table === null)
      Object.assign(transaction, await ensureTable(client, tableName, attempt, part));
    const { table } = transaction;
    // A header without rows gives no column types to make a table from, and nothing to import.
    if (table === null) return NO_ROWS;
    const plan = await planColumns(part, table, attempt);
    return await copyPart({ ...attempt, client, table, part, plan, rejectedBefore });
  } catch (error) {
    throw part.name === null ? error : locate(toImportError(error), `${part.name}, `);
  }
}
