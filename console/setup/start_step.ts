/** The step "Start" of the setup: the complete SQL of the connector, and its start. */
import { html } from '../html.ts';
import { sqlText } from '../parts/sql_text.ts';
import { identifier, joined, type SqlValue, type Statement, show, sql } from '../sql.ts';
import { insert } from './source_step.ts';
import type { Step, StepContext } from './step.ts';

const MAPPING_COLUMNS = ['source_column', 'target_column', 'data_type', 'date_format', 'expression'] as const;
const OMITTED = ['owner', 'created_at', 'state'];

export const startStep: Step = {
  name: 'start',
  title: 'Start',
  submit: 'Start',
  load: async () => new URLSearchParams(),
  async form(_, context) {
    return html`<p>The connector is complete. This SQL makes the same connector:</p>
${sqlText(show(await connectorSql(context)))}
<p>Start imports every file that matches <code>${context.draft!.values.pattern}</code> into <code>${context.draft!.values.target_table}</code>.</p>`;
  },
  statements: (_, { draft }) => [sql`select s3_connector.resume(${draft!.name})`],
};

async function connectorSql({ db, columns, draft }: StepContext): Promise<Statement[]> {
  const { name, values } = draft!;
  const given = [...columns.values()].filter(
    (column) => !OMITTED.includes(column.name) && (values[column.name] ?? undefined) !== column.default,
  );
  const mappings = await db.rows<{
    source_column: string | null;
    target_column: string | null;
    data_type: string | null;
    date_format: string | null;
    expression: string | null;
  }>(sql`
    select source_column, target_column, data_type, date_format, expression
    from s3_connector.column_mappings where connector_name = ${name} order by source_column`);
  const statements = [insert(given.map((column): [string, SqlValue] => [column.name, values[column.name]!]))];
  if (mappings.length > 0) {
    const used = MAPPING_COLUMNS.filter((column) => mappings.some((mapping) => mapping[column] !== null));
    const rows = mappings.map((mapping) => {
      const given = used.map((column) => sql`${mapping[column]}`);
      return sql`(${joined([sql`${name}`, ...given], ', ')})`;
    });
    const list = joined(['connector_name', ...used].map(identifier), ', ');
    statements.push(sql`insert into s3_connector.column_mappings (${list})
values ${joined(rows, ',\n  ')}`);
  }
  return statements;
}
