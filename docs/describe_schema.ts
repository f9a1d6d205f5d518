/** Makes docs/sql.md from the comments in the database. */
import type pg from 'pg';
import { CONNECTOR_GROUPS, grouped, RELATION_GROUPS } from './sql_groups.ts';

interface Column {
  name: string;
  type: string;
  default: string | null;
  required: boolean;
  comment: string;
}

interface Relation {
  name: string;
  kind: 'table' | 'view';
  comment: string;
  columns: Column[];
}

interface Routine {
  /** The call with its arguments: `retry(name text)`. */
  call: string;
  /** Whether it is a procedure, which asks a worker. */
  asks: boolean;
  result: string;
  comment: string;
}

/** Returns the reference of the tables, views, functions and procedures of the schema `s3_connector`, in Markdown. */
export async function describeSchema(client: pg.ClientBase): Promise<string> {
  const found = await relations(client);
  const routines = await routinesOf(client);
  const [schema] = (
    await client.query<{ comment: string }>(
      "select obj_description('s3_connector'::regnamespace, 'pg_namespace') as comment",
    )
  ).rows;
  const sections = [
    ...grouped(found, RELATION_GROUPS).map(({ title, intro, members }) => ({
      title,
      intro,
      entries: members.map((relation) => ({ title: relation.name, text: describeRelation(relation) })),
    })),
    describeRoutines(
      'Control connectors and files',
      'Functions. The first argument is the name of the connector.',
      routines,
      false,
    ),
    describeRoutines(
      'Ask a worker',
      'Procedures. Call them outside a transaction block. They wait for a worker, and raise its error.',
      routines,
      true,
    ),
  ];
  return `${[
    '# SQL reference',
    '<!-- Generated from the comments in sql/ by `npm run docs`. -->',
    `Everything is in the schema \`s3_connector\`. ${schema!.comment}`,
    'Use the names with the schema: `select * from s3_connector.files`. In the column "default", "required" means that an insert must give a value. Empty means null.',
    sections.map(describeContents).join('\n'),
    ...sections.flatMap(({ title, intro, entries }) => [
      `## ${title}`,
      intro,
      ...entries.map(({ text }) => text),
    ]),
  ]
    .filter(Boolean)
    .join('\n\n')}\n`;
}

interface Section {
  title: string;
  intro: string;
  entries: { title: string; text: string }[];
}

function describeContents({ title, entries }: Section): string {
  return `- [${title}](#${anchor(title)}): ${entries.map((entry) => `\`${entry.title}\``).join(', ')}`;
}

const anchor = (title: string) => title.toLowerCase().replaceAll(' ', '-');

function describeRelation({ name, kind, comment, columns }: Relation): string {
  const describe = kind === 'table' ? describeTableColumns : describeViewColumns;
  const parts =
    name === 'connectors'
      ? grouped(columns, CONNECTOR_GROUPS).map(({ title, members }) => `**${title}**\n\n${describe(members)}`)
      : [describe(columns)];
  return [`### \`${name}\``, comment, ...parts].join('\n\n');
}

function describeTableColumns(columns: Column[]): string {
  const rows = columns.map((column) => [
    `\`${column.name}\``,
    column.type,
    column.default ? `\`${column.default}\`` : column.required ? 'required' : '',
    column.comment,
  ]);
  return table(['column', 'type', 'default', ''], rows);
}

function describeViewColumns(columns: Column[]): string {
  return table(
    ['column', 'type', ''],
    columns.map((column) => [`\`${column.name}\``, column.type, column.comment]),
  );
}

function describeRoutines(title: string, intro: string, routines: Routine[], asks: boolean): Section {
  const entries = routines
    .filter((routine) => routine.asks === asks)
    .map(({ call, result, comment }) => ({
      title: /[\w]+(?=\()/.exec(call)![0],
      text: `### \`${call}\`\n\n${result}${comment}`,
    }));
  return { title, intro, entries };
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map(escapeCell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Escapes Markdown in a cell. Code needs only an escaped `|`, which would end the cell. */
function escapeCell(cell: string): string {
  return (cell.startsWith('`') ? cell : cell.replaceAll(/[\\*<>[\]]/g, '\\$&')).replaceAll('|', '\\|');
}

async function relations(client: pg.ClientBase): Promise<Relation[]> {
  const { rows } = await client.query<Relation>(
    `select c.relname as name, case c.relkind when 'r' then 'table' else 'view' end as kind,
      obj_description(c.oid, 'pg_class') as comment, (
      select json_agg(json_build_object(
        'name', a.attname, 'type', replace(format_type(a.atttypid, a.atttypmod), 's3_connector.', ''),
        'default', regexp_replace(pg_get_expr(d.adbin, d.adrelid), '::[a-z_0-9. ]+$', ''),
        'required', a.attnotnull and a.attidentity = '',
        'comment', col_description(c.oid, a.attnum)
      ) order by a.attnum)
      from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ) as columns
    from pg_class c where c.relnamespace = 's3_connector'::regnamespace and c.relkind in ('r', 'v')
    order by c.oid`,
  );
  return rows;
}

async function routinesOf(client: pg.ClientBase): Promise<Routine[]> {
  const { rows } = await client.query<{
    name: string;
    asks: boolean;
    arguments: string;
    returns: string | null;
    comment: string;
  }>(
    `select p.proname as name, p.prokind = 'p' as asks, pg_get_function_arguments(p.oid) as arguments,
      case when p.prokind <> 'p' and p.prorettype <> 'void'::regtype
        then replace(pg_get_function_result(p.oid), 's3_connector.', '') end as returns,
      obj_description(p.oid, 'pg_proc') as comment
    from pg_proc p where p.pronamespace = 's3_connector'::regnamespace
    order by p.prokind, p.proname, 3`,
  );
  return rows.map(({ name, asks, arguments: text, returns, comment }) => {
    const all = text.split(', ').map((argument) => argument.replace(/^IN /, ''));
    // INOUT arguments are results only: `INOUT rows_read bigint DEFAULT NULL::bigint`.
    const inputs = all.filter((argument) => !argument.startsWith('INOUT '));
    const outputs = all
      .filter((argument) => argument.startsWith('INOUT '))
      .map((argument) => argument.split(' ')[1]!);
    const result =
      outputs.length > 0 ? `a row of ${outputs.map((column) => `\`${column}\``).join(', ')}` : returns;
    return {
      call: `${asks ? 'call ' : ''}${name}(${inputs.map(writeDefault).join(', ')})`,
      asks,
      result: result ? `Returns ${result}. ` : '',
      comment,
    };
  });
}

/** Converts `pattern text DEFAULT '**'::text` to `pattern text default '**'`. */
const writeDefault = (argument: string) => argument.replace(/ DEFAULT (.*?)(::[a-z ]+)?$/, ' default $1');
