import pg from 'pg';
import type { CopyJob } from '../copy.ts';
import { ConnectorError } from '../errors.ts';
import type { Refusal, RowBatch } from '../formats/format.ts';
import { addCounts, NO_ROWS, type RowCounts } from '../reconcile.ts';
import { isBadRow, reasonOf } from '../sql_errors.ts';
import { copyInto, type Destination } from './into.ts';
import { inSavepoint } from './savepoint.ts';

/** Characters of a raw line that are kept; the object itself has the rest. */
const MAX_RAW = 65_536;
/** Rows that are tried together after a bad one; they double with each success. */
const FIRST_WINDOW = 32;
/** Refused rows that a dry run tells of. */
const SHOWN_REFUSALS = 10;

/**
 * Copies what PostgreSQL takes, and writes what it refuses to rejected_rows. PostgreSQL is the only judge: rows are
 * copied many at a time, and where it refuses some, those before the bad one are copied, it is left out, and so on.
 * @throws ConnectorError `too_many_bad_rows`, and whatever is not a row's fault
 */
export async function copyTolerantly(job: CopyJob, destination: Destination): Promise<RowCounts> {
  let counts: RowCounts = NO_ROWS;
  let refused = 0;
  for await (const batch of job.part.batches(job.plan)) {
    const refusals: Refusal[] = [];
    // At once: a batch may have a million more.
    const refuse = (refusal: Refusal) => {
      refusals.push(refusal);
      checkLimit(job, ++refused, refusal);
    };
    for (const refusal of batch.refusals) refuse(refusal);
    const { imported, skipped } = await copyBatch(job, destination, batch, refuse);
    const rejected = await reject(job, refusals);
    counts = addCounts(counts, { read: batch.count + batch.refusals.length, imported, rejected, skipped });
  }
  return counts;
}

/** @returns the counts of the rows that COPY was given and did not refuse; of the others `refuse` is told */
async function copyBatch(
  job: CopyJob,
  destination: Destination,
  batch: RowBatch,
  refuse: (refusal: Refusal) => void,
): Promise<RowCounts> {
  let counts: RowCounts = NO_ROWS;
  let start = 0;
  let window = batch.count;
  /** A row that is known to be bad, and why: the rows before it are copied first. */
  let bad: { row: number; error: ConnectorError } | undefined;
  while (start < batch.count) {
    if (bad?.row === start) {
      refuse(toRefusal(batch, bad.row, bad.error));
      start += 1;
      bad = undefined;
      window = FIRST_WINDOW;
      continue;
    }
    const end = Math.min(bad?.row ?? start + window, batch.count);
    try {
      counts = addCounts(counts, await copyRange(job, destination, batch, start, end));
      start = end;
      window *= 2;
    } catch (error) {
      if (!isBadRow(error)) throw error;
      const row = error.line === undefined ? undefined : batch.rowAt(error.line);
      if (row !== undefined && row >= start && row < end) bad = { row, error };
      else if (end - start === 1) bad = { row: start, error };
      // An error that names no line, as a foreign key's: halve until one row is left.
      else {
        window = Math.ceil((end - start) / 2);
        bad = undefined;
      }
    }
  }
  return counts;
}

function copyRange(
  { client, connector, signal }: CopyJob,
  destination: Destination,
  batch: RowBatch,
  start: number,
  end: number,
): Promise<RowCounts> {
  return inSavepoint(client, () =>
    copyInto(client, connector.owner, destination, [batch.copyInput(start, end)], signal),
  );
}

function toRefusal(batch: RowBatch, row: number, error: ConnectorError): Refusal {
  const reason = error.cause instanceof pg.DatabaseError ? reasonOf(error.cause) : error.message;
  return { line: batch.line(row), column: error.column ?? null, reason, raw: batch.raw(row) };
}

function checkLimit({ connector, part }: CopyJob, rejected: number, last: Refusal): void {
  if (connector.max_bad_rows === null || rejected <= connector.max_bad_rows) return;
  throw new ConnectorError(
    'too_many_bad_rows',
    `more than max_bad_rows (${connector.max_bad_rows}) are bad; one is ${describe(part.unit, last)}`,
    { hint: 'Mend the file, or raise max_bad_rows; nothing of the file was imported.' },
  );
}

function describe(unit: string, { line, column, reason }: Refusal): string {
  return `${unit} ${line}${column === null ? '' : `, column ${column}`}: ${reason}`;
}

/** @returns how many were written */
async function reject({ client, file, part, dryRun }: CopyJob, refusals: Refusal[]): Promise<number> {
  if (refusals.length === 0) return 0;
  const rows = refusals.map((refusal) => ({
    ...refusal,
    reason: clean(refusal.reason),
    raw: clean(refusal.raw).slice(0, MAX_RAW),
  }));
  if (dryRun) {
    const places = SHOWN_REFUSALS - dryRun.refusals.length;
    dryRun.refusals.push(...rows.slice(0, places).map((row) => describe(part.unit, row)));
    return rows.length;
  }
  const { rows: written } = await client.query<{ count: number }>(
    'select s3_connector_private.reject_rows($1, $2)::integer as count',
    [file.id, JSON.stringify(rows)],
  );
  return written[0]!.count;
}

/** PostgreSQL's text holds no NUL and no half of a surrogate pair. */
function clean(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed();
}
