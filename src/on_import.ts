import { once } from 'node:events';
import pg from 'pg';
import type { Connector, File } from './db/schema.ts';
import { ConnectorError } from './errors.ts';
import { toDatabaseError } from './sql_errors.ts';
import { asRole } from './table/role.ts';

/**
 * Runs what the connector says is to follow a file's rows, with its owner's rights, in the caller's transaction.
 * @throws ConnectorError `on_import_failed`, passing where what PostgreSQL says may pass; `connection_lost`;
 *   `permission_denied` and `owner_missing`, where the worker may not take the owner's role
 */
export async function runOnImport(
  client: pg.ClientBase,
  { on_import: statement, owner }: Pick<Connector, 'on_import' | 'owner'>,
  file: Pick<File, 'id'>,
): Promise<void> {
  if (statement === null) return;
  await asRole(client, owner, () =>
    runStatement(client, statement, file.id).catch((error) => {
      throw explain(error);
    }),
  );
}

/** One statement, of whatever kind: the extended protocol takes no more. What it returns is not kept. */
async function runStatement(client: pg.ClientBase, text: string, fileId: number): Promise<void> {
  const config = {
    text,
    values: [fileId],
    // pg takes them for the parameters' types, and asks them for parsers. A parameter of a given type may be left out.
    types: Object.assign([pg.types.builtins.INT8], { getTypeParser: () => String }),
  };
  const query = client.query(new pg.Query(config));
  // With a listener, rows are not gathered.
  query.on('row', () => {});
  await once(query, 'end');
}

function explain(error: unknown): unknown {
  const failed = toDatabaseError(error);
  if (!(failed instanceof ConnectorError && failed.cause instanceof pg.DatabaseError)) return failed;
  // Not the statement's doing.
  if (failed.code === 'connection_lost') return failed;
  return new ConnectorError('on_import_failed', `on_import: ${failed.message}`, {
    passing: failed.passing,
    hint:
      failed.hint ?? 'Mend what on_import calls, or pause the connector and change it; then retry the file.',
    cause: failed.cause,
  });
}
