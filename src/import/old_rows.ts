/** Deletes a file's rows, with the rights of the connector's owner. */
import type pg from 'pg';
import type { Attempt } from '../attempt.ts';
import { log } from '../log.ts';
import { LEAVE_ROLE } from '../table/role.ts';

/** Where the rows of a file are, and whose rights their delete needs. `lineage` and `target`: null if no table was made. */
export interface RowsOfFile {
  id: string;
  lineage: string[] | null;
  target: string | null;
  owner: string;
  owner_path: string;
}

/**
 * Deletes a file's rows in the session's transaction. Returns how many.
 * @param deferTriggers whether the caller runs deferred triggers later
 */
export async function deleteRows(
  client: pg.ClientBase,
  { id, lineage, target, owner, owner_path }: RowsOfFile,
  { deferTriggers }: { deferTriggers: boolean },
): Promise<number> {
  const { rows } = await client.query<{ deleted: string }>(
    'select s3_connector_import.delete_rows($1, $2, $3, $4, $5, $6) as deleted',
    [id, lineage, target, owner, owner_path, deferTriggers],
  );
  await client.query(LEAVE_ROLE.join('; '));
  return Number(rows[0]!.deleted);
}

/**
 * Deletes the rows of an earlier version that an import replaces, in the import's transaction. Later rows of the import may fulfil
 * deferred constraints, so these are checked at its end.
 */
export async function deleteReplaced(client: pg.ClientBase, { file, token }: Attempt): Promise<void> {
  const { rows } = await client.query<RowsOfFile>(
    'select * from s3_connector_import.begin_replacement($1, $2, $3)',
    [file.id, file.attempt_id, token],
  );
  const [old] = rows;
  // The attempt no longer owns the file, and cannot commit.
  if (!old) return;
  const deleted = await deleteRows(client, old, { deferTriggers: true });
  log.info('old rows deleted', { connector: file.connector_name, key: file.key, rows: deleted });
}
