/** A block of SQL. */
import { type Html, html } from '../html.ts';

/** Returns SQL as a block that can be scrolled, also by keyboard. */
export function sqlText(sql: string, id?: string): Html {
  return html`<pre class="sql" tabindex="0" role="group" aria-label="SQL"${id && html` id="${id}"`}><code>${sql}</code></pre>`;
}
