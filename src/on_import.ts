/** Runs the statement `on_import` of a connector after the rows of a file. */
import { once } from 'node:events';
import pg from 'pg';
import type { Connector, File } from './db/schema.ts';
import { ConnectorError } from './errors.ts';
import { toImportError } from './sql_errors.ts';
import { asRole } from './table/role.ts';

/**
 * Runs the statement with the owner's rights, in the caller's transaction.
 * @throws ConnectorError `on_import_failed`, passing if PostgreSQL's error is; `connection_lost`; `permission_denied` or
 *   `owner_missing` if the worker cannot take the owner's role
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

/** Runs one statement of any kind; the extended protocol accepts no second one. Discards the rows that it returns. */
async function runStatement(client: pg.ClientBase, text: string, fileId: number): Promise<void> {
  const config = {
    text,
    values: [fileId],
    // pg reads the parameters' types from it, and asks it for parsers. With a given type, the statement need not use $1.
    types: Object.assign([pg.types.builtins.INT8], { getTypeParser: () => String }),
  };
  const query = client.query(new pg.Query(config));
  // With a listener, pg does not collect the rows.
  query.on('row', () => {});
  await once(query, 'end');
}

function explain(error: unknown): unknown {
  const failed = toImportError(error);
  if (!(failed instanceof ConnectorError && failed.cause instanceof pg.DatabaseError)) return failed;
  // The statement did not cause it.
  if (failed.code === 'connection_lost') return failed;
  return new ConnectorError('on_import_failed', `on_import: ${failed.message}`, {
    passing: failed.passing,
    hint:
      failed.hint ??
      'Fix what on_import calls, or pause the connector and change on_import. Then retry the file.',
    cause: failed.cause,
  });
}
