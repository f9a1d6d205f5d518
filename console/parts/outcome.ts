/** The panel with the outcome of an action. */
import type { Outcome } from '../database.ts';
import { type Html, html } from '../html.ts';
import { sqlText } from './sql_text.ts';

/** Returns the panel: the SQL that ran, and the results or the error of PostgreSQL. */
export function outcomePanel({ shown, results, notices, error }: Outcome): Html {
  return html`<section class="outcome ${error ? 'bad' : 'good'}" role="${error ? 'alert' : 'status'}" aria-label="Result">
<p class="verdict"><strong>${error ? 'Failed' : 'Done'}</strong>${error && html` <span>${error.message}</span> <code>${error.code}</code>`}</p>
${error?.detail && html`<p>${error.detail}</p>`}
${error?.hint && html`<p class="hint">${error.hint}</p>`}
${notices.length > 0 && html`<ul>${notices.map(({ message, hint }) => html`<li>${message}${hint && html` <span class="hint">${hint}</span>`}</li>`)}</ul>`}
${results.length > 0 && html`<ul>${results.map((result) => html`<li>${result}</li>`)}</ul>`}
${sqlText(shown)}
</section>`;
}
