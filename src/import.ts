/** Imports one object: fetch -> read -> copy -> record. */
import type { Attempt } from './attempt.ts';
import { copyPart } from './copy.ts';
import { ConnectorError } from './errors.ts';
import { at } from './fault_points.ts';
import type { SpooledFile } from './fetch/spooled_file.ts';
import { type Fetched, fetchFor } from './fetch.ts';
import { inEntry } from './formats/entry_errors.ts';
import type { CopyPlan, FilePart } from './formats/format.ts';
import { FORMATS } from './formats/registry.ts';
import { checkRowLimit } from './formats/row_limit.ts';
import { deleteReplaced } from './import/old_rows.ts';
import { type ImportTransaction, inTransaction } from './import/transaction.ts';
import { log } from './log.ts';
import { runOnImport } from './on_import.ts';
import { addCounts, checkCounts, NO_ROWS, type RowCounts } from './reconcile.ts';
import { recordSuccess } from './record.ts';
import { inferTable, noticeOfSample } from './sample/infer_table.ts';
import type { SourceObject } from './sources/source.ts';
import { toImportError } from './sql_errors.ts';
import { planColumns } from './table/change_columns.ts';
import { ensureTable, type InferColumns } from './table/ensure.ts';
import { lockTable } from './table/exclusive.ts';
import { growTable, MUST_LOCK, onMismatch } from './table/grow.ts';
import { Growth } from './table/growth.ts';
import { describeTable } from './table/table.ts';
import type { WorkerContext } from './task.ts';
import { inSpan, readInSpans, spanOf } from './telemetry.ts';

/** Objects of at least this size are read while they are fetched. */
const READ_AHEAD_FROM_BYTES = 8 << 20;

/** The result of an import, and whether its connector has a backlog. */
export interface Imported {
  counts: RowCounts;
  backlog: boolean;
}

/**
 * Imports a version of the attempt's object. A large object is imported while it is fetched. If it cannot be
 * read in this way, or its table must grow, it is imported again when all of it is there.
 */
export async function fetchAndImport(
  worker: WorkerContext,
  attempt: Attempt,
  object: SourceObject,
  fetching: Promise<Fetched> = fetchVersion(worker, attempt, object),
): Promise<Imported> {
  const fetched = await fetching;
  const growth = new Growth();
  try {
    // A small file gains little from reading ahead, so its transaction does not wait for the network.
    if (object.sizeBytes < READ_AHEAD_FROM_BYTES) await fetched.file.whole();
    return await importReadably(worker, { ...attempt, read: object }, fetched.file, growth);
  } finally {
    await at('remove_spool', () => fetched.remove());
  }
}

/** Begins to fetch a version of the attempt's object. */
export function fetchVersion(
  worker: WorkerContext,
  attempt: Attempt,
  object: SourceObject,
): Promise<Fetched> {
  const { connector, signal } = attempt;
  return fetchFor(worker, connector, object, { name: spoolName(attempt), signal });
}

/**
 * Imports a spooled file. If it could not be read, or its table must grow, imports it again in the way that the error calls for: once
 * for each error of reading.
 */
async function importReadably(
  worker: WorkerContext,
  attempt: Attempt,
  file: SpooledFile,
  growth: Growth,
): Promise<Imported> {
  const tried = new Set<string>();
  let tools = worker;
  for (;;) {
    try {
      return await importInTransaction(tools, attempt, file, growth);
    } catch (error) {
      if (!(error instanceof ConnectorError) || tried.has(error.code)) throw error;
      const next = error.code === MUST_LOCK ? tools : toolsAfter(error, tools);
      if (next === null) throw error;
      log.info('imported again', { key: attempt.file.key, code: error.code, error: error.message });
      if (error.code === MUST_LOCK) growth.locks = true;
      else tried.add(error.code);
      tools = next;
    }
    // Nobody should wait for the network behind a lock of the table.
    await file.whole();
  }
}

