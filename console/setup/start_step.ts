import { html } from '../html.ts';
import { sqlText } from '../parts/sql_text.ts';
import { joined, type SqlValue, type Statement, show, sql } from '../sql.ts';
import { insert } from './source_step.ts';
import type { Step, StepContext } from './step.ts';

const NOT_WRITTEN = ['owner', 'created_at', 'state'];

/** The whole connector as the SQL that would have made it, and its start. */
export const startStep: Step = {
  name: 'start',
  title: 'Start',
  submit: 'Start',
  load: async () => new URLSearchParams(),
  async form(_, context) {
    return html`<p>All is set. Without these pages, the same connector would have been made by:</p>
${sqlText(show(await wholeSql(context)))}
<p>The one that is here is paused; to start it is to resume it.</p>`;
  },
  statements: (_, { draft }) => [sql`select s3_connector.resume(${draft!.name})`],
};

async function wholeSql({ db, columns, draft }: StepContext): Promise<Statement[]> {
  const { name, values } = draft!;
  const given = [...columns.values()].filter(
    (column) => !NOT_WRITTEN.includes(column.name) && (values[column.name] ?? undefined) !== column.preset,
  );
  const mappings = await db.rows<{
    source_column: string;
    target_column: string | null;
    data_type: string | null;
  }>(sql`
    select source_column, target_column, data_type
    from s3_connector.column_mappings where connector_name = ${name} order by source_column`);
  const statements = [insert(given.map((column): [string, SqlValue] => [column.name, values[column.name]!]))];
  if (mappings.length > 0) {
    const rows = mappings.map(
      (mapping) => sql`(${name}, ${mapping.source_column}, ${mapping.target_column}, ${mapping.data_type})`,
    );
    statements.push(sql`insert into s3_connector.column_mappings (connector_name, source_column, target_column, data_type)
values ${joined(rows, ',\n  ')}`);
  }
  return statements;
}
