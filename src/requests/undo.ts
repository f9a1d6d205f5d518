/** Deletes the rows of a file for `undo_file` and `reimport_file`, if their caller is not the connector's owner. */
import { sql } from 'kysely';
import type pg from 'pg';
import type { Session } from '../db/connections.ts';
import { queryAll } from '../db/query_all.ts';
import { rollBack } from '../db/roll_back.ts';
import { type ConnectorError, describeError } from '../errors.ts';
import { at } from '../fault_points.ts';
import { cancelOnAbort } from '../import/cancel.ts';
import { deleteRows, type RowsOfFile } from '../import/old_rows.ts';
import { takeSession } from '../import/session.ts';
import { toImportError } from '../sql_errors.ts';
import type { WorkerContext } from '../task.ts';
import { defineAnswer, type Request } from './request.ts';

/** The task of both. Nobody waits for its answer. */
export const undoTask = defineAnswer(undoFile, recordError);

/** Deletes the rows as the owner, in one transaction with the file's new status. */
async function undoFile(
  { id, signal }: Request,
  { control, copyPool, cancelPool }: WorkerContext,
): Promise<void> {
  const { rows } = await sql<{ token: string }>`
    select s3_connector_private.import_token('undo', ${id}) as token`.execute(control.db);
  const { token } = rows[0]!;
  const client = await takeSession(copyPool);
  const endCancelling = cancelOnAbort(cancelPool, (client as unknown as Session).backend, signal);
  let broken: Error | undefined;
  try {
    signal.throwIfAborted();
    await at('begin_undo', () => client.query('begin'));
    const deleted = await at('delete_rows', () => deleteRequested(client, id, token));
    const end = {
      text: 'select s3_connector_import.end_requested_undo($1, $2, $3)',
      values: [id, token, deleted],
    };
    await at('commit_undo', () => queryAll(client, [end, 'commit']));
  } catch (error) {
    broken = await rollBack(client);
    throw toImportError(error);
  } finally {
    await endCancelling();
    client.release(broken ?? signal.aborted);
  }
}

/** Returns how many rows; null if there is nothing to delete. */
async function deleteRequested(
  client: pg.ClientBase,
  requestId: number,
  token: string,
): Promise<number | null> {
  const { rows: files } = await client.query<RowsOfFile>(
    'select * from s3_connector_import.begin_requested_undo($1, $2)',
    [requestId, token],
  );
  const [file] = files;
  return file ? await deleteRows(client, file, { deferTriggers: false }) : null;
}

async function recordError(
  { control }: WorkerContext,
  requestId: number,
  error: ConnectorError,
): Promise<void> {
  const fail = sql`
    select s3_connector_private.fail_requested_undo(${requestId}, ${error.code}, ${describeError(error)})`;
  await at('fail_undo', () => fail.execute(control.db));
}
