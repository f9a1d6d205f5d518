/** Handles the forms of the setup. */
import type { ConsoleDatabase } from '../database.ts';
import type { FormReply, FormRequest } from '../form.ts';
import { link } from '../html.ts';
import { noOutcome, type Outcome } from '../outcome.ts';
import { sql } from '../sql.ts';
import { readDraft } from './draft.ts';
import { openStep, STEPS, sqlOf, stepPage } from './setup.ts';
import { sourceStep } from './source_step.ts';
import type { Step, StepContext } from './step.ts';

/** Runs the SQL of a step's form. Returns a redirect to the next step, or the form again with the error. */
export async function saveStep({ db, fields, formToken, rights }: FormRequest): Promise<FormReply> {
  const { step, context } = await openStepOf({ db, fields });
  const outcome = await run(step, fields, context);
  const name = context.draft?.name ?? fields.get('name') ?? '';
  // The check of the first step may fail after the insert has made the draft.
  const draftExists = step === sourceStep && !context.draft && outcome.error && (await readDraft(db, name));
  if (outcome.error && !draftExists) {
    const here = link('/setup', { name: context.draft?.name, step: step.name });
    return { page: await stepPage({ formToken, here, rights }, step, context, fields), outcome };
  }
  const isComplete =
    fields.get('then') === 'next' && !draftExists && !(step === sourceStep && (await cannotList(db, name)));
  return { to: nextAddress(step, name, isComplete), outcome };
}

/** Returns the SQL of a form with its current values, without running it. */
export async function showStepSql({ db, fields }: FormRequest): Promise<FormReply> {
  const { step, context } = await openStepOf({ db, fields });
  return { text: sqlOf(step, fields, context) };
}

/** Returns whether the check of the first step failed to list the bucket. */
async function cannotList(db: ConsoleDatabase, name: string): Promise<boolean> {
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
  return { ...noOutcome(), shown: sqlOf(step, fields, context) };
}

function nextAddress(step: Step, name: string, isComplete: boolean): string {
  if (!isComplete) return link('/setup', { name, step: step.name });
  const next = STEPS[STEPS.indexOf(step) + 1];
  return next ? link('/setup', { name, step: next.name }) : link('/connector', { name });
}
