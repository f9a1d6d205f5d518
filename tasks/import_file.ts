import type { File } from '../src/db/schema.ts';
import { ConnectorError, describeError, locate } from '../src/errors.ts';
import { type FetchOptions, fetchObject, type SpooledFile } from '../src/fetch.ts';
import { type Attempt, importSpooled } from '../src/import.ts';
import { log } from '../src/log.ts';
import { type RowCounts, recordFailure, recordNewVersion, refill, startAttempt } from '../src/record.ts';
import type { SourceObject } from '../src/sources/source.ts';
import { defineTask, type WorkerContext } from '../src/task.ts';

/** One attempt at one file: fetch -> read -> copy -> record. */
export default defineTask<{ file_id: number }>(async ({ file_id }, worker, { abortSignal }) => {
  const attempt = await start(worker, file_id, abortSignal);
  if (!attempt) return;
  try {
    const counts = await importFile(worker, attempt);
    log.info('imported', { ...fields(attempt), rows: counts.imported });
  } catch (error) {
    await fail(worker, attempt, error);
  }
  await refill(worker.control.db, attempt.connector.name);
});

async function start(
  worker: WorkerContext,
  fileId: number,
  signal: AbortSignal,
): Promise<Attempt | undefined> {
  const { db } = worker.control;
  const file = await startAttempt(db, fileId, worker.liveness.workerId);
  if (!file) return undefined;
  const [connector, mappings] = await Promise.all([
    db
      .selectFrom('s3_connector.connectors')
      .selectAll()
      .where('name', '=', file.connector_name)
      .executeTakeFirst(),
    db
      .selectFrom('s3_connector.column_mappings')
      .selectAll()
      .where('connector_name', '=', file.connector_name)
      .execute(),
  ]);
  return connector && { file, connector, mappings, signal };
}

async function importFile(worker: WorkerContext, attempt: Attempt): Promise<RowCounts> {
  const spooled = await fetchFile(worker, attempt);
  return await importSpooled(worker, attempt, spooled.path).finally(() => spooled.remove());
}

async function fetchFile(worker: WorkerContext, { file, connector, signal }: Attempt): Promise<SpooledFile> {
  const source = worker.sources.open(connector);
  const options: FetchOptions = {
    spoolDir: worker.spoolDir,
    name: `${file.id}.${file.attempts}`,
    maxFileBytes: connector.max_file_bytes,
    signal,
  };
  try {
    return await fetchObject(source, toObject(file), options);
  } catch (error) {
    if (!(error instanceof ConnectorError && error.code === 'object_changed')) throw error;
    // An object that was overwritten after it had been listed was never imported: its new version takes its place.
    const current = await source.head(file.key);
    await recordNewVersion(worker.control.db, file, current);
    return await fetchObject(source, current, options);
  }
}

async function fail(worker: WorkerContext, attempt: Attempt, trouble: unknown): Promise<void> {
  const error = locate(attempt.signal.aborted ? workerStopped(trouble) : trouble, `${attempt.file.key}: `);
  const status = await recordFailure(worker.control.db, attempt.file, error);
  // Only what nobody foresaw needs a developer's eyes.
  const stack = error.code === 'unexpected' && trouble instanceof Error ? trouble.stack : undefined;
  log.warn('import failed', {
    ...fields(attempt),
    status,
    code: error.code,
    error: describeError(error),
    stack,
  });
}

function workerStopped(cause: unknown): ConnectorError {
  return new ConnectorError(
    'worker_stopped',
    'the worker was stopped before the import was done; nothing of it was kept',
    {
      passing: true,
      cause,
    },
  );
}

function toObject(file: File): SourceObject {
  return { key: file.key, etag: file.etag, sizeBytes: file.size_bytes, lastModified: file.last_modified };
}

function fields({ file }: Attempt): Record<string, unknown> {
  return { connector: file.connector_name, key: file.key, attempt: file.attempts };
}
