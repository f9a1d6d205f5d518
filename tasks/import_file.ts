/** The task that makes an attempt at a file, or at each file of a bundle: fetch -> read -> copy -> record. */
import type { Attempt } from '../src/attempt.ts';
import type { File } from '../src/db/schema.ts';
import { untilAnswered } from '../src/db/until_answered.ts';
import { ConnectorError, describeError, locate } from '../src/errors.ts';
import { at } from '../src/fault_points.ts';
import { importBundle } from '../src/import/bundle.ts';
import { BundledFile, type FetchedFile, fetchTogether } from '../src/import/bundled_file.ts';
import { SessionRefused } from '../src/import/session.ts';
import { Turn } from '../src/import/turn.ts';
import { fetchAndImport, type Imported } from '../src/import.ts';
import { log, logTogether } from '../src/log.ts';
import { countFailure, countImport } from '../src/metrics/counters.ts';
import { findOutage } from '../src/outage.ts';
import {
  giveBackAttempts,
  postponeAttempt,
  recordFailure,
  recordNewVersion,
  returnAttempt,
  startAttempts,
} from '../src/record.ts';
import { defineTask, type WorkerContext } from '../src/task.ts';
import { inSpan, spanOf } from '../src/telemetry.ts';
import { waitOrAbort } from '../src/waiting.ts';

export default defineTask<{ file_id: number }>(async ({ file_id }, worker, { abortSignal }) => {
  const attempts = await beginAttempts(worker, file_id, abortSignal);
  if (attempts.length === 0) return;
  const files = attempts.map((attempt) => new BundledFile(worker, attempt));
  try {
    await runOneByOne(worker, await runTogether(worker, files), abortSignal);
  } catch (error) {
    // The queue begins the first file again, and not the others.
    worker.lostJobs.look();
    throw error;
  } finally {
    for (const file of files) await endFile(worker, file);
  }
});

/** Begins an attempt, or a bundle of them. Returns none if there is nothing to do: see startAttempts. */
async function beginAttempts(
  { attempts, bundling, control, liveness, lostJobs }: WorkerContext,
  fileId: number,
  shutdown: AbortSignal,
): Promise<Attempt[]> {
  let asked = 0;
  const start = (runningAttempts: number[]) =>
    untilAnswered(shutdown, async () => {
      // Of an answer that was lost, the repeated question begins the first file again, and not the others.
      if (asked++ > 0) lostJobs.look();
      const { mostFiles, paused: alone } = bundling;
      const workerId = await liveness.aliveId(shutdown);
      return await at('begin_attempt', () =>
        startAttempts(control.db, { fileId, workerId, runningAttempts, mostFiles, alone }),
      );
    });
  return await attempts.begin(fileId, start, shutdown);
}

async function endFile({ attempts }: WorkerContext, file: BundledFile): Promise<void> {
  attempts.end(file.attempt);
  await file.remove();
}

/**
 * Imports files in one transaction, if there are several.
 * @returns those that are to be imported alone: first those that are there
 */
async function runTogether(worker: WorkerContext, files: BundledFile[]): Promise<BundledFile[]> {
  if (files.length < 2) return files;
  const { connector } = files[0]!.attempt;
  const startedAt = performance.now();
  const fetched = await fetchTogether(files);
  const missing = files.filter(({ attempt }) => !fetched.some((file) => file.attempt === attempt));
  const present = files.filter((file) => !missing.includes(file));
  const imported = await importFetched(worker, fetched);
  if (!imported) return [...present, ...missing];
  worker.bundling.succeeded(connector.name);
  const seconds = (performance.now() - startedAt) / 1000 / imported.length;
  logTogether(() => {
    for (const [i, { attempt }] of present.entries()) noteSuccess(worker, attempt, imported[i]!, seconds);
  });
  for (const file of present) await endFile(worker, file);
  return missing;
}

/** Returns undefined if the files must be imported alone. */
async function importFetched(worker: WorkerContext, fetched: FetchedFile[]): Promise<Imported[] | undefined> {
  if (fetched.length < 2) return undefined;
  const { name } = fetched[0]!.attempt.connector;
  try {
    return await inSpan(
      'attempt',
      { ...spanOf(fetched[0]!.attempt.connector), 's3_connector.files': fetched.length },
      () => importBundle(worker, fetched),
      (imported) => ({ rows: imported.reduce((sum, { counts }) => sum + counts.imported, 0) }),
    );
  } catch (error) {
    log.info('imported one by one', { connector: name, files: fetched.length, error: describeError(error) });
    // The next bundle may succeed if nothing was wrong with the files.
    if (!(error instanceof ConnectorError && error.passing)) worker.bundling.failed(name, fetched.length);
    return undefined;
  }
}

function noteSuccess(
  { backlogPolls }: WorkerContext,
  { file, connector }: Attempt,
  { counts, backlog }: Imported,
  seconds: number,
): void {
  countImport(file, connector.format.kind, { counts, seconds });
  log.info('imported', { ...fields(file), rows: counts.imported });
  if (backlog) backlogPolls.request(file.connector_name);
}

