import { type Html, html } from '../html.ts';

/** SQL as a person would type it; scrolled, by keyboard too, where it is wider than the page. */
export function sqlText(sql: string, id?: string): Html {
  return html`<pre class="sql" tabindex="0" aria-label="SQL"${id && html` id="${id}"`}><code>${sql}</code></pre>`;
}
