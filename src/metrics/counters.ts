/** The counters of this process since it started. Like the log, they are global. */
import type { File, FileStatus } from '../db/schema.ts';
import type { RowCounts } from '../reconcile.ts';
import { Counter, type Family, Histogram } from './families.ts';

const attempts = new Counter(
  's3_connector_worker_attempts_total',
  'Attempts that this worker ended: success, pending_retry (retried later), failure, paused, postponed (the whole bucket could not be read), or stopped (the attempt lost its file).',
);
const rowsImported = new Counter(
  's3_connector_worker_rows_imported_total',
  'Rows that this worker has imported and committed.',
);
const rowsRejected = new Counter(
  's3_connector_worker_rows_rejected_total',
  'Rows that this worker has written to rejected_rows.',
);
const bytesImported = new Counter(
  's3_connector_worker_bytes_imported_total',
  'Size of the objects that this worker has imported, as stored in the bucket.',
);
const importSeconds = new Histogram(
  's3_connector_worker_import_seconds',
  'How long successful imports took, from the first request to the commit.',
  [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
);
const polls = new Counter(
  's3_connector_worker_polls_total',
  'Polls that this worker ran, by outcome: success or failure.',
);
const s3Requests = new Counter(
  's3_connector_worker_s3_requests_total',
  'Requests that this worker sent to S3, by operation (LIST, GET, HEAD) and outcome: success or error. Each try of the SDK counts.',
);
const s3Retries = new Counter(
  's3_connector_worker_s3_retries_total',
  'Requests to S3 that the SDK repeated after an error, by operation.',
);

/** Counts an import whose rows are committed. */
export function countImport(
  { connector_name: connector, size_bytes }: File,
  format: string,
  done: Done,
): void {
  attempts.add({ connector, outcome: 'success' });
  rowsImported.add({ connector }, done.counts.imported);
  rowsRejected.add({ connector }, done.counts.rejected);
  bytesImported.add({ connector }, size_bytes);
  // Not by connector: a worker may serve thousands, and each would add a line for every bucket of the histogram.
  importSeconds.observe({ format }, done.seconds);
}

/** The result of an import. */
export interface Done {
  counts: RowCounts;
  seconds: number;
}

/**
 * Counts a failed attempt.
 * @param outcome the file's status, or `postponed`; null if the attempt has lost its file
 */
export function countFailure(
  { connector_name: connector }: File,
  outcome: FileStatus | 'postponed' | null,
): void {
  attempts.add({ connector, outcome: outcome ?? 'stopped' });
}

export function countPoll(connector: string, outcome: 'success' | 'failure'): void {
  polls.add({ connector, outcome });
}

export function countS3Request(operation: string, outcome: 'success' | 'error'): void {
  s3Requests.add({ operation, outcome });
}

export function countS3Retry(operation: string): void {
  s3Retries.add({ operation });
}

/** Returns all counters. */
export function countedFamilies(): Family[] {
  return [
    attempts,
    rowsImported,
    rowsRejected,
    bytesImported,
    importSeconds,
    polls,
    s3Requests,
    s3Retries,
  ].map((metric) => metric.family());
}
