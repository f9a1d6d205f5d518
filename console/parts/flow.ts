/** The "flow" of a connector: a picture of bucket, connector and table, with their numbers. */
import { bytes, count, counted } from '../format.ts';
import { elementId, type Html, html, link } from '../html.ts';
import { FILTER_NAMES, filterOf } from '../pages/filters.ts';
import { sparkline } from './sparkline.ts';
import { badge } from './status.ts';
import { type StatusCounts, statusBar } from './status_bar.ts';
import { at } from './time.ts';

export interface FlowRow extends StatusCounts {
  name: string;
  bucket: string;
  pattern: string;
  target_table: string;
  state: string;
  caught_up: boolean;
  last_poll_at: Date | null;
  next_poll_at: Date | null;
  rows_total: string;
  bytes_total: string;
  rows_last_hour: string;
  last_error: string | null;
  late_files: string;
  notice: string | null;
  health: string;
  waiting: string;
  rejected: string;
  eta_seconds: number | null;
  lag_seconds: number | null;
  /** The place of its worst filter; see filters.ts. */
  worst: number;
}

/** Returns the flow. `perMinute` has the rows per minute of the last hour. */
export function flow(row: FlowRow, perMinute: readonly number[], heading: 'h1' | 'h2'): Html {
  const peak = Math.max(...perMinute, 0);
  return html`<article id="${elementId('connector', row.name)}" class="flow ${row.state === 'running' ? '' : 'is-paused'}" aria-label="${row.name}">
<div class="node from"><span class="kind">bucket</span><span class="what">${row.bucket}</span><code>${row.pattern}</code></div>
<div class="pipe">
<div class="title">${title(row.name, heading)} ${healthBadge(row)}<span class="note">${activity(row)}</span>${peak > 0 && html`<span class="note peak">peak of the last hour: ${counted(peak, 'row')} per minute</span>`}</div>
${sparkline(perMinute)}
${statusBar(row.name, row)}
${row.rejected !== '0' && html`<p class="notice"><strong>Rejected</strong> <a href="${link('/rejected', { name: row.name })}">${counted(row.rejected, 'row')}</a></p>`}
${row.last_error && html`<p class="trouble"><strong>Last error</strong> ${row.last_error}</p>`}
${row.notice && html`<p class="notice"><strong>Notice</strong> ${row.notice}</p>`}
</div>
<div class="node to"><span class="kind">table</span><span class="what">${row.target_table}</span>
<span class="numbers"><b>${count(row.rows_total)}</b> ${row.rows_total === '1' ? 'row' : 'rows'}</span><span class="note">${bytes(row.bytes_total)} in objects · ${counted(row.rows_last_hour, 'row')} in the last hour</span></div>
</article>`;
}

/** Returns the health in words, in the colour of the worst that they say. */
export function healthBadge({ state, health, worst }: FlowRow): Html {
  if (health.startsWith('no worker')) return badge('failure', health);
  const name = FILTER_NAMES[worst - 1];
  const status = (name && filterOf(name).trouble?.status) ?? (state === 'running' ? 'success' : state);
  return badge(status, health);
}

function title(name: string, heading: 'h1' | 'h2'): Html {
  if (heading === 'h1') return html`<h1>${name}</h1>`;
  return html`<h2><a href="${link('/connector', { name })}">${name}</a></h2>`;
}

function activity(row: FlowRow): Html {
  if (row.state === 'draft')
    return html`not started <a class="button" href="${link('/setup', { name: row.name, step: 'source' })}">Continue</a>`;
  if (row.state === 'paused') return html`does not poll`;
  if (!row.last_poll_at) return html`not yet polled`;
  const waiting =
    row.waiting === '0' ? '' : `${row.caught_up ? '' : 'at least '}${count(row.waiting)} waiting, `;
  return html`${row.caught_up ? 'caught up' : 'behind'}, ${waiting}polled ${at(row.last_poll_at)}`;
}
