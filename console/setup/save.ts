/** Handles the forms of the setup. */
import type { ConsoleDatabase } from '../database.ts';
import type { FormReply, FormRequest } from '../form.ts';
import { link } from '../html.ts';
import { noOutcome, type Outcome } from '../outcome.ts';
import { sql } from '../sql.ts';
import { columnsStep } from './columns_step.ts';
import { readDraft } from './draft.ts';
import { fieldErrors } from './errors.ts';
import type { FieldError } from './field.ts';
import { openStep, refuseWithoutRights, STEPS, sqlOf, stepPage } from './setup.ts';
import { sourceStep } from './source_step.ts';
import { startStep } from './start_step.ts';
import type { Step, StepContext } from './step.ts';

/**
 * Runs the SQL of a step's form. Returns a redirect to the next step, or the form again with its errors. With `look` it runs
 * nothing, and returns the form as its values make it.
 */
export async function saveStep(request: FormRequest): Promise<FormReply> {
  const { db, fields, formToken, rights } = request;
  refuseWithoutRights(rights);
  const name = fields.get('draft') || undefined;
  const { step, context } = await openStep(db, name, fields.get('step') ?? undefined, fields);
  const here = link('/setup', { name, step: step.name });
  const again = (errors: FieldError[]) =>
    stepPage({ formToken, here, rights }, step, context, { values: fields, errors });
  if (fields.get('then') === 'look') return { page: await again([]) };
  const refused = step.refuse?.(fields, context) ?? [];
  if (refused.length > 0) return { page: await again(refused), outcome: refusal(refused) };
  const outcome = await run(step, fields, context);
  const saved = name ?? fields.get('name') ?? '';
  // The check of the first step may fail after the insert has made the draft.
  const draftExists = step === sourceStep && !name && outcome.error && (await readDraft(db, saved));
  if (outcome.error && !draftExists) {
    const errors = fieldErrors(outcome.error, fields);
    return { page: await again(errors), outcome: { ...outcome, isAtField: errors.length > 0 } };
  }
  const isDone =
    isComplete(step, fields, outcome) &&
    !draftExists &&
    !(step === sourceStep && (await cannotList(db, saved)));
  return { to: nextAddress(step, saved, isDone), outcome };
}

function refusal(errors: FieldError[]): Outcome {
  const [first, ...others] = errors;
  const more = others.length === 0 ? '' : ` (and ${others.length} more below)`;
  const sentence = `nothing was saved: ${first!.message}${more}`;
  return { ...noOutcome(), isAtField: true, verdict: { level: 'bad', sentence } };
}

/** Returns whether the form's step is done. A preflight leads to the last step, also if it found trouble. */
function isComplete(step: Step, fields: URLSearchParams, { verdict }: Outcome): boolean {
  if (step === startStep) return fields.get('then') === 'start' && verdict.level !== 'bad';
  // An import would fail because of the columns: they are fixed in their own step.
  if (step === columnsStep && verdict.level === 'bad') return false;
  return fields.get('then') === 'next';
}

/** Returns whether the check of the first step failed to list the bucket. */
async function cannotList(db: ConsoleDatabase, name: string): Promise<boolean> {
  const rows = await db.rows(sql`
    select from s3_connector.checks
    where connector_name = ${name} and not ok and step in ('credentials', 'assume role', 'list')`);
  return rows.length > 0;
}

async function run(step: Step, fields: URLSearchParams, context: StepContext): Promise<Outcome> {
  if (step.run) return step.run(fields, context);
  const statements = step.statements(fields, context);
  if (statements.length > 0) return context.db.run(statements);
  return { ...noOutcome(), shown: sqlOf(step, fields, context) };
}

function nextAddress(step: Step, name: string, isDone: boolean): string {
  if (!isDone) return link('/setup', { name, step: step.name });
  const next = STEPS[STEPS.indexOf(step) + 1];
  return next ? link('/setup', { name, step: next.name }) : link('/connector', { name });
}