/** Imports files one after the other. The rest are given back when the turn is over, or if they cannot be imported now. */
async function runOneByOne(
  worker: WorkerContext,
  files: BundledFile[],
  shutdown: AbortSignal,
): Promise<void> {
  const rest = [...files];
  const turn = new Turn(() =>
    giveBack(worker, rest.splice(0), 'the turn of the connector is over', shutdown),
  );
  try {
    for (let file = rest.shift(); file !== undefined; file = rest.shift()) {
      worker.bundling.wentAlone(file.attempt.connector.name);
      const obstacle = await runAttempt(worker, file, shutdown);
      const reason = worker.stopping.aborted ? 'the worker stops' : obstacle && describeError(obstacle);
      if (reason) await giveBack(worker, rest.splice(0), reason, shutdown);
      if (obstacle instanceof SessionRefused) await waitForSession(worker, file, obstacle, shutdown);
      await endFile(worker, file);
    }
  } finally {
    await turn.end();
  }
}

/** Returns an error that the connector's other files would have now, too. If the database refused a session, the attempt goes on. */
async function runAttempt(
  worker: WorkerContext,
  bundled: BundledFile,
  shutdown: AbortSignal,
): Promise<ConnectorError | undefined> {
  const { attempt } = bundled;
  const startedAt = performance.now();
  worker.attempts.startClock(attempt);
  try {
    const { file, connector } = attempt;
    const imported = await inSpan(
      'attempt',
      { ...spanOf(connector, file.key), 's3_connector.attempt': file.attempts },
      () => importCurrentVersion(worker, bundled),
      ({ counts }) => ({ rows: counts.imported, bytes: file.size_bytes }),
    );
    noteSuccess(worker, attempt, imported, (performance.now() - startedAt) / 1000);
    return undefined;
  } catch (error) {
    if (error instanceof SessionRefused && !attempt.signal.aborted) return error;
    const outage = await recordEnd(worker, attempt, error, shutdown);
    worker.backlogPolls.request(attempt.file.connector_name);
    return outage;
  }
}

/** Imports the listed version of the object; if that was overwritten and so never imported, the new one. */
async function importCurrentVersion(worker: WorkerContext, bundled: BundledFile): Promise<Imported> {
  const { attempt, object } = bundled;
  const { file, connector, signal } = attempt;
  try {
    return await fetchAndImport(worker, attempt, object, bundled.takeFetch());
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
  bundled: BundledFile,
  refusal: SessionRefused,
  shutdown: AbortSignal,
): Promise<void> {
  const { file } = bundled.attempt;
  const waitMs = worker.refusedSessions.nextWait();
  const error = locate(refusal, `${file.key}: `);
  const status = await untilAnswered(shutdown, () =>
    at('return_attempt', () => returnAttempt(worker.control.db, file, error, waitMs)),
  );
  countFailure(file, status && 'postponed');
  log.warn('import postponed', { ...fields(file), status, code: error.code, error: describeError(error) });
  await endFile(worker, bundled);
  await waitOrAbort(waitMs, worker.stopping);
}

/** Gives back the attempts of a bundle that were not made, so that they do not count. */
async function giveBack(
  worker: WorkerContext,
  files: BundledFile[],
  reason: string,
  shutdown: AbortSignal,
): Promise<void> {
  if (files.length === 0) return;
  const attempts = files.map(({ attempt }) => attempt);
  const { name } = attempts[0]!.connector;
  await untilAnswered(shutdown, () => at('give_back', () => giveBackAttempts(worker.control.db, attempts)));
  for (const file of files) await endFile(worker, file);
  log.info('files queued again', { connector: name, files: files.length, reason });
}

/** Records that an attempt failed, was postponed because of an outage, or was stopped. Returns the outage. */
async function recordEnd(
  worker: WorkerContext,
  { file, connector, signal }: Attempt,
  cause: unknown,
  shutdown: AbortSignal,
): Promise<ConnectorError | undefined> {
  const error = locate(signal.aborted ? whyStopped(signal.reason) : cause, `${file.key}: `);
  const outage = signal.aborted ? undefined : await findOutage(worker, connector, cause, { signal });
  const { db } = worker.control;
  const status = await untilAnswered(shutdown, () =>
    outage
      ? at('postpone_attempt', () => postponeAttempt(db, file, error, outage))
      : at('record_failure', () => recordFailure(db, file, error)),
  );
  countFailure(file, outage && status ? 'postponed' : status);
  if (status === null) {
    log.info('import stopped', { ...fields(file), code: error.code });
    return outage;
  }
  // Only unexpected errors are for developers.
  const stack = error.code === 'unexpected' && cause instanceof Error ? cause.stack : undefined;
  log.warn(outage ? 'import postponed' : 'import failed', {
    ...fields(file),
    status,
    code: error.code,
    error: describeError(error),
    stack,
  });
  return outage;
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

function fields(file: File): Record<string, unknown> {
  return { connector: file.connector_name, key: file.key, attempt: file.attempts };
}
