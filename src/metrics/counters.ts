import type { File, FileStatus } from '../db/schema.ts';
import type { RowCounts } from '../reconcile.ts';
import { Counter, type Family, Histogram } from './families.ts';

// What this process has counted since it started. As with the log, there is one for all of it.

const attempts = new Counter(
  's3_connector_worker_attempts_total',
  'Attempts that this worker ended: success, pending_retry (tried again later), failure, paused, postponed (the bucket as a whole could not be read), or stopped (taken away).',
);
const rowsImported = new Counter(
  's3_connector_worker_rows_imported_total',
  'Rows that this worker has imported; counted once they are committed.',
);
const rowsRejected = new Counter(
  's3_connector_worker_rows_rejected_total',
  'Rows that this worker has put into rejected_rows.',
);
const bytesImported = new Counter(
  's3_connector_worker_bytes_imported_total',
  'Size of the objects that this worker has imported, as they are in the bucket.',
);
const importSeconds = new Histogram(
  's3_connector_worker_import_seconds',
  'How long successful imports took, from the first request to the commit.',
  [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
);
const polls = new Counter(
  's3_connector_worker_polls_total',
  'Polls that this worker made, by how they ended: success or failure.',
);
const s3Requests = new Counter(
  's3_connector_worker_s3_requests_total',
  'Requests that this worker sent to S3, by operation (LIST, GET, HEAD) and by what came of them: success, or error; each try of the SDK counts.',
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
  // Not by connector: each is a line a bucket, and a worker may serve thousands of connectors.
  importSeconds.observe({ format }, done.seconds);
}

/** What an import did, and how long it took. */
export interface Done {
  counts: RowCounts;
  seconds: number;
}

/** @param outcome what the file is in now, or that the attempt does not count; null where it was no longer the file's */
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

/** All that was counted so far. */
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
