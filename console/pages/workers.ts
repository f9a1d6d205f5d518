/** The page of the workers. */
import { count } from '../format.ts';
import { html } from '../html.ts';
import { at } from '../parts/time.ts';
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
<div class="wide" tabindex="0" role="region" aria-label="Workers"><table class="stacks">
<thead><tr><th>Worker</th><th>State</th><th>Host</th><th>PID</th><th>Version</th><th>Concurrency</th><th>Started</th><th>Ended</th><th>Importing</th></tr></thead>
<tbody>${workers.map(
      (worker) => html`<tr>
<th scope="row" data-label="Worker">${worker.id}</th>
<td data-label="State"><span class="badge s-${worker.alive ? 'success' : 'undone'}">${worker.alive ? 'alive' : 'ended'}</span></td>
<td data-label="Host">${worker.host}</td><td data-label="PID" class="num">${worker.pid}</td>
<td data-label="Version">${worker.version}</td><td data-label="Concurrency" class="num">${worker.concurrency}</td>
<td data-label="Started">${at(worker.started_at)}</td><td data-label="Ended">${at(worker.stopped_at)}</td>
<td data-label="Importing">${worker.running.length > 0 ? html`<ul class="plain">${worker.running.map((file) => html`<li class="key">${file}</li>`)}</ul>` : '–'}</td>
</tr>`,
    )}</tbody></table></div>`,
  };
}
