/** The files of a connector that are being imported, with what is done so far. */
import { bytes, count, duration } from '../format.ts';
import { elementId, type Html, html } from '../html.ts';
import { keyText } from '../parts/key.ts';
import type { PageRequest } from '../request.ts';
import { sql } from '../sql.ts';

interface RunningFile {
  key: string;
  size_bytes: string;
  seconds: number;
  worker_id: number | null;
  bytes_copied: string | null;
  rows_copied: string | null;
  rows_per_second: string | null;
  row_total: string | null;
  row_groups: number | null;
  row_groups_copied: number | null;
}

const SHOWN = 20;

export async function runningPart({ db }: PageRequest, name: string): Promise<Html> {
  const files = await db.rows<RunningFile>(sql`
    select key, size_bytes, extract(epoch from clock_timestamp() - started_at)::double precision as seconds, worker_id,
      bytes_copied, rows_copied, rows_per_second, row_total, row_groups, row_groups_copied
    from s3_connector.running_files where connector_name = ${name} order by started_at limit ${SHOWN}`);
  if (files.length === 0) return html``;
  return html`<section id="running" aria-labelledby="running-title"><h2 id="running-title">Importing now</h2><ul class="plain lines">${files.map(
    (file) => html`<li id="${elementId('file', `running ${file.key}`)}">${keyText(file.key, name)}
${share(file)}<span class="note">${describeProgress(file).join(', ')}</span></li>`,
  )}</ul></section>`;
}

/** Returns a bar of the rows that are copied, if it is known how many the file has. */
function share({ key, rows_copied, row_total }: RunningFile): Html | undefined {
  if (row_total === null) return undefined;
  const percent = Math.floor((Number(rows_copied ?? 0) / Number(row_total)) * 100);
  return html`<progress max="100" value="${percent}" aria-label="Rows of ${key} that are copied">${percent} %</progress> `;
}

function describeProgress(file: RunningFile): string[] {
  const { rows_copied, row_total, rows_per_second, row_groups, row_groups_copied, bytes_copied } = file;
  const rows =
    row_total === null ? count(rows_copied) : `${count(rows_copied ?? '0')} of ${count(row_total)}`;
  const groups = row_groups_copied === null ? count(row_groups) : `${row_groups_copied} of ${row_groups}`;
  return [
    `${bytes(file.size_bytes)} object`,
    `worker ${file.worker_id}`,
    `${duration(file.seconds)} so far`,
    ...(bytes_copied ? [`${bytes(bytes_copied)} copied (uncompressed)`] : []),
    ...(row_groups === null ? [] : [`${groups} row groups`]),
    ...((rows_copied ?? row_total) ? [`${rows} rows`] : []),
    ...(rows_per_second ? [`${count(rows_per_second)} rows a second`] : []),
  ];
}
