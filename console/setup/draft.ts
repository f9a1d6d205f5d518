import type { ConsoleDatabase } from '../database.ts';
import { sql } from '../sql.ts';

/** A column of `connectors`, as the database describes it. */
export interface Column {
  name: string;
  isNullable: boolean;
  /** As text; undefined: it has none. */
  preset: string | undefined;
  /** Its comment. */
  help: string;
}

/** The connector that is being set up: a paused one, of which everything but its first step may still change. */
export interface Draft {
  name: string;
  /** Its row, as texts. */
  values: Record<string, string | null>;
  /** Whether it never ran: then to cancel is to drop it. */
  isNew: boolean;
}

/** What is known of all columns of `connectors`: the page's help is the database's comments. */
export async function readColumns(db: ConsoleDatabase): Promise<Map<string, Column>> {
  const rows = await db.rows<{
    name: string;
    not_null: boolean;
    preset: string | null;
    help: string | null;
  }>(sql`
    select a.attname as name, a.attnotnull as not_null, pg_get_expr(d.adbin, d.adrelid) as preset,
      col_description(a.attrelid, a.attnum) as help
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = 's3_connector.connectors'::regclass and a.attnum > 0 and not a.attisdropped
    order by a.attnum`);
  return new Map(
    rows.map(({ name, not_null, preset, help }) => [
      name,
      { name, isNullable: !not_null, preset: presetText(preset), help: help ?? '' },
    ]),
  );
}

/** The draft of that name; undefined where there is none. */
export async function readDraft(db: ConsoleDatabase, name: string): Promise<Draft | undefined> {
  const [row] = await db.rows<{ values: Record<string, string | null>; is_new: boolean }>(sql`
    select s.last_poll_at is null and s.success + s.failure + s.cancelled + s.undone + s.paused = 0 as is_new,
      (select json_object_agg(v.key, v.value) from json_each_text(row_to_json(c)) v) as values
    from s3_connector.connectors c join s3_connector.connector_status s using (name)
    where c.name = ${name}`);
  return row && { name, values: row.values, isNew: row.is_new };
}

/** A default as PostgreSQL writes it, `'7 days'::interval`, as the value that it is. */
function presetText(expression: string | null): string | undefined {
  if (expression === null) return undefined;
  const quoted = /^'(.*)'::[a-z ]+$/s.exec(expression);
  return quoted ? quoted[1]!.replaceAll("''", "'") : expression;
}
