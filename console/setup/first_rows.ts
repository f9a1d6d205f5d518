/** The first rows of the first file, as they would land, below the columns of the table. */
import { shortType } from '../format.ts';
import { type Html, html } from '../html.ts';
import { sql } from '../sql.ts';
import type { StepContext } from './step.ts';

interface PreviewRow {
  line: string | null;
  values: Record<string, string | null> | null;
  error: string | null;
  raw: string | null;
}

/** Returns the rows of the last preview; nothing if it has none. */
export async function firstRows({ db, draft }: StepContext): Promise<Html> {
  const [rows, columns] = await Promise.all([
    db.rows<PreviewRow>(sql`
      select line, "values", error, raw from s3_connector.preview_rows
      where connector_name = ${draft!.name} order by position`),
    db.rows<{ name: string; type: string }>(sql`
      select target_column as name, target_type as type from s3_connector.preview_columns
      where connector_name = ${draft!.name} and target_column is not null order by position`),
  ]);
  if (rows.length === 0) return html``;
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  const landed = rows.flatMap(({ values }) => Object.keys(values ?? {}));
  const names = [...new Set([...columns.map(({ name }) => name), ...landed])].filter(
    (name) => landed.length === 0 || landed.includes(name),
  );
  return html`<section aria-labelledby="first-rows-title"><h3 id="first-rows-title">The first rows, as they would be in the table</h3><p class="note">From the last preview.</p>
<div class="wide" tabindex="0" role="region" aria-labelledby="first-rows-title"><table class="first-rows">
<thead><tr><th>Line</th>${names.map((name) => html`<th scope="col">${name}<span class="type">${shortType(types.get(name) ?? '')}</span></th>`)}</tr></thead>
<tbody>${rows.map((row) => shownRow(row, names))}</tbody></table></div></section>`;
}

function shownRow({ line, values, error, raw }: PreviewRow, names: string[]): Html {
  const head = html`<th scope="row">${line ?? '–'}</th>`;
  if (values === null) {
    return html`<tr class="refused">${head}<td colspan="${names.length}"><span class="error">${error}</span><code class="raw">${raw}</code></td></tr>`;
  }
  return html`<tr>${head}${names.map((name) => html`<td>${values[name] ?? html`<span class="note">null</span>`}</td>`)}</tr>`;
}
