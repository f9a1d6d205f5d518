/** The task that makes one attempt at one file: fetch -> read -> copy -> record. */
import type { Attempt } from '../src/attempt.ts';
import type { File } from '../src/db/schema.ts';
import { untilAnswered } from '../src/db/until_answered.ts';
import { ConnectorError, describeError, locate } from '../src/errors.ts';
import { at } from '../src/fault_points.ts';
import { SessionRefused } from '../src/import/session.ts';
import { fetchAndImport, type Imported } from '../src/import.ts';
import { log } from '../src/log.ts';
import { countFailure, countImport } from '../src/metrics/counters.ts';
import { findOutage } from '../src/outage.ts';
import {
  postponeAttempt,
  recordFailure,
  recordNewVersion,
  returnAttempt,
  startAttempt,
} from '../src/record.ts';
import type { SourceObject } from '../src/sources/source.ts';
import { defineTask, type WorkerContext } from '../src/task.ts';
import { waitOrAbort } from '../src/waiting.ts';

export default defineTask<{ file_id: number }>(async ({ file_id }, worker, { abortSignal }) => {
  const attempt = await beginAttempt(worker, file_id, abortSignal);
  if (!attempt) return;
  try {
    await runAttempt(worker, attempt, abortSignal);
  } finally {
    worker.attempts.end(attempt);
  }
});

/** Returns undefined if there is nothing to do: see startAttempt. */
async function beginAttempt(
  { attempts, control, liveness }: WorkerContext,
  fileId: number,
  shutdown: AbortSignal,
): Promise<Attempt | undefined> {
  const start = (running: number[]) =>
    untilAnswered(shutdown, () =>
      at('begin_attempt', () => startAttempt(control.db, fileId, liveness.workerId, running)),
    );
  return await attempts.begin(fileId, start, shutdown);
}

async function runAttempt(worker: WorkerContext, attempt: Attempt, shutdown: AbortSignal): Promise<void> {
  const { file, connector } = attempt;
  const startedAt = performance.now();
  try {
    const { counts, backlog } = await importCurrentVersion(worker, attempt);
    const seconds = (performance.now() - startedAt) / 1000;
    countImport(file, connector.format.kind, { counts, seconds });
    log.info('imported', { ...fields(file), rows: counts.imported });
    if (backlog) worker.backlogPolls.request(file.connector_name);
  } catch (error) {
    if (error instanceof SessionRefused && !attempt.signal.aborted)
      return await waitForSession(worker, attempt, error, shutdown);
    await recordEnd(worker, attempt, error, shutdown);
    worker.backlogPolls.request(file.connector_name);
  }
}

/** Imports the listed version of the object; if that was overwritten and so never imported, the new one. */
async function importCurrentVersion(worker: WorkerContext, attempt: Attempt): Promise<Imported> {
  const { file, connector, signal } = attempt;
  try {
    return await fetchAndImport(worker, attempt, toObject(file));
  } catch (error) {
    if (!(error instanceof ConnectorError && error.code === 'object_changed')) throw error;
  }
  const current = await at(
    'head_object',
    () => worker.sources.open(connector).head(file.key, { signal }),
    'source',
  );
  await at('record_new_version', () => recordNewVersion(worker.control.db, file, current));
  return await fetchAndImport(worker, attempt, current);
}

/** Gives an attempt back that got no session of the database. Then the place waits, because other files would get none either. */
async function waitForSession(
  worker: WorkerContext,
  { file }: Attempt,
  refusal: SessionRefused,
  shutdown: AbortSignal,
): Promise<void> {
  const waitMs = worker.refusedSessions.nextWait();
  const error = locate(refusal, `${file.key}: `);
  const status = await untilAnswered(shutdown, () =>
    at('return_attempt', () => returnAttempt(worker.control.db, file, error, waitMs)),
  );
  countFailure(file, status && 'postponed');
  log.warn('import postponed', { ...fields(file), status, code: error.code, error: describeError(error) });
  await waitOrAbort(waitMs, worker.stopping);
}

/** Records that an attempt failed, was postponed because of an outage, or was stopped. */
async function recordEnd(
  worker: WorkerContext,
  { file, connector, signal }: Attempt,
  cause: unknown,
  shutdown: AbortSignal,
): Promise<void> {
  const error = locate(signal.aborted ? whyStopped(signal.reason) : cause, `${file.key}: `);
  const outage = signal.aborted ? undefined : await findOutage(worker, connector, cause, { signal });
  const { db } = worker.control;
  const status = await untilAnswered(shutdown, () =>
    outage
      ? at('postpone_attempt', () => postponeAttempt(db, file, error, outage))
      : at('record_failure', () => recordFailure(db, file, error)),
  );
  countFailure(file, outage && status ? 'postponed' : status);
  if (status === null) return log.info('import stopped', { ...fields(file), code: error.code });
  // Only unexpected errors are for developers.
  const stack = error.code === 'unexpected' && cause instanceof Error ? cause.stack : undefined;
  log.warn(outage ? 'import postponed' : 'import failed', {
    ...fields(file),
    status,
    code: error.code,
    error: describeError(error),
    stack,
  });
}

/** Returns why an attempt was stopped: it lost its file or its time was over (that error is the reason), or the worker stops. */
function whyStopped(reason: unknown): ConnectorError {
  return reason instanceof ConnectorError ? reason : workerStopped(reason);
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

function fields(file: File): Record<string, unknown> {
  return { connector: file.connector_name, key: file.key, attempt: file.attempts };
}
