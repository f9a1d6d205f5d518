/** Describes the target table. */
import pg from 'pg';

/** How JSON becomes a value of a type that is no scalar: json and jsonb, arrays, composite types, and domains over these. */
export type Shape =
  | 'json'
  | { element: Shape | null; delimiter: string }
  | { fields: [name: string, shape: Shape | null][] };

/** A column of the target table. */
export interface TableColumn {
  name: string;
  /** As declared: `numeric(12,2)`. */
  type: string;
  /** The type under any domain, without modifiers: `numeric`. */
  baseType: string;
  isEnum: boolean;
  /** False for generated columns, and for expressions in a view. */
  insertable: boolean;
  /** Whether it is `generated always as identity`: COPY fills it, and no update can. */
  identityAlways: boolean;
  /** Whether a row that does not name it gets something else than null. */
  hasDefault: boolean;
  /** Null for a scalar. */
  shape: Shape | null;
  comment: string | null;
}

/** Returns a column without properties of its own. */
export function plainColumn(name: string, type: string, baseType: string): TableColumn {
  return {
    name,
    type,
    baseType,
    isEnum: false,
    insertable: true,
    identityAlways: false,
    hasDefault: false,
    shape: null,
    comment: null,
  };
}

export interface TableName {
  schema: string;
  table: string;
}

export interface TargetTable extends TableName {
  columns: TableColumn[];
  /** Whether a file's rows may be copied in several statements. A trigger, or a foreign key to itself, could see the difference. */
  splittable: boolean;
  /** Whether an insert may leave rows out without an error: row triggers, foreign tables, views. */
  mayLeaveOut: boolean;
  /** The same for updates. */
  mayLeaveUpdates: boolean;
  /** Whether its rows come by INSERT, because COPY does not take it: row level security, views. */
  byInsert: boolean;
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

/** Returns the table as it is now for an owner of connectors; null if it does not exist. */
export async function describeTable(
  client: pg.ClientBase,
  name: TableName,
  owner: string,
): Promise<TargetTable | null> {
  const { rows } = await client.query<DescribedTable>(
    'select * from s3_connector_import.describe_table($1, $2, $3)',
    [name.schema, name.table, owner],
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
    identity_always: boolean;
    has_default: boolean;
    shape: Shape | null;
    comment: string | null;
  }[];
  splittable: boolean;
  may_leave_out: boolean;
  may_leave_updates: boolean;
  by_insert: boolean;
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
    identityAlways: column.identity_always,
    hasDefault: column.has_default,
    shape: column.shape,
    comment: column.comment,
  }));
  return {
    ...name,
    columns,
    splittable: described.splittable,
    mayLeaveOut: described.may_leave_out,
    mayLeaveUpdates: described.may_leave_updates,
    byInsert: described.by_insert,
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
