import type { File } from '../db/schema.ts';
import { ConnectorError, describeError, locate } from '../errors.ts';
import { fetchObject } from '../fetch.ts';
import { importSpooled } from '../import.ts';
import type { RowCounts } from '../record.ts';
import type { SourceObject } from '../sources/source.ts';
import type { WorkerContext } from '../task.ts';
import type { Request } from './request.ts';

/** What an import would have put into `files`. */
export interface DryRun {
  rows_read?: number;
  rows_imported?: number;
  rows_rejected?: number;
  rows_skipped?: number;
  error_code?: string;
  error_message?: string;
}

/**
 * Imports a file as its bucket has it now, and rolls back.
 * @throws ConnectorError `object_missing` where the key is neither tracked nor in the bucket
 */
export async function dryRunFile(request: Request, worker: WorkerContext): Promise<DryRun> {
  const key = request.argument ?? '';
  const tracked = await findTracked(worker, request, key);
  try {
    const object = await worker.sources.open(request.connector).head(key);
    return countsOf(await importAndRollBack(request, worker, toFile(request, object, tracked), object));
  } catch (error) {
    const missing = error instanceof ConnectorError && error.code === 'object_missing';
    if (request.signal.aborted || (missing && !tracked)) throw error;
    const located = locate(error, `${key}: `);
    return { error_code: located.code, error_message: describeError(located) };
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

async function importAndRollBack(
  { id, connector, mappings, signal }: Request,
  worker: WorkerContext,
  file: File,
  object: SourceObject,
): Promise<RowCounts> {
  const spooled = await fetchObject(worker.sources.open(connector), object, {
    spoolDir: worker.spoolDir,
    name: `request.${id}`,
    maxFileBytes: connector.max_file_bytes,
    signal,
  });
  try {
    return await importSpooled(worker, { file, connector, mappings, signal, dryRun: true }, spooled.path);
  } finally {
    await spooled.remove();
  }
}

/** The file's row as an import would see it; one that is not tracked has no id yet, and goes by 0. */
function toFile({ connector }: Request, object: SourceObject, tracked: File | undefined): File {
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
    error_code: null,
    error_message: null,
    worker_id: null,
  };
}

function countsOf({ imported, rejected, skipped }: RowCounts): DryRun {
  return {
    rows_read: imported + rejected + skipped,
    rows_imported: imported,
    rows_rejected: rejected,
    rows_skipped: skipped,
  };
}
