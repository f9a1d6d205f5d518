/** Describes the target table. */
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
  comment: string | null;
}

export interface TableName {
  schema: string;
  table: string;
}

export interface TargetTable extends TableName {
  columns: TableColumn[];
  /** Whether a file's rows may be copied in several statements. A trigger, or a foreign key to itself, could see the difference. */
  splittable: boolean;
  /** Whether an insert may leave rows out without an error: row triggers, foreign tables. */
  mayLeaveOut: boolean;
  /** The same for updates. */
  mayLeaveUpdates: boolean;
  /** The first unlogged table among the table, its partitions and chunks, quoted; null if none is. */
  unlogged: string | null;
  /** Whether the table is a hypertable with a columnstore. */
  hasColumnstore: boolean;
}

/** Returns schema and table of `connectors.target_table`: `schema.table`, or `table` in public. */
export async function resolveTableName(client: pg.ClientBase, targetTable: string): Promise<TableName> {
  const { rows } = await client.query<{ parts: [string, string] }>(
    'select s3_connector_import.table_parts($1) as parts',
    [targetTable],
  );
  const [schema, table] = rows[0]!.parts;
  return { schema, table };
}

/** Returns the table as it is now; null if it does not exist. */
export async function describeTable(client: pg.ClientBase, name: TableName): Promise<TargetTable | null> {
  const { rows } = await client.query<DescribedTable>(
    'select * from s3_connector_import.describe_table($1, $2)',
    [name.schema, name.table],
  );
  return rows[0] ? toTable(name, rows[0]) : null;
}

/** A row of describe_table. */
export interface DescribedTable {
  columns: {
    name: string;
    type: string;
    base_type: string;
    is_enum: boolean;
    insertable: boolean;
    comment: string | null;
  }[];
  splittable: boolean;
  may_leave_out: boolean;
  may_leave_updates: boolean;
  unlogged: string | null;
  has_columnstore: boolean;
}

/** Converts a row of describe_table. */
export function toTable(name: TableName, described: DescribedTable): TargetTable {
  const columns = described.columns.map((column) => ({
    name: column.name,
    type: column.type,
    baseType: column.base_type,
    isEnum: column.is_enum,
    insertable: column.insertable,
    comment: column.comment,
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

/** Returns the column of exactly that name, or the only one that differs just in upper and lower case. */
export function findColumn(columns: TableColumn[], name: string): TableColumn | undefined {
  const exact = columns.find((column) => column.name === name);
  if (exact) return exact;
  const alike = columns.filter((column) => column.name.toLowerCase() === name.toLowerCase());
  return alike.length === 1 ? alike[0] : undefined;
}

/** Returns the table's name, quoted for a statement. */
export function quoteTable({ schema, table }: TableName): string {
  return `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
}
