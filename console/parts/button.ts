import { ACTIONS, type ActionName } from '../actions.ts';
import { type Html, html } from '../html.ts';
import type { PageRequest } from '../request.ts';

type FormPlace = Pick<PageRequest, 'formToken' | 'here'>;

/** What an action is done to. */
export interface Target {
  name: string;
  key?: string;
}

/** A button, with the SQL that it runs beside it. */
export function actionWithSql(request: FormPlace, action: ActionName, target: Target, note?: string): Html {
  return html`<li>${actionButton(request, action, target)}<code class="says">${shownSql(action, target)}</code>${note && html`<span class="note">${note}</span>`}</li>`;
}

/** A button alone; the SQL that it runs is its title. */
export function actionButton(request: FormPlace, action: ActionName, target: Target): Html {
  const { label } = ACTIONS[action];
  return html`<form method="post" action="/act" class="act">
<input type="hidden" name="token" value="${request.formToken}">
<input type="hidden" name="action" value="${action}">
<input type="hidden" name="name" value="${target.name}">
${target.key !== undefined && html`<input type="hidden" name="key" value="${target.key}">`}
<input type="hidden" name="back" value="${request.here}">
<button title="${shownSql(action, target)}"${target.key !== undefined && html` aria-label="${label} ${target.key}"`}>${label}</button>
</form>`;
}

function shownSql(action: ActionName, { name, key = '' }: Target): string {
  return `${ACTIONS[action].statement(name, key).shown};`;
}
