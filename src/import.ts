import type pg from 'pg';
import { cancelOnAbort } from './copy/cancel.ts';
import { copyPart, type DryRun } from './copy.ts';
import type { ColumnMapping, Connector, File } from './db/schema.ts';
import { ConnectorError, locate } from './errors.ts';
import type { SpooledFile } from './fetch/spooled_file.ts';
import { type FilePart, FORMATS } from './formats/format.ts';
import { type RowCounts, recordNotice, recordSuccess } from './record.ts';
import { toImportError } from './sql_errors.ts';
import { type CreatedTable, createTable } from './target/create.ts';
import { matchColumns } from './target/match.ts';
import {
  describeTable,
  quoteTable,
  resolveTableName,
  type TableName,
  type TargetTable,
} from './target/table.ts';
import type { WorkerContext } from './task.ts';

/** One attempt at one file, with all that it needs to know. */
export interface Attempt {
  file: File;
  connector: Connector;
  mappings: ColumnMapping[];
  signal: AbortSignal;
  /** Given: everything is done as in an import and then rolled back, and what it refused is put here. */
  dryRun?: DryRun | undefined;
}

/**
 * read -> copy -> record of a spooled file, which may still be growing, in ONE transaction: its rows and its success are
 * committed together, or neither is.
 */
export async function importSpooled(
  worker: WorkerContext,
  attempt: Attempt,
  spooled: SpooledFile,
): Promise<RowCounts> {
  const client = await worker.copyPool.connect().catch((error) => {
    throw toImportError(error);
  });
  let broken: Error | undefined;
  let endCancelling = async () => {};
  try {
    const backend = await begin(client, attempt);
    endCancelling = cancelOnAbort(worker.control, backend, attempt.signal);
    const { counts, notice } = await copyParts(client, worker, attempt, spooled);
    await finish(client, attempt, counts, notice);
    return counts;
  } catch (error) {
    broken = await client.query('rollback').then(
      () => undefined,
      (rollbackError: Error) => rollbackError,
    );
    throw toImportError(error);
  } finally {
    await endCancelling();
    // A cancel that was sent too late must not meet the next import.
    client.release(broken ?? attempt.signal.aborted);
  }
}

async function finish(
  client: pg.ClientBase,
  attempt: Attempt,
  counts: RowCounts,
  notice: string | null | undefined,
): Promise<void> {
  if (attempt.dryRun) {
    // What a commit would check.
    await client.query('set constraints all immediate');
    await client.query('rollback');
    return;
  }
  await recordSuccess(client, attempt.file, counts);
  if (notice !== undefined) await recordNotice(client, attempt.connector.name, notice);
  await client.query('commit');
}

/** @returns the backend's process id */
async function begin(client: pg.ClientBase, { file, connector, dryRun, signal }: Attempt): Promise<number> {
  signal.throwIfAborted();
  await client.query('begin');
  const { rows } = await client.query<{ backend: number }>(
    `select pg_backend_pid() as backend, set_config('timezone', $1, true), set_config('datestyle', 'ISO, MDY', true),
      set_config('application_name', $2, true)`,
    [connector.time_zone, `s3_connector ${dryRun ? 'dry_run_file' : 'import_file'} ${file.id}`],
  );
  return rows[0]!.backend;
}

async function copyParts(
  client: pg.ClientBase,
  worker: WorkerContext,
  attempt: Attempt,
  spooled: SpooledFile,
): Promise<{ counts: RowCounts; notice: string | null | undefined }> {
  const { connector, signal } = attempt;
  const name = await resolveTableName(client, connector.target_table);
  const target: Target = { name, table: await describeTable(client, name) };
  const counts = { ...NO_ROWS };
  for await (const part of FORMATS[connector.file_format].parts(spooled, connector, worker, signal)) {
    const copied = await copyOne(client, attempt, target, part).catch((error) => {
      throw part.name === null ? error : locate(toImportError(error), `${part.name}, `);
    });
    counts.imported += copied.imported;
    counts.rejected += copied.rejected;
    counts.skipped += copied.skipped;
  }
  // What nobody had to read must have come, too.
  await spooled.whole();
  return { counts, notice: target.notice };
}

const NO_ROWS: RowCounts = { imported: 0, rejected: 0, skipped: 0 };

/** The target table; null until it is made. Its notice, where it is made by this import. */
interface Target extends Partial<Pick<CreatedTable, 'notice'>> {
  name: TableName;
  table: TargetTable | null;
}

async function copyOne(
  client: pg.ClientBase,
  attempt: Attempt,
  target: Target,
  part: FilePart,
): Promise<RowCounts> {
  const { connector, file, mappings, signal, dryRun } = attempt;
  if (target.table === null) Object.assign(target, await makeTable(client, attempt, target.name, part));
  // Nothing to make a table from, so nothing to import either: a header and no rows.
  if (target.table === null) return NO_ROWS;
  const plan = matchColumns(part, target.table, connector, mappings, file.id);
  return await copyPart({ client, file, connector, table: target.table, part, plan, signal, dryRun });
}

/** Makes the table from its first file; of files that come at once, one makes it and the others wait and find it. */
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
