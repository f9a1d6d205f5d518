/** Answers `call s3_connector.dry_run_file(name, key)`: imports a file and rolls back. */
import type { File } from '../db/schema.ts';
import { ConnectorError, describeError, locate } from '../errors.ts';
import { AttemptSignal } from '../import/attempt_signal.ts';
import { fetchAndImport } from '../import.ts';
import type { RowCounts } from '../reconcile.ts';
import type { SourceObject } from '../sources/source.ts';
import type { WorkerContext } from '../task.ts';
import type { Request } from './request.ts';

/** The columns of `files` that an import would have set, and the first rows that it would have refused. */
export interface DryRunResult {
  rows_read?: number;
  rows_imported?: number;
  rows_rejected?: number;
  rows_skipped?: number;
  rows_inserted?: number;
  rows_updated?: number;
  rows_deleted?: number;
  error_code?: string;
  error_message?: string;
  refusals: string[];
  /** The statements by which the import would have changed the table. */
  statements: string[];
}

/**
 * Imports the current version of a file, and rolls back.
 * @throws ConnectorError `object_missing` if the key is neither tracked nor in the bucket
 */
export async function dryRunFile(request: Request, worker: WorkerContext): Promise<DryRunResult> {
  const key = request.argument ?? '';
  const tracked = await findTracked(worker, request, key);
  const refusals: string[] = [];
  const statements = new Set<string>();
  const stop = new AttemptSignal(request.signal, request.timeoutMs);
  const { signal } = stop;
  try {
    const object = await worker.sources.open(request.connector).head(key, { signal });
    const file = toFile(request, object, tracked);
    const dryRun = { requestId: request.id, refusals, statements };
    const { counts } = await fetchAndImport(
      worker,
      { ...request, signal, file, token: null, dryRun },
      object,
    );
    return { ...toColumns(counts), refusals, statements: [...statements] };
  } catch (cause) {
    const error = signal.aborted ? signal.reason : cause;
    const missing = error instanceof ConnectorError && error.code === 'object_missing';
    if (request.signal.aborted || (missing && !tracked)) throw error;
    const located = locate(error, `${key}: `);
    return {
      error_code: located.code,
      error_message: describeError(located),
      refusals,
      statements: [...statements],
    };
  } finally {
    stop.close();
  }
}

async function findTracked(
  { control }: WorkerContext,
  { connector }: Request,
  key: string,
): Promise<File | undefined> {
  return await control.db
    .selectFrom('s3_connector.files')
    .selectAll()
    .where('connector_name', '=', connector.name)
    .where('key', '=', key)
    .executeTakeFirst();
}

/** Returns the file's row for the import. An untracked file has no id yet, and gets 0. */
export function toFile({ connector }: Request, object: SourceObject, tracked?: File): File {
  return {
    id: tracked?.id ?? 0,
    connector_name: connector.name,
    key: object.key,
    etag: object.etag,
    size_bytes: object.sizeBytes,
    last_modified: object.lastModified,
    status: 'running',
    attempts: 0,
    rows_read: null,
    rows_imported: null,
    rows_rejected: null,
    rows_skipped: null,
    rows_inserted: null,
    rows_updated: null,
    rows_deleted: null,
    error_code: null,
    error_message: null,
    worker_id: null,
    attempt_id: null,
    replaces: null,
  };
}

function toColumns({ read, imported, rejected, skipped, changes }: RowCounts) {
  return {
    rows_read: read,
    rows_imported: imported,
    rows_rejected: rejected,
    rows_skipped: skipped,
    ...(changes && {
      rows_inserted: changes.inserted,
      rows_updated: changes.updated,
      rows_deleted: changes.deleted,
    }),
  };
}
