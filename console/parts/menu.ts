/** The menu of a connector: its actions, and links to what they concern. */
import { ACTIONS, type ActionName } from '../actions.ts';
import { type Html, html, link } from '../html.ts';
import { type FormContext, shownSql, targetFields } from './button.ts';
import type { FlowRow } from './flow.ts';

/** Returns the menu. It opens without the page's script, which only closes it when a person clicks elsewhere. */
export function connectorMenu(request: FormContext, row: FlowRow, label?: string): Html {
  const { name } = row;
  const actions = possible(row).filter((action) => request.rights.actions.has(action));
  return html`<details class="menu" name="menu"><summary aria-label="Actions for ${name}">${label && html`${label} `}<span aria-hidden="true">${label ? '▾' : '⋯'}</span></summary>
<div class="items">${actions.length > 0 && form(request, name, actions)}${links(request, row).map(
    ([words, address]) => html`<a href="${address}">${words}</a>`,
  )}</div></details>`;
}

/** One form for all actions, because a page has many menus. The SQL of each is its tooltip. */
function form(request: FormContext, name: string, actions: ActionName[]): Html {
  return html`<form method="post" action="/act" class="act">
<input type="hidden" name="token" value="${request.formToken}">${targetFields({ name })}<input type="hidden" name="back" value="${request.here}">
${actions.map((action) => html`<button name="action" value="${action}" title="${shownSql(action, { name })}">${ACTIONS[action].label}</button>`)}</form>`;
}

function possible({ state, failure, late_files }: FlowRow): ActionName[] {
  const running: ActionName[] = state === 'running' ? ['poll_now', 'pause'] : [];
  return [
    ...running,
    ...(state === 'paused' ? (['resume'] as const) : []),
    ...(failure === '0' ? [] : (['retry'] as const)),
    ...(late_files === '0' ? [] : (['import_late'] as const)),
    'check',
    ...(state === 'draft' ? [] : (['audit'] as const)),
  ];
}

type Link = [words: string, address: string];

function links({ rights }: FormContext, { name, state, rejected }: FlowRow): Link[] {
  const setup: Link =
    state === 'draft'
      ? ['Continue the setup', link('/setup', { name, step: 'source' })]
      : ['Change its settings', link('/setup', { name, step: 'pattern' })];
  const found: (Link | false)[] = [
    state !== 'draft' && ['Files', `${link('/connector', { name })}#files`],
    rejected !== '0' && ['Rejected rows', link('/rejected', { name })],
    state !== 'running' && rights.canConfigure && setup,
  ];
  return found.filter((one) => one !== false);
}
