/** The page of the workers. */
import { count } from '../format.ts';
import { html } from '../html.ts';
import { badge } from '../parts/status.ts';
import { type Column, type Row, table } from '../parts/table.ts';
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
<div class="head"><h1 id="workers-title">Workers</h1><p class="note">${count(alive)} alive</p></div>
${table(COLUMNS, workers.map(toRow), { labelledBy: 'workers-title' })}`,
  };
}

const COLUMNS: Column[] = [
  { label: 'Worker' },
  { label: 'State' },
  { label: 'Host' },
  { label: 'PID', kind: 'number' },
  { label: 'Version' },
  { label: 'Concurrency', kind: 'number' },
  { label: 'Started' },
  { label: 'Ended' },
  { label: 'Importing' },
];

function toRow({
  id,
  alive,
  host,
  pid,
  version,
  concurrency,
  started_at,
  stopped_at,
  running,
}: WorkerRow): Row {
  const files = html`<ul class="plain">${running.map((file) => html`<li class="key">${file}</li>`)}</ul>`;
  return {
    cells: [
      id,
      alive ? badge('success', 'alive') : badge('undone', 'ended'),
      host,
      pid,
      version,
      concurrency,
      at(started_at),
      at(stopped_at),
      running.length > 0 ? files : '–',
    ],
  };
}
