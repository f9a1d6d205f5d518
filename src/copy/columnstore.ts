/** Copies a part straight into a columnstore, sorted if its format can sort. */
import type pg from 'pg';
import { inSavepoint } from '../db/savepoint.ts';
import { ConnectorError } from '../errors.ts';
import { at } from '../fault_points.ts';
import type { FilePart, SortedRows } from '../formats/format.ts';
import { log } from '../log.ts';
import { addCounts, NO_ROWS, type RowCounts } from '../reconcile.ts';
import { type Columnstore, describeColumnstore } from '../table/columnstore.ts';
import { quoteTable, type TargetTable } from '../table/table.ts';
import type { Destination } from './destination.ts';
import type { PartCopy } from './part_copy.ts';
import { copyInputs, copyPlain } from './plain.ts';

/**
 * Which side guarantees the row order that the columnstore needs:
 * - `server`: TimescaleDB sorts some 100,000 rows at a time
 * - `batches`: our rows are sorted, but may overlap with other rows of the table
 * - `all`: our rows are sorted, and overlap with none
 */
type SortedBy = 'server' | 'batches' | 'all';

const SWITCHES: Record<SortedBy, string> = {
  server: switches('on', 'on', 'off'),
  batches: switches('on', 'off', 'off'),
  all: switches('on', 'off', 'on'),
};

/** The state of the table's chunks between two times; see columnstore_between. */
type Between = 'empty' | 'alike' | 'unlike';

/**
 * Copies a part straight into the columnstore. Sorts it first, if its format can sort as PostgreSQL does; otherwise the
 * server sorts. If the table's columnstore takes no COPY, the rows go as rows.
 */
export async function copyIntoColumnstore(copy: PartCopy, destination: Destination): Promise<RowCounts> {
  const columnstore = await describeColumnstore(copy.client, copy.table);
  if (columnstore === null) return await copyPlain(copy, destination);
  const { toastCompression } = columnstore;
  if (toastCompression !== null)
    await copy.client.query(`set local default_toast_compression to ${toastCompression}`);
  const counts =
    (await trySorted(copy, destination, columnstore)) ??
    (await copyCompressed(copy, destination, copy.part.copyInputs(copy.plan), 'server'));
  if (toastCompression !== null) await copy.client.query('set local default_toast_compression to default');
  return counts;
}

/** Returns null if the rows could not be sorted, or the sorted copy failed. */
async function trySorted(
  copy: PartCopy,
  destination: Destination,
  { keys, timeColumn }: Columnstore,
): Promise<RowCounts | null> {
  const sort = async () => (await copy.part.sort?.(copy.plan, keys!, timeColumn)) ?? null;
  const rows = keys && (await at('sort_rows', sort, 'reader'));
  if (rows === null) return null;
  try {
    return await inSavepoint(copy.client, () => copySorted(copy, destination, rows));
  } catch (error) {
    // Row numbers of sorted rows are not the file's. The caller copies again in the file's order, to name a bad row.
    if (
      !(error instanceof ConnectorError) ||
      (error.passing && !/^(reader|encoder)_(crashed|stalled)$/.test(error.code))
    )
      throw error;
    log.info('not sorted', { table: destination.table, code: error.code, error: error.message });
    return null;
  } finally {
    rows.close();
  }
}

/** Copies the runs of a part, and declares each as sorted by as much as is true of it and all before. */
async function copySorted(
  { client, table, ...rest }: PartCopy,
  destination: Destination,
  sorted: SortedRows,
): Promise<RowCounts> {
  const copy = { client, table, ...rest };
  let counts: RowCounts = NO_ROWS;
  // The chunks that this part has created, with rows of its runs and no others; null once other rows may overlap with theirs.
  let own: number[] | null = [];
  for await (const { input, range, apart } of sorted.runs()) {
    const between = range && (await lookBetween(client, table, range, own ?? []));
    if (between === 'unlike') throw unlike(table);
    if (own !== null && !(between === 'empty' && apart && (own.length > 0 || (await isAlone(client, table)))))
      own = null;
    const sortedBy = range === null ? 'server' : own === null ? 'batches' : 'all';
    counts = addCounts(counts, await copyCompressed(copy, destination, [input], sortedBy));
    const written = await writtenInOrder(client, table, own !== null);
    if (written === null) throw unlike(table);
    if (own !== null) own = written;
  }
  return counts;
}

async function lookBetween(
  client: pg.ClientBase,
  { schema, table }: TargetTable,
  [first, last]: [string | null, string | null],
  own: number[],
): Promise<Between> {
  const { rows } = await client.query<{ between: Between }>(
    'select s3_connector_import.columnstore_between($1, $2, $3, $4, $5) as between',
    [schema, table, first, last, own],
  );
  return rows[0]!.between;
}

/**
 * Returns whether no other import is about to create the same chunks, and this transaction has written to none. A check after the COPY
 * finds those that were created; this one saves most imports from copying twice.
 */
async function isAlone(client: pg.ClientBase, { schema, table }: TargetTable): Promise<boolean> {
  const { rows } = await client.query<{ alone: boolean }>(
    `select pg_try_advisory_xact_lock(hashtextextended($1, 1))
       and not exists (select from s3_connector_import.written_chunks($2, $3)) as alone`,
    [quoteTable({ schema, table }), schema, table],
  );
  return rows[0]!.alone;
}

/** Returns the chunks that the transaction has written to; null if the rows are not in the order that was declared. */
async function writtenInOrder(
  client: pg.ClientBase,
  { schema, table }: TargetTable,
  byItself: boolean,
): Promise<number[] | null> {
  const { rows } = await client.query<{ chunks: number[] | null }>(
    'select s3_connector_import.written_in_order($1, $2, $3) as chunks',
    [schema, table, byItself],
  );
  return rows[0]!.chunks;
}

async function copyCompressed(
  copy: PartCopy,
  destination: Destination,
  inputs: ReturnType<FilePart['copyInputs']>,
  sortedBy: SortedBy,
): Promise<RowCounts> {
  const { client } = copy;
  await client.query(SWITCHES[sortedBy]);
  const counts = await copyInputs(copy, destination, inputs);
  await client.query(switches('default', 'default', 'default'));
  return counts;
}

/** Returns the statement for TimescaleDB's settings. They last until they are reset, or until the rollback. */
function switches(copy: string, sortBatches: string, clientSorted: string): string {
  const setting = 'timescaledb.enable_direct_compress_copy';
  return `set local ${setting} to ${copy};
    set local ${setting}_sort_batches to ${sortBatches};
    set local ${setting}_client_sorted to ${clientSorted}`;
}

function unlike(table: TargetTable): ConnectorError {
  return new ConnectorError(
    'sorted_otherwise',
    `chunks of ${quoteTable(table)} are not sorted as its columnstore settings say, or were made meanwhile`,
  );
}
