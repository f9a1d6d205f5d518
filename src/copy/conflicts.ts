/** Merges rows into a table that has some of their keys already: by a staging table and `on conflict`. */
import pg from 'pg';
import { injectCountFault } from '../data_faults.ts';
import { inSavepoint } from '../db/savepoint.ts';
import { ConnectorError } from '../errors.ts';
import { type RowCounts, reconcile } from '../reconcile.ts';
import { isConflict, toImportError } from '../sql_errors.ts';
import { asRole } from '../table/role.ts';
import { quoteTable } from '../table/table.ts';
import { filledColumns, quoteColumns } from './destination.ts';
import type { CopyRows, PartCopy } from './part_copy.ts';
import { dropStaging, makeStaging, ROW, STAGING } from './staging.ts';

/**
 * Returns a way of copying that also takes rows whose keys the table has already. It costs a savepoint; only a conflict
 * makes it read the part again, into a staging table.
 * @param copyRows the way that is tried first, and that fills the staging table
 * @throws ConnectorError `no_unique_key`, `rows_do_not_add_up`, PostgreSQL's errors
 */
export function withConflicts(copyRows: CopyRows): CopyRows {
  return async function copyWithConflicts(copy, destination) {
    const key = await chooseKey(copy);
    try {
      return await inSavepoint(copy.client, () => copyRows(copy, destination));
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
    const staged = await copyRows(copy, await makeStaging(copy));
    const merged = await mergeStaging(copy, key, staged.imported);
    await dropStaging(copy);
    return { ...staged, ...merged };
  };
}

/**
 * Returns the columns of the primary key, or of the first unique index, that the file fills.
 * @throws ConnectorError `no_unique_key`
 */
export async function chooseKey({
  client,
  table,
  plan,
  connector,
}: Pick<PartCopy, 'client' | 'table' | 'plan' | 'connector'>): Promise<string[]> {
  const { rows } = await client.query<{ columns: string[] }>(
    'select s3_connector_import.unique_keys($1, $2) as columns',
    [table.schema, table.table],
  );
  const filled = new Set(filledColumns(plan).map((column) => column.name));
  const key = rows.find(({ columns }) => columns.every((column) => filled.has(column)));
  // `do nothing` needs no key columns, only some key.
  const found = key ?? (connector.on_conflict === 'skip' ? rows[0] : undefined);
  if (found) return found.columns;
  const has = rows.map(({ columns }) => `(${columns.join(', ')})`).join(', ') || 'none';
  throw new ConnectorError(
    'no_unique_key',
    `on_conflict is ${connector.on_conflict}, but ${quoteTable(table)} has no primary key or unique index whose columns the file fills (it has ${has})`,
    { hint: 'Add a primary key or a unique index over columns of the file, or set on_conflict to fail.' },
  );
}

/**
 * Merges the staged rows into the target. If rows of the file have the same key, `update` keeps the last and `skip` the
 * first, as if they were inserted one by one.
 * @param staged the number of staged rows
 * @returns how many rows were inserted or updated, and how many were skipped
 * @throws ConnectorError `rows_do_not_add_up`, PostgreSQL's errors
 */
async function mergeStaging(
  copy: PartCopy,
  key: string[],
  staged: number,
): Promise<Pick<RowCounts, 'imported' | 'skipped'>> {
  const { connector, table, plan } = copy;
  const skips = connector.on_conflict === 'skip';
  const superseded = skips ? 0 : await deleteSuperseded(copy, key);
  const columns = filledColumns(plan);
  const values = columns.filter(({ name }) => !key.includes(name));
  const list = quoteColumns(columns);
  const merged = await countRows(
    copy,
    `insert into ${quoteTable(table)} (${list}) select ${list} from ${STAGING} order by ${ROW}
      on conflict ${skips ? 'do nothing' : updateOf(key, values)}`,
  );
  const mayLeaveOut = skips || values.length === 0 || table.mayLeaveOut || table.mayLeaveUpdates;
  const { imported, skipped } = reconcile(staged - superseded, merged, mayLeaveOut);
  return { imported, skipped: skipped + superseded };
}

/** @param values the columns that are not in the key; without any, the row in the table is the same already */
function updateOf(key: string[], values: { name: string }[]): string {
  const set = values.map(
    ({ name }) => `${pg.escapeIdentifier(name)} = excluded.${pg.escapeIdentifier(name)}`,
  );
  const conflict = `(${key.map((name) => pg.escapeIdentifier(name)).join(', ')})`;
  return `${conflict} ${set.length > 0 ? `do update set ${set.join(', ')}` : 'do nothing'}`;
}

/** Deletes all staged rows of a key except the last. Rows with a null in the key equal no other row. */
async function deleteSuperseded(copy: PartCopy, key: string[]): Promise<number> {
  const columns = key.map((name) => pg.escapeIdentifier(name));
  return await countRows(
    copy,
    `delete from ${STAGING} using (
        select ${ROW} as "s3_connector superseded", pg_catalog.row_number() over (
          partition by ${columns.join(', ')} order by ${ROW} desc
        ) as "s3_connector rank"
        from ${STAGING} where ${columns.map((column) => `${column} is not null`).join(' and ')}
      ) ranked
      where ${ROW} operator(pg_catalog.=) "s3_connector superseded" and "s3_connector rank" operator(pg_catalog.>) 1`,
  );
}

/** Runs a statement with the owner's rights. Returns how many rows PostgreSQL reports. */
async function countRows({ client, connector }: PartCopy, statement: string): Promise<number> {
  try {
    const { rowCount } = await asRole(client, connector.owner, () => client.query(statement));
    return injectCountFault('merged', rowCount ?? 0);
  } catch (error) {
    throw toImportError(error);
  }
}
