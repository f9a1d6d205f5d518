/** The step "Start" of the setup: what will happen, the complete SQL of the connector, and its start. */
import { count } from '../format.ts';
import { type Html, html } from '../html.ts';
import { noOutcome, type Outcome } from '../outcome.ts';
import { checksPart } from '../pages/connector_parts.ts';
import { sqlText } from '../parts/sql_text.ts';
import { identifier, joined, type SqlValue, type Statement, show, sql } from '../sql.ts';
import { fingerprint, preflightStatements, runPreflight } from './preflight.ts';
import { listOf, storedValue } from './settings.ts';
import { insert } from './source_step.ts';
import type { Step, StepContext } from './step.ts';

const MAPPING_COLUMNS = ['source_column', 'target_column', 'data_type', 'date_format', 'expression'] as const;
const OMITTED = ['owner', 'created_at', 'state'];

export const startStep: Step = {
  name: 'start',
  title: 'Start',
  buttons: [],
  load: async ({ outcome }) =>
    new URLSearchParams(outcome?.preflight ? { preflight: outcome.preflight } : {}),
  async form({ values }, context) {
    const { db, draft } = context;
    const name = draft!.name;
    // What was tried. It counts if nothing has changed since.
    const tried = values.get('preflight') ?? '';
    const isGood = tried !== '' && tried === (await fingerprint(db, name));
    return html`${await consequence(context)}
${
  isGood
    ? html`<input type="hidden" name="preflight" value="${tried}">`
    : html`<p class="notice"><strong>Not tried yet</strong> Start waits until the check and a dry run of the first file are good.</p>`
}
<div class="submit">${
      isGood
        ? html`<button class="primary" name="then" value="start">Start</button><button name="then" value="try">Try again</button>`
        : html`<button class="primary" name="then" value="try">Check and try the first file</button><button name="then" value="start" disabled>Start</button>`
    }</div>
${await checksPart({ db }, name)}
<details><summary>The same connector in SQL</summary>${sqlText(show(await connectorSql(context)))}</details>`;
  },
  statements: (values, context) =>
    values.get('then') === 'start' || values.has('preflight')
      ? [sql`select s3_connector.resume(${context.draft!.name})`]
      : preflightStatements(context),
  async run(values, context) {
    const { db, draft } = context;
    if (values.get('then') !== 'start') return runPreflight([], context);
    const tried = values.get('preflight');
    if (tried === null || tried !== (await fingerprint(db, draft!.name))) return notTried();
    return db.run([sql`select s3_connector.resume(${draft!.name})`]);
  },
};

function notTried(): Outcome {
  const sentence = 'nothing was started: the settings have not been tried, or have changed since';
  return { ...noOutcome(), verdict: { level: 'bad', sentence } };
}

/** Returns what Start does. */
async function consequence({ db, draft, table, situation }: StepContext): Promise<Html> {
  const { name, values } = draft!;
  const [found] = await db.rows<{ files: string }>(sql`
    select count(*) as files from s3_connector.preview_files where connector_name = ${name}`);
  const files = found!.files === '1000' ? 'at least 1,000' : count(found!.files);
  const target = situation.value('target_table');
  return html`<p>Start imports the files that match <code>${values.pattern}</code> (${files} ${found!.files === '1' ? 'file' : 'files'} in the last preview) into ${table ? 'the table' : 'the new table'} <code>${target}</code>, and looks for new ones ${schedule(values.schedule ?? '')}. You can pause it at any time.</p>`;
}

function schedule(text: string): Html {
  if (['minute', '@always', '* * * * *'].includes(text)) return html`every minute`;
  if (['hour', '@hourly', '0 * * * *'].includes(text)) return html`every hour`;
  return html`by the schedule <code>${text}</code>`;
}

async function connectorSql({ db, columns, draft }: StepContext): Promise<Statement[]> {
  const { name } = draft!;
  const given = [...columns.values()].flatMap((column): [string, SqlValue][] => {
    const value = storedValue(column.name, columns, draft);
    if (OMITTED.includes(column.name) || value === (column.default ?? null)) return [];
    return [[column.name, column.isList && value !== null ? listOf(value) : value]];
  });
  const mappings = await db.rows<{
    source_column: string | null;
    target_column: string | null;
    data_type: string | null;
    date_format: string | null;
    expression: string | null;
  }>(sql`
    select source_column, target_column, data_type, date_format, expression
    from s3_connector.column_mappings where connector_name = ${name} order by source_column`);
  const statements = [insert(given)];
  if (mappings.length > 0) {
    const used = MAPPING_COLUMNS.filter((column) => mappings.some((mapping) => mapping[column] !== null));
    const rows = mappings.map((mapping) => {
      const values = used.map((column) => sql`${mapping[column]}`);
      return sql`(${joined([sql`${name}`, ...values], ', ')})`;
    });
    const list = joined(['connector_name', ...used].map(identifier), ', ');
    statements.push(sql`insert into s3_connector.column_mappings (${list})
values ${joined(rows, ',\n  ')}`);
  }
  return statements;
}
