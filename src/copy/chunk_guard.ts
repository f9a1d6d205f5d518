/** Guards against a race of TimescaleDB that hides rows of a columnstore. */
import type pg from 'pg';
import { inSavepoint } from '../db/savepoint.ts';
import { ConnectorError } from '../errors.ts';
import { log } from '../log.ts';
import { quoteTable } from '../table/table.ts';
import type { CopyRows, PartCopy } from './part_copy.ts';

const CHUNK_MADE_MEANWHILE = 'chunk_made_meanwhile';
const TRIES = 3;

/**
 * Returns a way of copying that copies a part again if it would hide rows that others have committed meanwhile.
 *
 * If TimescaleDB waits for another session to create a chunk, it then compresses into that chunk as if it were empty. Any
 * COPY may compress: by the connector, the table's option, or the session's settings.
 * @throws ConnectorError `chunk_made_meanwhile`, passing, after the last try
 */
export function withChunkGuard(copyRows: CopyRows): CopyRows {
  return async function copyGuarded(copy, destination) {
    for (let left = TRIES; ; ) {
      try {
        return await inSavepoint(copy.client, () => refuseHiding(copy, () => copyRows(copy, destination)));
      } catch (error) {
        if (--left === 0 || !(error instanceof ConnectorError && error.code === CHUNK_MADE_MEANWHILE))
          throw error;
        log.info('copied again', { key: copy.file.key, error: error.message });
      }
    }
  };
}

/** Runs a function, and fails if what it has written hides rows of others. */
async function refuseHiding<T>({ client, table, plan }: PartCopy, write: () => Promise<T>): Promise<T> {
  // TimescaleDB would choose a constant of the file as the best column to segment by.
  if (plan.constants.length > 0) await setAutoSegmentBy(client, 'off');
  const result = await write();
  if (plan.constants.length > 0) await setAutoSegmentBy(client, null);
  const { rows } = await client.query<{ hides: boolean }>('select s3_connector_import.hides_rows() as hides');
  if (!rows[0]!.hides) return result;
  throw new ConnectorError(
    CHUNK_MADE_MEANWHILE,
    `another session made chunks of ${quoteTable(table)} while this import waited to make them, and its rows there would be hidden`,
    { passing: true },
  );
}

/** Sets TimescaleDB's setting, if its version has it. Null resets it. */
async function setAutoSegmentBy(client: pg.ClientBase, value: 'off' | null): Promise<void> {
  await client.query('select s3_connector_import.set_auto_segmentby($1)', [value]);
}
