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
  const { rows } = await client.query<{
    name: string;
    type: string;
    base_type: string;
    is_enum: boolean;
    insertable: boolean;
    splittable: boolean;
  }>('select * from s3_connector_private.describe_table($1, $2)', [name.schema, name.table]);
  if (rows.length === 0) return null;
  const columns = rows.map((row) => ({
    name: row.name,
    type: row.type,
    baseType: row.base_type,
    isEnum: row.is_enum,
    insertable: row.insertable,
  }));
  return { ...name, columns, splittable: rows[0]!.splittable };
}

/** The table's name for a statement, quoted. */
export function quoteTable({ schema, table }: TableName): string {
  return `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
}
