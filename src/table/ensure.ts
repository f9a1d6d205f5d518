/** Makes the target table if it is missing. */
import type pg from 'pg';
import type { Attempt } from '../attempt.ts';
import { ConnectorError } from '../errors.ts';
import type { FilePart } from '../formats/format.ts';
import { type CreatedTable, createTable } from './create.ts';
import { describeTable, quoteTable, type TableName } from './table.ts';

/**
 * Makes the table from its first file. Of files that run at the same time one makes it, and the others wait for it.
 * @returns nothing if the part has neither rows nor types; no notice if another import has made the table
 * @throws ConnectorError `table_missing`; the errors of `createTable`
 */
export async function ensureTable(
  client: pg.ClientBase,
  name: TableName,
  { connector, mappings }: Pick<Attempt, 'connector' | 'mappings'>,
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
