import type { ConsoleDatabase, Outcome } from '../database.ts';
import { link } from '../html.ts';
import type { FormReply, FormRequest } from '../routes.ts';
import { sql } from '../sql.ts';
import { readDraft } from './draft.ts';
import { openStep, STEPS, sqlOf, stepPage } from './setup.ts';
import { sourceStep } from './source_step.ts';
import type { Step, StepContext } from './step.ts';

/** Runs what a step's form says, and leads to the next step, or shows the form again with what PostgreSQL said. */
export async function saveStep({ db, fields, formToken }: FormRequest): Promise<FormReply> {
  const { step, context } = await openStepOf({ db, fields });
  const outcome = await run(step, fields, context);
  const name = context.draft?.name ?? fields.get('name') ?? '';
  // The first step's check may fail after its insert has made the draft.
  const isMade = step === sourceStep && !context.draft && outcome.error && (await readDraft(db, name));
  if (outcome.error && !isMade) {
    const here = link('/setup', { name: context.draft?.name, step: step.name });
    return { page: await stepPage({ formToken, here }, step, context, fields), outcome };
  }
  const goesOn =
    fields.get('then') === 'next' && !isMade && !(step === sourceStep && (await isOutOfReach(db, name)));
  return { to: whereTo(step, name, goesOn), outcome };
}

/** The SQL that a form would run as it is filled in now. */
export async function showStepSql({ db, fields }: FormRequest): Promise<FormReply> {
  const { step, context } = await openStepOf({ db, fields });
  return { text: sqlOf(step, fields, context) };
}

/** Whether the check that the first step ends with could not even list the bucket. */
async function isOutOfReach(db: ConsoleDatabase, name: string): Promise<boolean> {
  const rows = await db.rows(sql`
    select from s3_connector.checks
    where connector_name = ${name} and not ok and step in ('credentials', 'assume_role', 'list')`);
  return rows.length > 0;
}

function openStepOf({ db, fields }: Pick<FormRequest, 'db' | 'fields'>) {
  return openStep(db, fields.get('draft') || undefined, fields.get('step') ?? undefined);
}

async function run(step: Step, fields: URLSearchParams, context: StepContext): Promise<Outcome> {
  const statements = step.statements(fields, context);
  if (statements.length > 0) return context.db.run(statements);
  return { shown: sqlOf(step, fields, context), results: [], notices: [] };
}

function whereTo(step: Step, name: string, goesOn: boolean): string {
  if (!goesOn) return link('/setup', { name, step: step.name });
  const next = STEPS[STEPS.indexOf(step) + 1];
  return next ? link('/setup', { name, step: next.name }) : link('/connector', { name });
}
