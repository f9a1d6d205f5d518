/** Parts of the page of a connector: polls, late files, check, settings. */
import { bytes, count, duration } from '../format.ts';
import { type Html, html } from '../html.ts';
import { actionWithSql } from '../parts/button.ts';
import { keyText } from '../parts/key.ts';
import { type Column, table } from '../parts/table.ts';
import { at } from '../parts/time.ts';
import type { PageRequest } from '../request.ts';
import { sql } from '../sql.ts';

/** Returns the last polls. */
export async function pollsPart({ db }: PageRequest, name: string): Promise<Html> {
  const polls = await db.rows<{
    started_at: Date;
    seconds: number;
    keys_listed: string;
    keys_matched: string;
    files_enqueued: string;
    list_requests: number;
    error: string | null;
  }>(sql`
    select started_at, seconds, keys_listed, keys_matched, files_enqueued, list_requests, error
    from s3_connector.polls where connector_name = ${name} order by started_at desc limit 8`);
  return html`<section aria-labelledby="polls-title"><h2 id="polls-title">Last polls</h2>${
    polls.length === 0
      ? html`<p class="empty">None yet.</p>`
      : table(
          [{ label: 'Started' }, ...['Duration', 'Listed', 'Matched', 'Enqueued', 'Requests'].map(numbers)],
          polls.map((poll) => ({
            cells: [
              html`${at(poll.started_at)}${poll.error && html`<span class="error">${poll.error}</span>`}`,
              duration(poll.seconds),
              count(poll.keys_listed),
              count(poll.keys_matched),
              count(poll.files_enqueued),
              count(poll.list_requests),
            ],
          })),
          { labelledBy: 'polls-title' },
        )
  }</section>`;
}

const numbers = (label: string): Column => ({ label, kind: 'number' });

/** Returns the late and overwritten keys that the last audit found. */
export async function latePart(request: PageRequest, name: string): Promise<Html> {
  const files = await request.db.rows<{
    key: string;
    reason: string;
    size_bytes: string;
    last_modified: Date;
    found_at: Date;
  }>(sql`
    select key, reason, size_bytes, last_modified, found_at
    from s3_connector.late_files where connector_name = ${name} order by key limit 21`);
  if (files.length === 0) return html``;
  return html`<section id="late" aria-labelledby="late-title"><h2 id="late-title">Late files</h2>
<p class="note">Found by the last audit, ${at(files[0]!.found_at)}: late keys arrived behind the marker and were not imported; overwritten keys changed after their import.</p>
<ul class="plain lines">${files.slice(0, 20).map((file) => html`<li>${keyText(file.key)} <span class="note">${file.reason}, ${bytes(file.size_bytes)}, written ${at(file.last_modified)}</span></li>`)}</ul>
${files.length > 20 && html`<p class="note">The view s3_connector.late_files has the rest.</p>`}
<ul class="actions">${actionWithSql(request, 'import_late', { name })}</ul></section>`;
}

/** Returns the steps of the last check. */
export async function checksPart({ db }: Pick<PageRequest, 'db'>, name: string): Promise<Html> {
  const steps = await db.rows<{
    step: string;
    ok: boolean;
    message: string;
    hint: string | null;
    checked_at: Date;
  }>(
    sql`select step, ok, message, hint, checked_at from s3_connector.checks where connector_name = ${name} order by position`,
  );
  if (steps.length === 0) return html``;
  return html`<section aria-labelledby="check-title"><h2 id="check-title">Last check</h2><p class="note">${at(steps[0]!.checked_at)}</p>
<ul class="plain lines">${steps.map(({ step, ok, message, hint }) => html`<li><span class="badge s-${ok ? 'success' : 'failure'}">${ok ? 'ok' : 'not ok'}</span> <b>${step}</b> ${message}${hint && html` <span class="hint">${hint}</span>`}</li>`)}</ul></section>`;
}

/** Returns all columns of the connector's row. */
export async function settingsPart({ db }: PageRequest, name: string): Promise<Html> {
  const settings = await db.rows<{ key: string; value: string | null }>(sql`
    select s.key, s.value from s3_connector.connectors c cross join lateral json_each_text(row_to_json(c)) s
    where c.name = ${name}`);
  return html`<details id="settings"><summary>All settings</summary><dl class="facts settings">${settings.map(
    ({ key, value }) => html`<dt><code>${key}</code></dt><dd>${settingText(key, value)}</dd>`,
  )}</dl></details>`;
}

function settingText(key: string, value: string | null): Html {
  if (value === null) return html`<span class="note">not set</span>`;
  return key === 'created_at' ? at(new Date(value)) : html`<code>${value}</code>`;
}
