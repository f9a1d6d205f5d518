import pg from 'pg';

/** A column of the target table. */
export interface TableColumn {
  name: string;
  /** As declared: `numeric(12,2)`. */
  type: string;
  /** The type under any domain, without modifiers: `numeric`. */
  baseType: string;
  isEnum: boolean;
  /** False for generated columns and identities that are always generated. */
  insertable: boolean;
}

export interface TableName {
  schema: string;
  table: string;
}

export interface TargetTable extends TableName {
  columns: TableColumn[];
  /** Whether nothing sees if a file's rows come in one statement or in several: no trigger, no foreign key to itself. */
  splittable: boolean;
  /** Whether inserts may leave rows out, without an error: a trigger before a row, a foreign table. */
  mayLeaveOut: boolean;
  /** The same of updates. */
  mayLeaveUpdates: boolean;
  /** The unlogged one of the table, its partitions and chunks, quoted; null where a crash empties none of them. */
  unlogged: string | null;
  /** Whether it is a hypertable with a columnstore. */
  hasColumnstore: boolean;
}

/** Splits `connectors.target_table` as SQL would: `schema.table`, or `table` in public. */
export async function resolveTableName(client: pg.ClientBase, targetTable: string): Promise<TableName> {
  const { rows } = await client.query<{ parts: [string, string] }>(
    'select s3_connector_private.table_parts($1) as parts',
    [targetTable],
  );
  const [schema, table] = rows[0]!.parts;
  return { schema, table };
}

/** The table as it is now; null where there is none. */
export async function describeTable(client: pg.ClientBase, name: TableName): Promise<TargetTable | null> {
  const { rows } = await client.query<DescribedTable>(
    'select * from s3_connector_private.describe_table($1, $2)',
    [name.schema, name.table],
  );
  return rows[0] ? toTable(name, rows[0]) : null;
}

/** The row of describe_table. */
export interface DescribedTable {
  columns: { name: string; type: string; base_type: string; is_enum: boolean; insertable: boolean }[];
  splittable: boolean;
  may_leave_out: boolean;
  may_leave_updates: boolean;
  unlogged: string | null;
  has_columnstore: boolean;
}

/** A table of what describe_table says of it. */
export function toTable(name: TableName, described: DescribedTable): TargetTable {
  const columns = described.columns.map((column) => ({
    name: column.name,
    type: column.type,
    baseType: column.base_type,
    isEnum: column.is_enum,
    insertable: column.insertable,
  }));
  const { splittable, unlogged } = described;
  return {
    ...name,
    columns,
    splittable,
    mayLeaveOut: described.may_leave_out,
    mayLeaveUpdates: described.may_leave_updates,
    unlogged,
    hasColumnstore: described.has_columnstore,
  };
}

/** A column of exactly that name, or else the only one of that name in other capitals. */
export function findColumn(columns: TableColumn[], name: string): TableColumn | undefined {
  const exact = columns.find((column) => column.name === name);
  if (exact) return exact;
  const alike = columns.filter((column) => column.name.toLowerCase() === name.toLowerCase());
  return alike.length === 1 ? alike[0] : undefined;
}

/** The table's name for a statement, quoted. */
export function quoteTable({ schema, table }: TableName): string {
  return `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
}
