/** Imports a spooled file in one transaction: read -> copy -> on_import -> record. */
import pg from 'pg';
import type { Attempt } from './attempt.ts';
import { cancelOnAbort } from './copy/cancel.ts';
import { copyPart } from './copy.ts';
import { queryAll } from './db/query_all.ts';
import { ConnectorError, locate } from './errors.ts';
import { faultPoint } from './fault_points.ts';
import type { SpooledFile } from './fetch/spooled_file.ts';
import type { FilePart } from './formats/format.ts';
import { FORMATS } from './formats/registry.ts';
import { checkRowLimit } from './formats/row_limit.ts';
import { log } from './log.ts';
import { runOnImport } from './on_import.ts';
import { addCounts, checkCounts, NO_ROWS, type RowCounts } from './reconcile.ts';
import { commitSuccess } from './record.ts';
import { toImportError } from './sql_errors.ts';
import { type CreatedTable, createTable } from './table/create.ts';
import { matchColumns } from './table/match.ts';
import {
  type DescribedTable,
  describeTable,
  quoteTable,
  type TableName,
  type TargetTable,
  toTable,
} from './table/table.ts';
import { refuseUnlogged } from './table/unlogged.ts';
import type { WorkerContext } from './task.ts';

/** The result of an import, and whether its connector has a backlog. */
export interface Imported {
  counts: RowCounts;
  backlog: boolean;
}

/**
 * Imports a spooled file, which may still be growing. Its rows, the effects of on_import, and its success are committed
 * together, or not at all. A file that cannot be read while it grows is read again when all of it is there.
 */
export async function importSpooled(
  worker: WorkerContext,
  attempt: Attempt,
  spooled: SpooledFile,
): Promise<Imported> {
  try {
    return await importOnce(worker, attempt, spooled);
  } catch (error) {
    if (!(error instanceof ConnectorError && error.code === 'read_too_early')) throw error;
    log.info('read too early', { key: attempt.file.key, error: error.message });
    await spooled.whole();
    return await importOnce(worker, attempt, spooled);
  }
}

async function importOnce(worker: WorkerContext, attempt: Attempt, spooled: SpooledFile): Promise<Imported> {
  const client = await worker.copyPool.connect().catch((error) => {
    throw toImportError(error);
  });
  let broken: Error | undefined;
  let endCancelling = async () => {};
  try {
    const { backend, target } = await begin(client, attempt);
    endCancelling = cancelOnAbort(worker.control, backend, attempt.signal);
    const counts = await copyParts(client, worker, attempt, target, spooled);
    faultPoint('copied');
    // Without a table, the file had no rows for on_import to follow up.
    if (target.table !== null) await runOnImport(client, attempt.connector, attempt.file);
    const backlog = await finish(client, attempt, counts, target.notice);
    faultPoint('committed');
    return { counts, backlog };
  } catch (error) {
    broken = await client.query('rollback').then(
      () => undefined,
      (rollbackError: Error) => rollbackError,
    );
    throw toImportError(error);
  } finally {
    await endCancelling();
    // After a cancel the connection is closed: a late cancel must not hit the next import.
    client.release(broken ?? attempt.signal.aborted);
  }
}

async function finish(
  client: pg.ClientBase,
  attempt: Attempt,
  counts: RowCounts,
  notice: string | null | undefined,
): Promise<boolean> {
  if (!attempt.dryRun) return await commitSuccess(client, attempt.file, counts, notice);
  // A commit would check them.
  await client.query('set constraints all immediate');
  await client.query('rollback');
  return false;
}

/** Begins the transaction. Returns the backend's process id and the current target table. */
async function begin(
  client: pg.ClientBase,
  { file, connector, dryRun, signal }: Attempt,
): Promise<{ backend: number; target: Target }> {
  signal.throwIfAborted();
  const name = `s3_connector ${dryRun ? 'dry_run_file' : 'import_file'} ${file.id}`;
  const values = [connector.target_table, connector.time_zone, name].map((value) => pg.escapeLiteral(value));
  const [, entered] = await queryAll<EnteredImport>(client, [
    'begin',
    `select * from s3_connector_private.enter_import(${values.join(', ')})`,
  ]);
  const { backend, target, described } = entered!.rows[0]!;
  const tableName = { schema: target[0], table: target[1] };
  return { backend, target: { name: tableName, table: described && toTable(tableName, described) } };
}

interface EnteredImport {
  backend: number;
  target: [schema: string, table: string];
  described: DescribedTable | null;
}

async function copyParts(
  client: pg.ClientBase,
  worker: WorkerContext,
  attempt: Attempt,
  target: Target,
  spooled: SpooledFile,
): Promise<RowCounts> {
  const { connector, signal } = attempt;
  let counts: RowCounts = NO_ROWS;
  for await (const part of FORMATS[connector.file_format].parts(spooled, connector, worker, signal)) {
    const copied = await copyOne(client, attempt, target, part, counts.rejected).catch((error) => {
      throw part.name === null ? error : locate(toImportError(error), `${part.name}, `);
    });
    counts = addCounts(counts, copied);
    checkRowLimit(counts.read, connector.max_rows);
  }
  // The reader may not have needed all bytes, but the whole file must be there.
  await spooled.whole();
  checkCounts(counts);
  return counts;
}

/** The target table; null until it is made. `notice` is set if this import makes it. */
interface Target extends Partial<Pick<CreatedTable, 'notice'>> {
  name: TableName;
  table: TargetTable | null;
}

async function copyOne(
  client: pg.ClientBase,
  attempt: Attempt,
  target: Target,
  part: FilePart,
  rejectedBefore: number,
): Promise<RowCounts> {
  const { connector, file, mappings, signal, dryRun } = attempt;
  if (target.table === null) Object.assign(target, await makeTable(client, attempt, target.name, part));
  // A header without rows gives no column types to make a table from, and nothing to import.
  if (target.table === null) return NO_ROWS;
  refuseUnlogged(target.table, connector);
  const plan = matchColumns(part, target.table, connector, mappings, file);
  const { table } = target;
  return await copyPart({ client, file, connector, table, part, plan, signal, rejectedBefore, dryRun });
}

/** Makes the table from its first file. Of files that run at the same time one makes it, and the others wait for it. */
export async function makeTable(
  client: pg.ClientBase,
  { connector, mappings }: Pick<Attempt, 'connector' | 'mappings'>,
  name: TableName,
  part: FilePart,
): Promise<Partial<CreatedTable>> {
  if (!connector.create_table) {
    throw new ConnectorError(
      'table_missing',
      `there is no table ${quoteTable(name)}, and create_table is false`,
      {
        hint: 'Create the table, then retry the file.',
      },
    );
  }
  await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [quoteTable(name)]);
  const made = await describeTable(client, name);
  if (made) return { table: made };
  const columns = await part.inferColumns();
  return columns === null ? {} : await createTable(client, name, connector, columns, mappings);
}
