/** The step "Start" of the setup: the complete SQL of the connector, and its start. */
import { html } from '../html.ts';
import { sqlText } from '../parts/sql_text.ts';
import { joined, type SqlValue, type Statement, show, sql } from '../sql.ts';
import { insert } from './source_step.ts';
import type { Step, StepContext } from './step.ts';

const OMITTED = ['owner', 'created_at', 'state'];

export const startStep: Step = {
  name: 'start',
  title: 'Start',
  submit: 'Start',
  load: async () => new URLSearchParams(),
  async form(_, context) {
    return html`<p>The connector is complete. This SQL makes the same connector:</p>
${sqlText(show(await connectorSql(context)))}
<p>The connector is paused. Start resumes it.</p>`;
  },
  statements: (_, { draft }) => [sql`select s3_connector.resume(${draft!.name})`],
};

async function connectorSql({ db, columns, draft }: StepContext): Promise<Statement[]> {
  const { name, values } = draft!;
  const given = [...columns.values()].filter(
    (column) => !OMITTED.includes(column.name) && (values[column.name] ?? undefined) !== column.default,
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
