/** The setup: pages that make or change a connector step by step. */
import { type Html, html, link } from '../html.ts';
import { actionWithSql, type FormContext } from '../parts/button.ts';
import { sqlText } from '../parts/sql_text.ts';
import { type Page, type PageRequest, RequestError } from '../request.ts';
import { askFor, type Rights } from '../rights.ts';
import { show } from '../sql.ts';
import { columnsStep } from './columns_step.ts';
import type { Draft } from './draft.ts';
import type { FormState } from './field.ts';
import { patternStep } from './pattern_step.ts';
import { rulesStep } from './rules_step.ts';
import { readContext } from './situation.ts';
import { sourceStep } from './source_step.ts';
import { startStep } from './start_step.ts';
import type { Step, StepContext } from './step.ts';

/** The steps in order. All except the first need the draft that the first makes. */
export const STEPS: readonly Step[] = [sourceStep, patternStep, columnsStep, rulesStep, startStep];

/** Returns the page of one step. */
export async function setupPage(request: PageRequest): Promise<Page> {
  refuseWithoutRights(request.rights);
  const name = request.parameter('name');
  const { step, context: opened } = await openStep(request.db, name, request.parameter('step'));
  const context = { ...opened, outcome: request.outcome };
  return stepPage(request, step, context, { values: await step.load(context), errors: [] });
}

/** @throws RequestError if the role may not make connectors */
export function refuseWithoutRights({ canConfigure, role }: Rights): void {
  if (canConfigure) return;
  throw new RequestError(
    403,
    `The role ${role} may not configure connectors. ${askFor('s3_connector_admin', role)}`,
  );
}

/**
 * Returns a step and its context.
 * @param values those of a form that was sent
 * @throws RequestError if the step or the draft does not exist
 */
export async function openStep(
  db: StepContext['db'],
  name: string | undefined,
  stepName = 'source',
  values?: URLSearchParams,
): Promise<{ step: Step; context: StepContext }> {
  const step = STEPS.find((candidate) => candidate.name === stepName);
  if (!step) throw new RequestError(404, `There is no step ${stepName}.`);
  const context = await readContext(db, name, values);
  if (name ? !context.draft : step !== sourceStep) {
    throw new RequestError(404, `There is no connector named ${name ?? ''}.`);
  }
  return { step, context };
}

/** Returns the page of a step with these values in its form, and what is wrong with them. */
export async function stepPage(
  request: FormContext,
  step: Step,
  context: StepContext,
  { values, errors }: Pick<FormState, 'values' | 'errors'>,
): Promise<Page> {
  const { draft, situation } = context;
  const at = STEPS.indexOf(step);
  return {
    title: draft ? `Set up ${draft.name}` : 'New connector',
    section: 'new',
    live: false,
    body: html`
<div class="head"><h1>${draft ? draft.name : 'New connector'}</h1></div>
${draft?.values.state === 'running' && pauseNotice(request, draft)}
<nav aria-label="Steps"><ol class="steps">${STEPS.map((other, i) => stepLink(other, i, at, draft))}</ol></nav>
<form class="setup card" method="post" action="/setup" aria-labelledby="step-title">
<h2 id="step-title">${at + 1}. ${step.title}</h2>
<input type="hidden" name="token" value="${request.formToken}">
<input type="hidden" name="step" value="${step.name}">
<input type="hidden" name="draft" value="${draft?.name}">
${await step.form({ values, situation, errors }, context)}
${step.buttons.length > 0 && buttons(step, at, draft)}
<details class="fold" open><summary>The SQL that this runs</summary><div id="sql-of-form" data-follows="all" aria-live="off">${sqlText(sqlOf(step, values, context), 'sql')}</div></details>
</form>
${draft && leaveSetup(request, draft)}`,
  };
}

/** Returns the SQL of a step's form. */
export function sqlOf(step: Step, values: URLSearchParams, context: StepContext): string {
  return show(step.statements(values, context)) || '-- nothing: no setting was changed';
}

/** Without the script, a button shows the fields for what was chosen. */
function buttons({ buttons }: Step, at: number, draft: Draft | undefined): Html {
  return html`<div class="submit">${buttons.map(({ action, label }, i) => html`<button${i === 0 && html` class="primary"`} name="then" value="${action}">${label}</button>`)}
<noscript><button name="then" value="look">Show the fields for these choices</button></noscript>
${draft && html`<a href="${link('/setup', { name: draft.name, step: STEPS[at + 1]!.name })}">Go on without saving</a>`}</div>`;
}

function stepLink(other: Step, i: number, at: number, draft: Draft | undefined): Html {
  const label = html`<span class="number">${i + 1}</span>${other.title}`;
  if (i === at) return html`<li aria-current="step">${label}</li>`;
  if (!draft) return html`<li>${label}</li>`;
  return html`<li${i < at && html` class="done"`}><a href="${link('/setup', { name: draft.name, step: other.name })}">${label}</a></li>`;
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
