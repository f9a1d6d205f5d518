/** The transaction of an import, on a connection of its own. */
import type pg from 'pg';
import { type Attempt, sessionName } from '../attempt.ts';
import { queryAll } from '../db/query_all.ts';
import { rollBack } from '../db/roll_back.ts';
import { at } from '../fault_points.ts';
import { passingError, toImportError } from '../sql_errors.ts';
import type { CreatedTable } from '../table/create.ts';
import type { SchemaChange } from '../table/growth.ts';
import { type Refusal, refuseTarget, writeMode } from '../table/refusal.ts';
import { type DescribedTable, type TableName, type TargetTable, toTable } from '../table/table.ts';
import type { WorkerContext } from '../task.ts';
import { withinGrace } from '../waiting.ts';
import { cancelOnAbort } from './cancel.ts';
import { takeSession } from './session.ts';

/**
 * How long PostgreSQL may take to answer after an abort, in milliseconds. Then the connection is closed: a backend that
 * does not react must not keep a place of the worker. The server rolls back as soon as it notices.
 */
const GRACE_MS = 1500;

/** `notice` is set if this import makes the table. */
export interface ImportTransaction extends Partial<Pick<CreatedTable, 'notice'>> {
  readonly client: pg.ClientBase;
  readonly tableName: TableName;
  /** The target table; null until it is made. */
  table: TargetTable | null;
  /** What it has changed of the table. */
  schemaChanges: SchemaChange[];
}

/**
 * Runs an import in a transaction, which it must end by `recordSuccess`. If it fails, the transaction is rolled back. If the
 * attempt is aborted, its statement is cancelled, and after a short grace the connection is given up.
 * @throws SessionRefused; ConnectorError PostgreSQL's errors; the errors of `run`
 */
export async function inTransaction<T>(
  worker: WorkerContext,
  attempt: Attempt,
  run: (transaction: ImportTransaction) => Promise<T>,
): Promise<T> {
  const client = await takeSession(worker.copyPool);
  let broken: Error | undefined;
  let passes = false;
  let endCancelling = async () => {};
  const { signal } = attempt;
  const work = async () => {
    const { backend, transaction } = await at('begin_transaction', () => begin(client, attempt));
    // If the connection has been given up, nobody would end the cancelling.
    signal.throwIfAborted();
    endCancelling = cancelOnAbort(worker.cancelPool, backend, signal);
    return await run(transaction);
  };
  try {
    return await withinGrace(signal, GRACE_MS, work());
  } catch (error) {
    broken = await withinGrace(signal, GRACE_MS, rollBack(client)).catch((late: Error) => late);
    passes = passingError(error) !== undefined;
    throw toImportError(error);
  } finally {
    await endCancelling();
    // After a cancel the connection is closed: a late cancel must not hit the next import. After a passing error, too: a session
    // may hold on to what failed, such as an open file of a full disk.
    client.release(broken ?? (signal.aborted || passes));
  }
}

/**
 * Begins the transaction. Returns the backend's process id, and the transaction with the target table as it is now.
 * @throws ConnectorError the target is of a kind that takes no files
 */
async function begin(
  client: pg.ClientBase,
  attempt: Attempt,
): Promise<{ backend: number; transaction: ImportTransaction }> {
  const { connector, signal, timeoutMs } = attempt;
  signal.throwIfAborted();
  const [, entered] = await queryAll<EnteredImport>(client, [
    'begin',
    {
      text: 'select * from s3_connector_import.enter_import($1, $2, $3, $4, $5, $6, $7)',
      values: [
        connector.target_table,
        connector.owner,
        writeMode(connector),
        connector.allow_unlogged,
        connector.time_zone,
        sessionName(attempt),
        timeoutMs,
      ],
    },
  ]);
  const { backend, target, described, refusal } = entered!.rows[0]!;
  refuseTarget(refusal);
  const tableName = { schema: target[0], table: target[1] };
  const table = described && toTable(tableName, described);
  return { backend, transaction: { client, tableName, table, schemaChanges: [] } };
}

interface EnteredImport {
  backend: number;
  target: [schema: string, table: string];
  described: DescribedTable | null;
  refusal: Refusal | null;
}
