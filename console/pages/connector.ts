/** The page of one connector. */
import { type Html, html, link } from '../html.ts';
import { actionWithSql } from '../parts/button.ts';
import { type FlowRow, flow } from '../parts/flow.ts';
import { ago, at } from '../parts/time.ts';
import { type Page, type PageRequest, RequestError, required } from '../request.ts';
import { onlyReads } from '../rights.ts';
import { sql } from '../sql.ts';
import { chartPart } from './chart.ts';
import { checksPart, latePart, pollsPart, runningPart, settingsPart } from './connector_parts.ts';
import { flowRows, rowsPerMinute } from './connectors.ts';
import { filesPart } from './files_part.ts';

export async function connectorPage(request: PageRequest): Promise<Page> {
  const name = required(request, 'name');
  const [[row], perMinute, chart, running, files, polls, late, checks, settings] = await Promise.all([
    flowRows(request.db, sql`where name = ${name}`),
    rowsPerMinute(request.db, [name]),
    chartPart(request, name),
    runningPart(request, name),
    filesPart(request, name),
    pollsPart(request, name),
    latePart(request, name),
    checksPart(request, name),
    settingsPart(request, name),
  ]);
  if (!row) throw new RequestError(404, `There is no connector named ${name}.`);
  return {
    title: name,
    section: 'connectors',
    connector: name,
    live: true,
    body: html`
<p class="crumbs"><a href="/">Connectors</a></p>
${flow(row, perMinute.get(name)!, 'h1')}
<div class="columns"><section aria-labelledby="actions-title"><h2 id="actions-title">Actions</h2>${actions(request, row)}</section>${facts(row)}</div>
${checks}
${late}
${chart}
${running}
${files}
${polls}
${settings}`,
  };
}

function actions(request: PageRequest, row: FlowRow): Html {
  const { name } = row;
  const isPaused = row.state === 'paused';
  const { actions: allowed, canConfigure } = request.rights;
  if (allowed.size === 0) return html`<p class="note">${onlyReads(request.rights)}</p>`;
  return html`<ul class="actions">
${actionWithSql(request, isPaused ? 'resume' : 'pause', { name })}
${!isPaused && actionWithSql(request, 'poll_now', { name })}
${row.failure !== '0' && actionWithSql(request, 'retry', { name })}
${actionWithSql(request, 'check', { name })}
${actionWithSql(request, 'audit', { name })}
</ul>
${isPaused && canConfigure && html`<p><a href="${link('/setup', { name, step: 'pattern' })}">Change its settings</a></p>`}
${allowed.has('drop_connector') && html`<details><summary>Drop this connector</summary>${isPaused ? dropButton(request, name) : html`<p class="note">It is running. Pause it before you drop it.</p>`}</details>`}`;
}

function dropButton(request: PageRequest, name: string): Html {
  return html`<ul class="actions">${actionWithSql(request, 'drop_connector', { name }, 'Deletes the connector with its files and their history. The table and its rows stay.')}</ul>`;
}

function facts(row: FlowRow & { marker?: string | null; last_success_at?: Date | null }): Html {
  return html`<section aria-labelledby="now-title"><h2 id="now-title">Progress</h2><dl class="facts">
<dt>Marker</dt><dd class="key">${row.marker ?? '–'}</dd>
<dt>Caught up</dt><dd>${row.caught_up ? 'yes' : 'no'}</dd>
<dt>Last poll</dt><dd>${at(row.last_poll_at)}</dd>
<dt>Next poll</dt><dd>${row.next_poll_at ? html`${at(row.next_poll_at)} (${ago(row.next_poll_at)})` : 'none while paused'}</dd>
<dt>Last success</dt><dd>${row.last_success_at ? html`${at(row.last_success_at)} (${ago(row.last_success_at)})` : '–'}</dd>
</dl></section>`;
}
