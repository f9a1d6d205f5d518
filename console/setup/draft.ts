/** The "draft": the connector that is being set up, and the columns of `connectors` that its forms edit. */
import type { ConsoleDatabase } from '../database.ts';
import { sql } from '../sql.ts';

/** A column of `connectors`, as the database describes it. */
export interface Column {
  name: string;
  isNullable: boolean;
  /** As text. Undefined: it has no default. */
  default: string | undefined;
  /** Whether it is an array of texts. */
  isList: boolean;
}

/** A connector that is a draft, or paused. */
export interface Draft {
  name: string;
  /** Its row, with values as text. */
  values: Record<string, string | null>;
  /** Whether it never ran. Then Cancel drops it. */
  isNew: boolean;
}

/** Returns all columns of `connectors`. */
export async function readColumns(db: ConsoleDatabase): Promise<Map<string, Column>> {
  const rows = await db.rows<{
    name: string;
    not_null: boolean;
    default_expression: string | null;
    is_list: boolean;
  }>(sql`
    select a.attname as name, a.attnotnull as not_null, pg_get_expr(d.adbin, d.adrelid) as default_expression,
      a.atttypid = 'text[]'::regtype as is_list
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = 's3_connector.connectors'::regclass and a.attnum > 0 and not a.attisdropped
    order by a.attnum`);
  return new Map(
    rows.map(({ name, not_null, default_expression, is_list }) => [
      name,
      { name, isNullable: !not_null, default: defaultText(default_expression), isList: is_list },
    ]),
  );
}

/** Returns the draft of that name, or undefined. */
export async function readDraft(db: ConsoleDatabase, name: string): Promise<Draft | undefined> {
  const [row] = await db.rows<{ values: Record<string, string | null> }>(sql`
    select (select json_object_agg(v.key, v.value) from json_each_text(row_to_json(c)) v) as values
    from s3_connector.connectors c where c.name = ${name}`);
  return row && { name, values: row.values, isNew: row.values.state === 'draft' };
}

/** Returns the value of a default expression: `7 days` for `'7 days'::interval`. */
function defaultText(expression: string | null): string | undefined {
  if (expression === null) return undefined;
  const quoted = /^'(.*)'::[a-z ]+$/s.exec(expression);
  return quoted ? quoted[1]!.replaceAll("''", "'") : expression;
}
