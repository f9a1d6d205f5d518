/** Makes the target table if it is missing. */
import pg from 'pg';
import type { Attempt } from '../attempt.ts';
import { inSavepoint } from '../db/savepoint.ts';
import type { ColumnMapping } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import { isDateWord } from '../formats/date_formats.ts';
import type { FileColumn, FilePart } from '../formats/format.ts';
import { typeOfTemplate, withExpression } from './computed.ts';
import { type CreatedTable, createTable } from './create.ts';
import { describeExpressions, fieldsOf, sourceNames } from './expressions.ts';
import { describeTable, quoteTable, type TableName } from './table.ts';

/** Returns the columns of the table that a part would make, with a notice for its connector; null: the part cannot make one. */
export type InferColumns = (
  part: FilePart,
) => Promise<{ columns: FileColumn[]; notice: string | null } | null>;

/**
 * Makes the table from its first file and a sample of the others. Of files that run at the same time one makes it, and the others wait for it.
 * @returns nothing if the part has neither rows nor types; no notice if another import has made the table
 * @throws ConnectorError `table_missing`, `not_csv`, `bad_expression`; the errors of `createTable`
 */
export async function ensureTable(
  client: pg.ClientBase,
  name: TableName,
  { connector, mappings }: Pick<Attempt, 'connector' | 'mappings'>,
  part: FilePart,
  infer: InferColumns,
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
  const inferred = await infer(part);
  if (inferred === null) return {};
  const typed = await withTypes(client, connector, part, mappings);
  try {
    const { table, notice } = await inSavepoint(client, () =>
      createTable(client, name, connector, inferred.columns, typed),
    );
    return { table, notice: [notice, inferred.notice].filter(Boolean).join('; ') || null };
  } catch (error) {
    // PostgreSQL has waited for the other transaction's commit.
    const made = isMade(error) ? await describeTable(client, name, connector.owner) : null;
    if (made === null) throw error;
    return { table: made };
  }
}

/** Returns the mappings with the types of the values that PostgreSQL will compute, where they have none. */
export async function withTypes(
  client: pg.ClientBase,
  connector: Attempt['connector'],
  part: FilePart,
  mappings: ColumnMapping[],
): Promise<ColumnMapping[]> {
  const types = await typesOfExpressions(client, connector, part, mappings);
  return mappings.map((mapping) => {
    const { date_format, target_column } = mapping;
    const isTemplate = date_format !== null && target_column !== null && !isDateWord(date_format);
    const type = types.get(mapping) ?? (isTemplate ? typeOfTemplate(date_format) : null);
    return { ...mapping, data_type: mapping.data_type ?? type };
  });
}

async function typesOfExpressions(
  client: pg.ClientBase,
  connector: Attempt['connector'],
  part: FilePart,
  mappings: ColumnMapping[],
): Promise<Map<ColumnMapping, string>> {
  const untyped = withExpression(mappings).filter(({ data_type }) => data_type === null);
  if (untyped.length === 0) return new Map();
  const names = sourceNames(part);
  const expressions = untyped.map(({ source_column, target_column, expression }) => {
    const at = names.indexOf(source_column ?? '');
    const value = source_column === null ? null : at < 0 ? { text: null } : at;
    return { column: target_column, expression, value };
  });
  const fields = fieldsOf(part, connector, null);
  const options = { fields, readsRow: connector.format.reads_row };
  const found = await describeExpressions(client, connector, expressions, options);
  const { rows } = await client.query<{ type: string }>(
    `select format_type(t.oid, t.modifier) as type
     from unnest($1::oid[], $2::integer[]) with ordinality as t (oid, modifier, i) order by t.i`,
    [found.map(({ oid }) => oid), found.map(({ modifier }) => modifier)],
  );
  return new Map(untyped.map((mapping, i) => [mapping, rows[i]!.type]));
}

/** SQLSTATEs of `create table` if another transaction has made it: before the statement, or during it. */
const MADE = ['42P07', '23505'];

function isMade(error: unknown): boolean {
  return error instanceof pg.DatabaseError && MADE.includes(error.code ?? '');
}