/** Returns what reads a whole file after an error of reading it; null: nothing would read it. */
function toolsAfter({ code }: ConnectorError, tools: WorkerContext): WorkerContext | null {
  if (code === 'read_too_early') return tools;
  if (code !== 'out_of_memory' || tools.largeReaders === null) return null;
  // It does not sort: sorting would take memory as well.
  return { ...tools, readers: tools.largeReaders, sorters: null };
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
  growth: Growth,
): Promise<Imported> {
  return inTransaction(worker, attempt, async (transaction) => {
    if (growth.locks) await at('lock_table', () => relock(transaction, attempt));
    if (attempt.file.replaces !== null)
      await at('delete_old_rows', () => deleteReplaced(transaction.client, attempt));
    const infer = (part: FilePart) => inferColumns(worker, attempt, spooled, part);
    let counts: RowCounts = NO_ROWS;
    let fileNotice: string | null = null;
    let position = 0;
    for await (const part of readParts(worker, attempt, spooled)) {
      const place = { position: position++, rejectedBefore: counts.rejected };
      const { rows, notice } = await importPart(transaction, attempt, growth, part, { ...place, infer });
      counts = addCounts(counts, rows);
      fileNotice ??= notice;
      checkRowLimit(counts.read, attempt.connector.max_rows);
    }
    // The reader may not have needed all bytes, but the whole file must be there.
    await spooled.whole();
    checkCounts(counts);
    // Without a table, the file had no rows for on_import to follow up.
    if (transaction.table !== null)
      await at('on_import', () => runOnImport(transaction.client, attempt.connector, attempt.file));
    const record = () => recordSuccess(transaction, attempt, counts, fileNotice);
    const backlog = await at('record_success', () =>
      inSpan('record', spanOf(attempt.connector, attempt.file.key), record),
    );
    return { counts, backlog };
  });
}

/** Returns the parts of a spooled file. */
export function readParts(
  worker: WorkerContext,
  { connector, file, signal }: Attempt,
  spooled: SpooledFile,
): AsyncIterable<FilePart> {
  const parts = FORMATS[connector.format.kind].parts(spooled, connector, worker, signal);
  return readInSpans(parts, spanOf(connector, file.key));
}

/** Locks the table that is to grow, and describes it again: another import may have added the columns. */
async function relock(transaction: ImportTransaction, attempt: Attempt): Promise<void> {
  const { client, tableName } = transaction;
  if (transaction.table === null) return;
  await lockTable(client, tableName, attempt);
  transaction.table = await describeTable(client, tableName, attempt.connector.owner);
}

interface PartPlace {
  /** Of the part in the file, from 0. */
  position: number;
  /** Refused rows of the file's earlier parts. */
  rejectedBefore: number;
  infer: InferColumns;
}

/** Makes the table if it is missing, adds columns to it, and copies a part into it. Its errors name the part. */
async function importPart(
  transaction: ImportTransaction,
  attempt: Attempt,
  growth: Growth,
  part: FilePart,
  { position, rejectedBefore, infer }: PartPlace,
): Promise<{ rows: RowCounts; notice: string | null }> {
  const { client, tableName } = transaction;
  try {
    if (transaction.table === null)
      Object.assign(
        transaction,
        await at('make_table', () => ensureTable(client, tableName, attempt, part, infer)),
      );
    const { table: found } = transaction;
    const table =
      found &&
      (await at('grow_table', () =>
        growTable({ ...transaction, table: found }, attempt, growth, part, position),
      ));
    // A header without rows gives no column types to make a table or a column from, and nothing to import.
    if (table === null) return { rows: NO_ROWS, notice: null };
    transaction.table = table;
    const plan = await at('plan_columns', () => planColumns(part, table, attempt));
    const grows = onMismatch(attempt, growth, { part, table, position });
    const rows = await copyPart({ ...attempt, client, table, part, plan, rejectedBefore, onMismatch: grows });
    return { rows, notice: noticeOf(part, plan) };
  } catch (error) {
    throw part.name === null ? error : inEntry(toImportError(error), part.name);
  }
}

/** Returns what was suspicious in a part's rows, or in where they went; null: nothing. */
export function noticeOf(part: FilePart, plan: CopyPlan): string | null {
  const notice = [part.notice?.(), plan.notice].filter(Boolean).join('; ') || null;
  return notice === null || part.name === null ? notice : `${part.name}: ${notice}`;
}

/** Returns the columns for a new table, from the file and a sample of the others. */
async function inferColumns(
  worker: WorkerContext,
  attempt: Attempt,
  file: SpooledFile,
  part: FilePart,
): ReturnType<InferColumns> {
  const { key } = attempt.file;
  const sample = { ...attempt, key, file, spoolName: spoolName(attempt) };
  const inferred = await at('infer_table', () => inferTable(worker, sample, part));
  return inferred && { columns: inferred.columns, notice: noticeOfSample(inferred) };
}
