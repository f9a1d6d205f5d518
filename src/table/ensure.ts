/** Makes the target table if it is missing. */
import pg from 'pg';
import type { Attempt } from '../attempt.ts';
import { inSavepoint } from '../db/savepoint.ts';
import { ConnectorError } from '../errors.ts';
import type { FileColumn, FilePart } from '../formats/format.ts';
import { type CreatedTable, createTable } from './create.ts';
import { describeTable, quoteTable, type TableName } from './table.ts';

/** Returns the columns of the table that a part would make, with a notice for its connector; null: the part cannot make one. */
export type InferColumns = (
  part: FilePart,
) => Promise<{ columns: FileColumn[]; notice: string | null } | null>;

/**
 * Makes the table from its first file and a sample of the others. Of files that run at the same time one makes it, and the others wait for it.
 * @returns nothing if the part has neither rows nor types; no notice if another import has made the table
 * @throws ConnectorError `table_missing`, `not_csv`; the errors of `createTable`
 */
export async function ensureTable(
  client: pg.ClientBase,
  name: TableName,
  { connector, mappings }: Pick<Attempt, 'connector' | 'mappings'>,
  part: FilePart,
  infer: InferColumns,
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
  await part.refuseImplausible?.();
  const inferred = await infer(part);
  if (inferred === null) return {};
  try {
    const { table, notice } = await inSavepoint(client, () =>
      createTable(client, name, connector, inferred.columns, mappings),
    );
    return { table, notice: [notice, inferred.notice].filter(Boolean).join('; ') || null };
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
