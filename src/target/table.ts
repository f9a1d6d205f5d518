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
  const { rows } = await client.query<DescribedColumn>(
    'select * from s3_connector_private.describe_table($1, $2)',
    [name.schema, name.table],
  );
  return rows.length === 0 ? null : toTable(name, rows);
}

/** A row of describe_table. */
export interface DescribedColumn {
  name: string;
  type: string;
  base_type: string;
  is_enum: boolean;
  insertable: boolean;
  /** The table's. */
  splittable: boolean;
  may_leave_out: boolean;
  may_leave_updates: boolean;
}

/** A table of what describe_table says of it. */
export function toTable(name: TableName, described: DescribedColumn[]): TargetTable {
  const columns = described.map((column) => ({
    name: column.name,
    type: column.type,
    baseType: column.base_type,
    isEnum: column.is_enum,
    insertable: column.insertable,
  }));
  return {
    ...name,
    columns,
    splittable: described.every((column) => column.splittable),
    mayLeaveOut: described.some((column) => column.may_leave_out),
    mayLeaveUpdates: described.some((column) => column.may_leave_updates),
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
