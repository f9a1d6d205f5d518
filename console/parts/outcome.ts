import type { Outcome } from '../database.ts';
import { type Html, html } from '../html.ts';
import { sqlText } from './sql_text.ts';

/** What became of an action: the SQL that ran, and what PostgreSQL said. */
export function outcomePanel({ shown, results, notices, error }: Outcome): Html {
  return html`<section class="outcome ${error ? 'bad' : 'good'}" role="${error ? 'alert' : 'status'}" aria-label="Result">
<p class="verdict"><strong>${error ? 'Not done' : 'Done'}</strong>${error && html` <span>${error.message}</span> <code>${error.code}</code>`}</p>
${error?.detail && html`<p>${error.detail}</p>`}
${error?.hint && html`<p class="hint">${error.hint}</p>`}
${notices.length > 0 && html`<ul>${notices.map(({ message, hint }) => html`<li>${message}${hint && html` <span class="hint">${hint}</span>`}</li>`)}</ul>`}
${results.length > 0 && html`<ul>${results.map((result) => html`<li>${result}</li>`)}</ul>`}
${sqlText(shown)}
</section>`;
}
