/** Buttons that run actions. */
import { ACTIONS, type ActionName, type Target } from '../actions.ts';
import { type Html, html } from '../html.ts';
import type { PageRequest } from '../request.ts';

export type FormContext = Pick<PageRequest, 'formToken' | 'here' | 'rights'>;

/** Returns a button with its SQL next to it, or nothing if the console's role may not run it. */
export function actionWithSql(
  request: FormContext,
  action: ActionName,
  target: Target,
  note?: string,
): Html | undefined {
  if (!request.rights.actions.has(action)) return undefined;
  return html`<li>${actionButton(request, action, target)}<code class="says">${shownSql(action, target)}</code>${note && html`<span class="note">${note}</span>`}</li>`;
}

/** Returns a button alone, or nothing if the console's role may not run it. Its SQL is the tooltip. */
export function actionButton(request: FormContext, action: ActionName, target: Target): Html | undefined {
  if (!request.rights.actions.has(action)) return undefined;
  const { label } = ACTIONS[action];
  return html`<form method="post" action="/act" class="act">
<input type="hidden" name="token" value="${request.formToken}">
<input type="hidden" name="action" value="${action}">
${targetFields(target)}
<input type="hidden" name="back" value="${request.here}">
<button title="${shownSql(action, target)}"${target.key !== undefined && html` aria-label="${label} ${target.key}"`}>${label}</button>
</form>`;
}

/** Returns the hidden fields that name the target. */
export function targetFields(target: Target): Html {
  return html`${Object.entries(target).map(([name, value]) => value !== undefined && html`<input type="hidden" name="${name}" value="${value}">`)}`;
}

/** Returns the SQL of an action, as a person would type it. */
export function shownSql(action: ActionName, target: Target): string {
  return `${ACTIONS[action].statement(target).shown};`;
}
