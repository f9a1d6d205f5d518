import type pg from 'pg';

interface Relation {
  name: string;
  comment: string;
  columns: { name: string; type: string; preset: string | null; required: boolean; comment: string }[];
}

interface Routine {
  call: string;
  result: string;
  comment: string;
}

/** What a person can look at and call in the schema `s3_connector`, in Markdown, from the comments in the database. */
export async function describeSchema(client: pg.ClientBase): Promise<string> {
  const tables = await relations(client, 'r');
  const views = await relations(client, 'v');
  const routines = await routinesOf(client);
  const [schema] = (
    await client.query<{ comment: string }>(
      "select obj_description('s3_connector'::regnamespace, 'pg_namespace') as comment",
    )
  ).rows;
  return `${[
    '# SQL reference',
    '<!-- Generated from the comments in sql/ by `npm run docs`. -->',
    `Everything is in the schema \`s3_connector\`. ${schema!.comment}`,
    '## Tables',
    ...tables.map(describeTable),
    '## Views',
    ...views.map(describeView),
    '## Functions and procedures',
    ...routines.map(({ call, result, comment }) => `### \`${call}\`\n\n${result}${comment}`),
  ].join('\n\n')}\n`;
}

function describeTable({ name, comment, columns }: Relation): string {
  const rows = columns.map((column) => [
    `\`${column.name}\``,
    column.type,
    column.preset ? `\`${column.preset}\`` : column.required ? 'required' : '',
    column.comment,
  ]);
  return `### \`${name}\`\n\n${comment}\n\n${table(['column', 'type', 'default', ''], rows)}`;
}

function describeView({ name, comment, columns }: Relation): string {
  const rows = columns.map((column) => [`\`${column.name}\``, column.type, column.comment]);
  return `### \`${name}\`\n\n${comment}\n\n${table(['column', 'type', ''], rows)}`;
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map(escapeCell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Outside of code, stars, brackets and backslashes would be Markdown's; a bar would end the cell even inside. */
function escapeCell(cell: string): string {
  return (cell.startsWith('`') ? cell : cell.replaceAll(/[\\*<>[\]]/g, '\\$&')).replaceAll('|', '\\|');
}

async function relations(client: pg.ClientBase, kind: 'r' | 'v'): Promise<Relation[]> {
  const { rows } = await client.query<Relation>(
    `select c.relname as name, obj_description(c.oid, 'pg_class') as comment, (
      select json_agg(json_build_object(
        'name', a.attname, 'type', replace(format_type(a.atttypid, a.atttypmod), 's3_connector.', ''),
        'preset', regexp_replace(pg_get_expr(d.adbin, d.adrelid), '::[a-z_0-9. ]+$', ''),
        'required', a.attnotnull and a.attidentity = '',
        'comment', col_description(c.oid, a.attnum)
      ) order by a.attnum)
      from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ) as columns
    from pg_class c where c.relnamespace = 's3_connector'::regnamespace and c.relkind = $1
    order by c.oid`,
    [kind],
  );
  return rows;
}

async function routinesOf(client: pg.ClientBase): Promise<Routine[]> {
  const { rows } = await client.query<Routine>(
    `select
      format('%s%s(%s)', case p.prokind when 'p' then 'call ' else '' end, p.proname, pg_get_function_arguments(p.oid)) as call,
      case when p.prokind = 'p' or p.prorettype = 'void'::regtype then ''
        else format('Returns %s. ', replace(pg_get_function_result(p.oid), 's3_connector.', '')) end as result,
      obj_description(p.oid, 'pg_proc') as comment
    from pg_proc p where p.pronamespace = 's3_connector'::regnamespace and p.proname not like '\\_%'
    order by p.prokind, p.proname, 1`,
  );
  return rows;
}
