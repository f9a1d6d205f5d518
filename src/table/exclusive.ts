/** Takes the exclusive lock that a change of a table needs, without making others wait for longer than necessary. */
import type pg from 'pg';
import { inSavepoint } from '../db/savepoint.ts';
import type { Connector } from '../db/schema.ts';
import { FIXED_PATH } from '../db/session_settings.ts';
import { ConnectorError } from '../errors.ts';
import { toImportError } from '../sql_errors.ts';
import { waitOrAbort } from '../waiting.ts';
import { asRole } from './role.ts';
import { quoteTable, type TableName } from './table.ts';

/**
 * How long each try waits, in milliseconds; a minute in all. All new readers and writers wait behind it, so it gives up and tries
 * again. Imports that always follow each other would never leave it a short gap, so it waits longer each time.
 */
const TRIES_MS = [500, 1000, 2000, 4000, 8000, 15_000, 30_000];
const PAUSE_MS = 500;

/**
 * Locks a table exclusively until the end of the transaction. It must be the first lock of the transaction: who holds nothing is in
 * no deadlock. Partitions and chunks are locked after the table, in the same order by all.
 * @param triesMs how long each try waits, in milliseconds
 * @throws ConnectorError `table_in_use`, passing, if the table has not become free
 */
export async function lockTable(
  client: pg.ClientBase,
  name: TableName,
  { connector: { owner }, signal }: { connector: Pick<Connector, 'owner'>; signal: AbortSignal },
  triesMs = TRIES_MS,
): Promise<void> {
  const table = quoteTable(name);
  for (const [i, ms] of triesMs.entries()) {
    if (i > 0) await waitOrAbort(PAUSE_MS, signal);
    signal.throwIfAborted();
    const lock = `set local lock_timeout to ${ms}; lock table ${table} in access exclusive mode; set local lock_timeout to 0`;
    try {
      await inSavepoint(client, () => asRole(client, owner, () => client.query(lock), FIXED_PATH));
      return;
    } catch (error) {
      if (!isInUse(error)) throw error;
      if (i === triesMs.length - 1) throw tableInUse(table, error);
    }
  }
}

function isInUse(error: unknown): boolean {
  const known = toImportError(error);
  return known instanceof ConnectorError && ['lock_not_available', 'deadlock'].includes(known.code);
}

function tableInUse(table: string, cause: unknown): ConnectorError {
  return new ConnectorError(
    'table_in_use',
    `${table} must be changed for the file, and others have used it for a minute without a pause`,
    {
      passing: true,
      cause,
      hint: `See who uses it: select pid, usename, state, xact_start, query from pg_stat_activity where pid in (select pid from pg_locks where relation = '${table.replaceAll("'", "''")}'::regclass);`,
    },
  );
}
