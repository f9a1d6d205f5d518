/** The tables that exist: those that can be chosen, and the columns and keys of the chosen one. */
import pg from 'pg';
import type { ConsoleDatabase } from '../database.ts';
import { sql } from '../sql.ts';
import type { Option } from './settings.ts';

export interface TargetTable {
  columns: TableColumn[];
  /** The columns of the primary key, and of each unique index, that `on conflict` can name. */
  keys: string[][];
}

export interface TableColumn {
  name: string;
  type: string;
  /** Whether a row that does not name it gets something else than null. */
  has_default: boolean;
  not_null: boolean;
  is_generated: boolean;
}

/** How many tables a field offers. */
const OFFERED = 300;

/** Returns the table of that name, quoted as in SQL; undefined if there is none, or if it is no name. */
export async function readTable(db: ConsoleDatabase, name: string): Promise<TargetTable | undefined> {
  if (name === '') return undefined;
  try {
    const [row] = await db.rows<{ oid: string | null }>(sql`
      select to_regclass(case when cardinality(parse_ident(${name})) = 1 then 'public.' else '' end || ${name})::oid as oid`);
    if (row!.oid === null) return undefined;
    const [columns, keys] = await Promise.all([readColumns(db, row!.oid), readKeys(db, row!.oid)]);
    return { columns, keys };
  } catch (error) {
    // It is no name, or in a schema that the role may not use. The check of the connector says so.
    if (error instanceof pg.DatabaseError) return undefined;
    throw error;
  }
}

function readColumns(db: ConsoleDatabase, oid: string): Promise<TableColumn[]> {
  return db.rows<TableColumn>(sql`
    select a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
      a.atthasdef or a.attidentity <> '' as has_default, a.attnotnull as not_null, a.attgenerated <> '' as is_generated
    from pg_attribute a
    where a.attrelid = ${oid}::oid and a.attnum > 0 and not a.attisdropped order by a.attnum`);
}

async function readKeys(db: ConsoleDatabase, oid: string): Promise<string[][]> {
  const rows = await db.rows<{ columns: string[] }>(sql`
    select array_agg(a.attname::text order by k.position) as columns
    from pg_index i
    cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (attnum, position)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = ${oid}::oid and i.indisunique and i.indisvalid and i.indimmediate
      and i.indpred is null and i.indexprs is null and k.position <= i.indnkeyatts
    group by i.indexrelid, i.indisprimary order by i.indisprimary desc, count(*), i.indexrelid`);
  return rows.map(({ columns }) => columns);
}

/** Returns the tables that the role may fill, with their number of columns. */
export async function offeredTables(db: ConsoleDatabase): Promise<Option[]> {
  const rows = await db.rows<{ name: string; columns: number }>(sql`
    select case when n.nspname = 'public' then '' else quote_ident(n.nspname) || '.' end || quote_ident(c.relname) as name,
      c.relnatts as columns
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
      and n.nspname not in ('information_schema', 's3_connector', 's3_connector_ask', 's3_connector_private', 's3_connector_import', 's3_connector_queue')
      and n.nspname !~ '^(pg_|_timescaledb_|timescaledb_)'
      and has_schema_privilege(n.oid, 'usage') and has_any_column_privilege(c.oid, 'insert')
    order by n.nspname <> 'public', n.nspname, c.relname limit ${OFFERED}`);
  return rows.map(({ name, columns }) => [name, `${columns} columns`]);
}
