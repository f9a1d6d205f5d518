/** Makes the target table if it is missing. */
import pg from 'pg';
import type { Attempt } from '../attempt.ts';
import { inSavepoint } from '../db/savepoint.ts';
import { ConnectorError } from '../errors.ts';
import type { FilePart } from '../formats/format.ts';
import { type CreatedTable, createTable } from './create.ts';
import { describeTable, quoteTable, type TableName } from './table.ts';

/**
 * Makes the table from its first file. Of files that run at the same time one makes it, and the others wait for it.
 * @returns nothing if the part has neither rows nor types; no notice if another import has made the table
 * @throws ConnectorError `table_missing`, `not_csv`; the errors of `createTable`
 */
export async function ensureTable(
  client: pg.ClientBase,
  name: TableName,
  { connector, mappings }: Pick<Attempt, 'connector' | 'mappings'>,
  part: FilePart,
): Promise<Partial<CreatedTable>> {
  if (connector.change_column !== null) {
    throw new ConnectorError(
      'table_missing',
      `there is no table ${quoteTable(name)}, and change_column is set`,
      {
        hint: 'Create the table with a primary key, then retry the file: changes are applied by key, and a file does not say which columns are the key.',
      },
    );
  }
  if (!connector.create_table) {
    throw new ConnectorError(
      'table_missing',
      `there is no table ${quoteTable(name)}, and create_table is false`,
      {
        hint: 'Create the table, then retry the file.',
      },
    );
  }
  await part.refuseImplausible?.();
  const columns = await part.inferColumns();
  if (columns === null) return {};
  try {
    return await inSavepoint(client, () => createTable(client, name, connector, columns, mappings));
  } catch (error) {
    // PostgreSQL has waited for the other transaction's commit.
    const made = isMade(error) ? await describeTable(client, name, connector.owner) : null;
    if (made === null) throw error;
    return { table: made };
  }
}

/** SQLSTATEs of `create table` if another transaction has made it: before the statement, or during it. */
const MADE = ['42P07', '23505'];

function isMade(error: unknown): boolean {
  return error instanceof pg.DatabaseError && MADE.includes(error.code ?? '');
}
