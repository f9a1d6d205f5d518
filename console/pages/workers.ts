import { count } from '../format.ts';
import { html } from '../html.ts';
import { ago } from '../parts/time.ts';
import type { Page, PageRequest } from '../request.ts';
import { sql } from '../sql.ts';

interface WorkerRow {
  id: number;
  host: string;
  pid: number;
  version: string;
  concurrency: number;
  alive: boolean;
  started_at: Date;
  stopped_at: Date | null;
  running: string[];
}

/** The worker processes, those that are alive first. */
export async function workersPage({ db }: PageRequest): Promise<Page> {
  const workers = await db.rows<WorkerRow>(
    sql`select * from s3_connector.workers order by alive desc, id desc limit 50`,
  );
  const alive = workers.filter((worker) => worker.alive).length;
  return {
    title: 'Workers',
    section: 'workers',
    live: true,
    body: html`
<div class="head"><h1>Workers</h1><p class="note">${count(alive)} alive</p></div>
${alive === 0 && html`<p class="trouble"><strong>No worker is alive</strong> Nothing is imported until one is started: <code>pg-s3-connector start</code>.</p>`}
<div class="wide" tabindex="0" role="region" aria-label="Workers"><table class="stacks">
<thead><tr><th>Worker</th><th>State</th><th>Host</th><th>Process</th><th>Version</th><th>Side by side</th><th>Started</th><th>Ended</th><th>Imports now</th></tr></thead>
<tbody>${workers.map(
      (worker) => html`<tr>
<th scope="row" data-label="Worker">${worker.id}</th>
<td data-label="State"><span class="badge s-${worker.alive ? 'success' : 'undone'}">${worker.alive ? 'alive' : 'ended'}</span></td>
<td data-label="Host">${worker.host}</td><td data-label="Process" class="num">${worker.pid}</td>
<td data-label="Version">${worker.version}</td><td data-label="Side by side" class="num">${worker.concurrency}</td>
<td data-label="Started">${ago(worker.started_at)}</td><td data-label="Ended">${ago(worker.stopped_at)}</td>
<td data-label="Imports now">${worker.running.length > 0 ? html`<ul class="plain">${worker.running.map((file) => html`<li class="key">${file}</li>`)}</ul>` : '–'}</td>
</tr>`,
    )}</tbody></table></div>`,
  };
}
