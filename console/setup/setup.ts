/** The setup: pages that make or change a connector step by step. */
import { type Html, html, link } from '../html.ts';
import { actionWithSql, type FormContext } from '../parts/button.ts';
import { sqlText } from '../parts/sql_text.ts';
import { type Page, type PageRequest, RequestError } from '../request.ts';
import { askFor } from '../rights.ts';
import { show } from '../sql.ts';
import { columnsStep } from './columns_step.ts';
import { type Draft, readColumns, readDraft } from './draft.ts';
import { patternStep } from './pattern_step.ts';
import { rulesStep } from './rules_step.ts';
import { sourceStep } from './source_step.ts';
import { startStep } from './start_step.ts';
import type { Step, StepContext } from './step.ts';

/** The steps in order. All except the first need the draft that the first makes. */
export const STEPS: readonly Step[] = [sourceStep, patternStep, columnsStep, rulesStep, startStep];

/** Returns the page of one step. */
export async function setupPage(request: PageRequest): Promise<Page> {
  const { rights } = request;
  if (!rights.canConfigure) {
    throw new RequestError(
      403,
      `The role ${rights.role} may not configure connectors. ${askFor('s3_connector_admin', rights.role)}`,
    );
  }
  const name = request.parameter('name');
  const { step, context } = await openStep(request.db, name, request.parameter('step'));
  return stepPage(request, step, context, await step.load(context));
}

/** Returns a step and its context. @throws RequestError if the step or the draft does not exist */
export async function openStep(
  db: StepContext['db'],
  name: string | undefined,
  stepName = 'source',
): Promise<{ step: Step; context: StepContext }> {
  const step = STEPS.find((candidate) => candidate.name === stepName);
  if (!step) throw new RequestError(404, `There is no step ${stepName}.`);
  const [columns, draft] = await Promise.all([readColumns(db), name ? readDraft(db, name) : undefined]);
  if (name ? !draft : step !== sourceStep) {
    throw new RequestError(404, `There is no connector named ${name ?? ''}.`);
  }
  return { step, context: { db, columns, draft } };
}

/** Returns the page of a step with these values in its form. */
export async function stepPage(
  request: FormContext,
  step: Step,
  context: StepContext,
  values: URLSearchParams,
): Promise<Page> {
  const { draft } = context;
  const at = STEPS.indexOf(step);
  return {
    title: draft ? `Set up ${draft.name}` : 'New connector',
    section: 'new',
    live: false,
    body: html`
<div class="head"><h1>${draft ? draft.name : 'New connector'}</h1></div>
${draft?.values.state === 'running' && pauseNotice(request, draft)}
<nav aria-label="Steps"><ol class="steps">${STEPS.map((other, i) => stepLink(other, i, step, draft))}</ol></nav>
<form class="setup card" method="post" action="/setup" data-sql-from="/setup/sql" aria-labelledby="step-title">
<h2 id="step-title">${at + 1}. ${step.title}</h2>
<input type="hidden" name="token" value="${request.formToken}">
<input type="hidden" name="step" value="${step.name}">
<input type="hidden" name="draft" value="${draft?.name}">
${await step.form(values, context)}
<h3>The SQL that this runs</h3>
<div aria-live="off">${sqlText(sqlOf(step, values, context), 'sql')}</div>
<div class="submit"><button class="primary" name="then" value="${step === startStep || step === sourceStep || step === rulesStep ? 'next' : 'stay'}">${step.submit}</button>
${(step === patternStep || step === columnsStep) && html`<button name="then" value="next">${step.submit}, then ${STEPS[at + 1]!.title.toLowerCase()}</button>`}
${draft && at < STEPS.length - 1 && html`<a href="${link('/setup', { name: draft.name, step: STEPS[at + 1]!.name })}">Continue without saving</a>`}</div>
</form>
${draft && leaveSetup(request, draft)}`,
  };
}

/** Returns the SQL of a step's form. */
export function sqlOf(step: Step, values: URLSearchParams, context: StepContext): string {
  return show(step.statements(values, context)) || '-- nothing: no setting was changed';
}

function stepLink(other: Step, i: number, step: Step, draft: Draft | undefined): Html {
  if (other === step) return html`<li aria-current="step">${i + 1}. ${other.title}</li>`;
  if (!draft) return html`<li>${i + 1}. ${other.title}</li>`;
  return html`<li><a href="${link('/setup', { name: draft.name, step: other.name })}">${i + 1}. ${other.title}</a></li>`;
}

function pauseNotice(request: FormContext, { name }: Draft): Html {
  return html`<div class="notice"><strong>The connector is running</strong> Pause it before you change it.<ul class="actions">${actionWithSql(request, 'pause', { name })}</ul></div>`;
}

function leaveSetup(request: FormContext, draft: Draft): Html {
  if (!draft.isNew) {
    return html`<p><a href="${link('/connector', { name: draft.name })}">Back to ${draft.name}</a></p>`;
  }
  return html`<details><summary>Cancel</summary><ul class="actions">${actionWithSql(request, 'drop_connector', { name: draft.name }, 'Deletes the draft. Nothing was imported.')}</ul></details>`;
}
