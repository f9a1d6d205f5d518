/** Checks computed columns before a row is copied: by PostgreSQL, which evaluates nothing. */
import pg from 'pg';
import { ConnectorError } from '../errors.ts';
import type { CopyPlan } from '../formats/format.ts';
import { reasonOf, toImportError } from '../sql_errors.ts';
import { badExpression, describeExpressions, qualifyType, type ValueType } from '../table/expressions.ts';
import { asRole } from '../table/role.ts';
import { quoteTable, type TableColumn } from '../table/table.ts';
import type { PartCopy } from './part_copy.ts';
import { insertComputed, planSource, readableFields, withoutRows } from './source.ts';

/** What the check needs: an import has it, and so have `check` and `preview`. */
export type CheckedCopy = Pick<PartCopy, 'client' | 'connector' | 'table' | 'part' | 'plan'> & {
  file: Pick<PartCopy['file'], 'key'>;
};

/** The oids of text, character varying, character and unknown. */
const TEXTS = [25, 1043, 1042, 705];
const DATATYPE_MISMATCH = '42804';

/**
 * Returns the types of the computed columns' values.
 * @throws ConnectorError `bad_expression`, `target_has_rules`
 */
export async function checkComputed(copy: CheckedCopy): Promise<ValueType[]> {
  const { client, connector, plan } = copy;
  if (plan.computed.length === 0) return [];
  await refuseRules(copy);
  const expressions = plan.computed.map(({ target, expression, value }) => ({
    column: target.name,
    expression,
    value,
  }));
  const options = { fields: readableFields(copy), readsRow: connector.format.reads_row };
  const types = await describeExpressions(client, connector, expressions, options);
  await checkInsert(copy, types);
  return types;
}

/** Returns for each computed column the type to which its value is cast. A text becomes what COPY makes of a field. */
export function castsOf({ computed }: CopyPlan, types: ValueType[]): (string | null)[] {
  return computed.map(({ target }, i) =>
    TEXTS.includes(types[i]!.oid) ? qualifyType(target.baseType) : null,
  );
}

/** INSERT runs them, and COPY does not. */
async function refuseRules({ client, table }: CheckedCopy): Promise<void> {
  const { rows } = await client.query<{ has: boolean }>(
    'select s3_connector_import.has_rules(s3_connector_import.relation_oid($1, $2)) as has',
    [table.schema, table.table],
  );
  if (!rows[0]!.has) return;
  throw new ConnectorError(
    'target_has_rules',
    `the rules of ${quoteTable(table)} decide what becomes of an inserted row, and rows with computed columns come by INSERT`,
    {
      hint: 'Drop the rules for INSERT, and use a trigger instead. Or delete the expressions in column_mappings.',
    },
  );
}

/** Fails if a value has a type that the column does not take. A column that the file will add to the table takes it. */
async function checkInsert(copy: CheckedCopy, types: ValueType[]): Promise<void> {
  const { client, connector, table, plan } = copy;
  const isThere = ({ target }: { target: TableColumn }) =>
    table.columns.some(({ name }) => name === target.name);
  const there = { ...plan, columns: plan.columns.filter(isThere), computed: plan.computed.filter(isThere) };
  if (there.computed.length === 0) return;
  const casts = castsOf(plan, types).filter((_, i) => isThere(plan.computed[i]!));
  const source = planSource({ ...copy, plan: there }, casts);
  const statement = `explain ${insertComputed(quoteTable(table), withoutRows(source))}`;
  await asRole(client, connector.owner, () => client.query(statement)).catch((error) => {
    const cause = error instanceof pg.DatabaseError ? error : undefined;
    if (cause?.code !== DATATYPE_MISMATCH) throw toImportError(error);
    const column = /"([^"]+)"/.exec(cause.message)?.[1] ?? '';
    throw badExpression(column, reasonOf(cause), 'Cast the value: (...)::type.', cause);
  });
}
