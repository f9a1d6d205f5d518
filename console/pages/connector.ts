/** The page of one connector. */
import { type Html, html, link } from '../html.ts';
import { actionWithSql } from '../parts/button.ts';
import { crumbs } from '../parts/crumbs.ts';
import { type FlowRow, flow } from '../parts/flow.ts';
import { connectorMenu } from '../parts/menu.ts';
import { at } from '../parts/time.ts';
import { type Page, type PageRequest, RequestError, required } from '../request.ts';
import { onlyReads } from '../rights.ts';
import { sql } from '../sql.ts';
import { backlogText, filesPerMinute } from './backlog.ts';
import { causesPart } from './causes_part.ts';
import { chartPart } from './chart.ts';
import { checksPart, latePart, pollsPart, settingsPart } from './connector_parts.ts';
import { flowRows, rowsPerMinute } from './connectors.ts';
import { filesPart } from './files_part.ts';
import { runningPart } from './running_part.ts';

export async function connectorPage(request: PageRequest): Promise<Page> {
  const name = required(request, 'name');
  const found = flowRows(request.db, sql`where name = ${name}`);
  const [[row], perMinute, filesRate, causes, chart, running, files, polls, late, checks, settings] =
    await Promise.all([
      found,
      rowsPerMinute(request.db, [name]),
      filesPerMinute(request.db, name),
      causesPart(request, name),
      chartPart(request, name),
      runningPart(request, name),
      filesPart(
        request,
        name,
        found.then(([first]) => first),
      ),
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
${crumbs()}
${flow(row, perMinute.get(name)!, 'h1')}
${backlog(row, filesRate)}
<div class="jumps">${connectorMenu(request, row, 'Actions')}${jumps()}</div>
${causes}
${late}
${running}
${files}
${chart}
<div class="columns"><section id="actions" aria-labelledby="actions-title"><h2 id="actions-title">Actions</h2>${actions(request, row)}</section>${facts(row)}</div>
${checks}
${polls}
${settings}`,
  };
}

/** Returns links to the parts of the page: what happened is above what can be done. */
function jumps(): Html {
  const parts = {
    files: 'Files',
    'chart-title': 'Throughput',
    actions: 'Actions',
    'polls-title': 'Last polls',
    settings: 'All settings',
  };
  return html`<nav aria-label="On this page"><ul>${Object.entries(parts).map(([id, words]) => html`<li><a href="#${id}">${words}</a></li>`)}</ul></nav>`;
}

function actions(request: PageRequest, row: FlowRow): Html {
  const { name } = row;
  const isPaused = row.state === 'paused';
  const isDraft = row.state === 'draft';
  const { actions: allowed, canConfigure } = request.rights;
  if (allowed.size === 0) return html`<p class="note">${onlyReads(request.rights)}</p>`;
  return html`<ul class="actions">
${isDraft && canConfigure && html`<li><a class="button primary" href="${link('/setup', { name, step: 'source' })}">Continue</a><span class="note">The setup is not complete. Its last step starts the connector.</span></li>`}
${isPaused && actionWithSql(request, 'resume', { name })}
${row.state === 'running' && actionWithSql(request, 'pause', { name })}
${row.state === 'running' && actionWithSql(request, 'poll_now', { name })}
${row.failure !== '0' && actionWithSql(request, 'retry', { name })}
${actionWithSql(request, 'check', { name })}
${!isDraft && actionWithSql(request, 'audit', { name })}
</ul>
${isPaused && canConfigure && html`<p><a href="${link('/setup', { name, step: 'pattern' })}">Change its settings</a></p>`}
${allowed.has('drop_connector') && html`<details><summary>Drop this connector</summary>${isPaused || isDraft ? dropButton(request, name) : html`<p class="note">It is running. Pause it before you drop it.</p>`}</details>`}`;
}

function dropButton(request: PageRequest, name: string): Html {
  return html`<ul class="actions">${actionWithSql(request, 'drop_connector', { name }, 'Deletes the connector with its files and their history. The table and its rows stay.')}</ul>`;
}

function backlog(row: FlowRow, filesRate: number | undefined): Html | false {
  const text = backlogText(row, filesRate);
  return text !== '' && html`<p class="backlog">${text}</p>`;
}

function facts(row: FlowRow & { marker?: string | null; last_success_at?: Date | null }): Html {
  return html`<section aria-labelledby="now-title"><h2 id="now-title">Progress</h2><dl class="facts">
<dt>Marker</dt><dd class="key">${row.marker ?? '–'}</dd>
<dt>Caught up</dt><dd>${row.caught_up ? 'yes' : 'no'}</dd>
<dt>Last poll</dt><dd>${at(row.last_poll_at)}</dd>
<dt>Next poll</dt><dd>${row.next_poll_at ? at(row.next_poll_at) : 'none until it is started'}</dd>
<dt>Last success</dt><dd>${at(row.last_success_at ?? null)}</dd>
</dl></section>`;
}
