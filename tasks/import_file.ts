import type { File } from '../src/db/schema.ts';
import { untilAnswered } from '../src/db/until_answered.ts';
import { ConnectorError, describeError, locate } from '../src/errors.ts';
import { faultPoint } from '../src/fault_points.ts';
import { fetchFor } from '../src/fetch.ts';
import { type Attempt, type Imported, importSpooled } from '../src/import.ts';
import { log } from '../src/log.ts';
import { countFailure, countImport } from '../src/metrics/counters.ts';
import { findOutage } from '../src/outage.ts';
import { postponeAttempt, recordFailure, recordNewVersion, startAttempt } from '../src/record.ts';
import type { SourceObject } from '../src/sources/source.ts';
import { defineTask, type WorkerContext } from '../src/task.ts';
import type { LiveAttempt } from '../src/worker/attempts.ts';

/** From this size on an object is read while it is fetched. */
const READ_AHEAD_FROM_BYTES = 8 << 20;

/** One attempt at one file: fetch -> read -> copy -> record. */
export default defineTask<{ file_id: number }>(async ({ file_id }, worker, { abortSignal }) => {
  const live = await begin(worker, file_id, abortSignal);
  if (!live) return;
  faultPoint('attempt_begun');
  try {
    await make(worker, live, abortSignal);
  } finally {
    live.end();
  }
});

async function begin(
  { attempts, control, liveness }: WorkerContext,
  fileId: number,
  shutdown: AbortSignal,
): Promise<LiveAttempt | undefined> {
  const start = (liveAttempts: number[]) =>
    untilAnswered(shutdown, () => startAttempt(control.db, fileId, liveness.workerId, liveAttempts));
  return await attempts.begin(fileId, start, shutdown);
}

async function make(worker: WorkerContext, live: LiveAttempt, shutdown: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  try {
    const { counts, backlog } = await importFile(worker, live);
    const seconds = (performance.now() - startedAt) / 1000;
    countImport(live.file, live.connector.file_format, { counts, seconds });
    log.info('imported', { ...fields(live.file), rows: counts.imported });
    if (backlog) worker.refills.ask(live.file.connector_name);
  } catch (error) {
    await fail(worker, live, error, shutdown);
    worker.refills.ask(live.file.connector_name);
  }
}

async function importFile(worker: WorkerContext, attempt: Attempt): Promise<Imported> {
  const { file, connector, signal } = attempt;
  try {
    return await importObject(worker, attempt, toObject(file));
  } catch (error) {
    if (!(error instanceof ConnectorError && error.code === 'object_changed')) throw error;
    // An object that was overwritten after it had been listed was never imported: its new version takes its place.
    const current = await worker.sources.open(connector).head(file.key, { signal });
    await recordNewVersion(worker.control.db, file, current);
    return await importObject(worker, attempt, current);
  }
}

async function importObject(
  worker: WorkerContext,
  attempt: Attempt,
  object: SourceObject,
): Promise<Imported> {
  const { file, connector, signal } = attempt;
  const fetched = await fetchFor(worker, connector, object, {
    name: `${file.id}.${file.attempt_id}`,
    signal,
  });
  try {
    // No transaction waits for the network where there is not much to gain by it.
    if (object.sizeBytes < READ_AHEAD_FROM_BYTES) await fetched.file.whole();
    return await importSpooled(worker, attempt, fetched.file);
  } finally {
    await fetched.remove();
  }
}

async function fail(
  worker: WorkerContext,
  { file, connector, signal }: LiveAttempt,
  trouble: unknown,
  shutdown: AbortSignal,
): Promise<void> {
  const outage = signal.aborted ? undefined : await findOutage(worker, connector, trouble, signal);
  const error = locate(signal.aborted ? whyStopped(signal.reason) : trouble, `${file.key}: `);
  const { db } = worker.control;
  const status = await untilAnswered(shutdown, () =>
    outage ? postponeAttempt(db, file, error, outage) : recordFailure(db, file, error),
  );
  faultPoint('failure_recorded');
  countFailure(file, outage && status ? 'postponed' : status);
  if (status === null) return log.info('import stopped', { ...fields(file), code: error.code });
  // Only what nobody foresaw needs a developer's eyes.
  const stack = error.code === 'unexpected' && trouble instanceof Error ? trouble.stack : undefined;
  log.warn(outage ? 'import postponed' : 'import failed', {
    ...fields(file),
    status,
    code: error.code,
    error: describeError(error),
    stack,
  });
}

/** An attempt is stopped because it was taken away, with that as the reason, or because the worker must end. */
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
