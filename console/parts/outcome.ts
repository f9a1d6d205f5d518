/** The panel with the outcome of an action. */

import { type Html, html } from '../html.ts';
import type { Outcome } from '../outcome.ts';
import { sqlText } from './sql_text.ts';
import { at } from './time.ts';

const WORDS = { good: 'Done', warn: 'Look at this', bad: 'Failed' };

/** Returns the panel: the verdict, which has the focus, then what came back, then the SQL that ran. */
export function outcomePanel({ shown, rows, notices, error, verdict, isAtField }: Outcome): Html {
  const { level, sentence } = verdict;
  const results = rows.flatMap(describeRow);
  return html`<section class="outcome ${level}" role="${level === 'bad' ? 'alert' : 'status'}" aria-label="Result" tabindex="-1"${!isAtField && html` autofocus`}>
<p class="verdict"><strong>${WORDS[level]}</strong>${sentence && html` <span>${sentence}</span>`}${error && html` <code>${error.code}</code>`}</p>
${error?.detail && html`<p>${error.detail}</p>`}
${error?.hint && html`<p class="hint">${error.hint}</p>`}
${notices.length > 0 && html`<ul>${notices.map(({ message, hint }) => html`<li>${message}${hint && html` <span class="hint">${hint}</span>`}</li>`)}</ul>`}
${results.length > 0 && html`<ul>${results.map((result) => html`<li>${result}</li>`)}</ul>`}
${shown && html`<details><summary>The SQL that ran</summary>${sqlText(shown)}</details>`}
</section>`;
}

function describeRow(row: object): Html[] {
  const values = Object.entries(row).filter(([, value]) => value !== null && value !== '');
  if (values.length === 0) return [];
  return [
    html`${values.map(([name, value], i) => html`${i > 0 && ', '}${name}: ${value instanceof Date ? at(value) : String(value)}`)}`,
  ];
}
