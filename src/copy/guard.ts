import type pg from 'pg';
import type { CopyJob } from '../copy.ts';
import { ConnectorError } from '../errors.ts';
import { log } from '../log.ts';
import { quoteTable } from '../table/table.ts';
import { inSavepoint } from './savepoint.ts';

const CHUNK_MADE_MEANWHILE = 'chunk_made_meanwhile';
const TRIES = 3;

/**
 * Runs what writes a part into its table, and again where it would hide rows that others have committed meanwhile:
 * TimescaleDB takes a chunk that it waited for another session to make for its own, and compresses into it as if it
 * were empty. Any COPY may compress, whatever its connector says: by the table's option, or the session's settings.
 * Costs messages on tables with a columnstore only.
 * @throws ConnectorError `chunk_made_meanwhile`, passing, after the last try
 */
export async function guardChunks<T>(job: CopyJob, write: () => Promise<T>): Promise<T> {
  if (!job.table.hasColumnstore) return await write();
  const refusals = job.dryRun?.refusals.length;
  for (let left = TRIES; ; ) {
    try {
      return await inSavepoint(job.client, () => writeOnce(job, write));
    } catch (error) {
      if (--left === 0 || !(error instanceof ConnectorError && error.code === CHUNK_MADE_MEANWHILE))
        throw error;
      log.info('copied again', { key: job.file.key, error: error.message });
      if (job.dryRun) job.dryRun.refusals.length = refusals!;
    }
  }
}

async function writeOnce<T>(job: CopyJob, write: () => Promise<T>): Promise<T> {
  const { client, table, plan } = job;
  // What is the same in all rows of a file would be found to be the best to segment by.
  if (plan.constants.length > 0) await setAutoSegmentBy(client, 'off');
  const result = await write();
  if (plan.constants.length > 0) await setAutoSegmentBy(client, null);
  const { rows } = await client.query<{ hides: boolean }>(
    'select s3_connector_private.hides_rows() as hides',
  );
  if (!rows[0]!.hides) return result;
  throw new ConnectorError(
    CHUNK_MADE_MEANWHILE,
    `another session made chunks of ${quoteTable(table)} while the file waited to make them, and its rows there would no longer be seen`,
    { passing: true },
  );
}

/** Sets TimescaleDB's setting, where its version has it; null sets it back. */
async function setAutoSegmentBy(client: pg.ClientBase, value: 'off' | null): Promise<void> {
  await client.query('select s3_connector_private.set_auto_segmentby($1)', [value]);
}
