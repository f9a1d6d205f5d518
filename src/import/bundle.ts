/** Imports a "bundle": small files of one connector, in one transaction. */
import { follow } from '../abortable.ts';
import type { Attempt } from '../attempt.ts';
import { copyTogether, NotTogether, type PlannedPart, refuseTable } from '../copy/together.ts';
import { at } from '../fault_points.ts';
import type { FilePart } from '../formats/format.ts';
import { checkRowLimit } from '../formats/row_limit.ts';
import { type Imported, noticeOf, readParts } from '../import.ts';
import { NO_ROWS, reconcile } from '../reconcile.ts';
import { type BundledResult, recordSuccesses } from '../record.ts';
import { planColumns } from '../table/change_columns.ts';
import { growTable } from '../table/grow.ts';
import { Growth } from '../table/growth.ts';
import type { TargetTable } from '../table/table.ts';
import type { WorkerContext } from '../task.ts';
import type { FetchedFile } from './bundled_file.ts';
import { type ImportTransaction, inTransaction } from './transaction.ts';

/**
 * Imports files of one connector in their order, by one COPY. All of them are committed together, or none.
 * @returns of each file, what it has imported
 * @throws any error of one of them: then each may be imported alone
 */
export async function importBundle(
  worker: WorkerContext,
  files: readonly FetchedFile[],
): Promise<Imported[]> {
  const [{ attempt: first }] = files as [FetchedFile];
  const stop = new AbortController();
  const timer = setTimeout(
    () => stop.abort(new NotTogether('together, the files take longer than import_timeout')),
    first.timeoutMs,
  );
  const unfollow = files.map(({ attempt }) => follow(attempt.signal, stop));
  const { signal } = stop;
  try {
    return await inTransaction(worker, { ...first, signal }, (transaction) =>
      importTogether(worker, transaction, files, signal),
    );
  } finally {
    clearTimeout(timer);
    for (const end of unfollow) end();
  }
}

async function importTogether(
  worker: WorkerContext,
  transaction: ImportTransaction,
  files: readonly FetchedFile[],
  signal: AbortSignal,
): Promise<Imported[]> {
  const { client, table } = transaction;
  if (table === null) throw new NotTogether('the table does not exist yet');
  await at('refuse_table', () => refuseTable(client, table));
  const opened: OpenFile[] = [];
  try {
    for (const { attempt, spooled } of files) {
      const parts = readParts(worker, { ...attempt, signal }, spooled)[Symbol.asyncIterator]();
      const file: OpenFile = { attempt, parts, planned: null };
      opened.push(file);
      file.planned = await at('plan_bundled', () => planPart(transaction, table, file));
    }
    const planned = opened.flatMap((file) => file.planned ?? []);
    const [{ attempt }] = opened as [OpenFile];
    const rows = planned[0]
      ? await at('copy_bundle', () =>
          copyTogether({ ...attempt, signal, client, table, ...planned[0]!, rejectedBefore: 0 }, planned),
        )
      : [];
    for (const { parts } of opened) await refuseMoreParts(parts);
    const results = opened.map((file) => toResult(file, rows[planned.indexOf(file.planned!)] ?? 0));
    for (const { attempt: of, counts } of results) checkRowLimit(counts.read, of.connector.max_rows);
    const backlog = await at('record_bundle', () => recordSuccesses(transaction, results));
    return results.map(({ counts }) => ({ counts, backlog }));
  } finally {
    for (const { parts } of opened) await parts.return?.();
  }
}

/** A file of a bundle that is being read. */
interface OpenFile {
  attempt: Attempt;
  parts: AsyncIterator<FilePart>;
  /** Null: the file has no rows. */
  planned: PlannedPart | null;
}

/** Returns the only part of a file, and its plan; null if it has no rows. */
async function planPart(
  transaction: ImportTransaction,
  table: TargetTable,
  { attempt, parts }: OpenFile,
): Promise<PlannedPart | null> {
  const { done, value: part } = await parts.next();
  if (done) return null;
  if (part.name !== null) throw new NotTogether('a file is an archive');
  // A table that must grow ends the bundle by an error.
  if ((await growTable({ ...transaction, table }, attempt, new Growth(), part, 0)) === null) return null;
  return { part, plan: await planColumns(part, table, attempt) };
}

async function refuseMoreParts(parts: AsyncIterator<FilePart>): Promise<void> {
  if (!(await parts.next()).done) throw new NotTogether('a file has several parts');
}

function toResult({ attempt, planned }: OpenFile, rows: number): BundledResult {
  return {
    attempt,
    counts: planned === null ? NO_ROWS : reconcile(rows, rows, false),
    fileNotice: planned && noticeOf(planned.part, planned.plan),
  };
}
