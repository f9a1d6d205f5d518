/** The page of one file: its history, its counts and its rejected rows. */
import type { FileStatus } from '../../src/db/schema.ts';
import { fileActions } from '../actions.ts';
import { bytes, count } from '../format.ts';
import { type Html, html, link } from '../html.ts';
import { actionWithSql } from '../parts/button.ts';
import { crumbs } from '../parts/crumbs.ts';
import { copyButton } from '../parts/key.ts';
import { lineIn, linesAround, type ObjectPlace } from '../parts/lines_around.ts';
import { REJECTED_COLUMNS, type RejectedRow, rejectedCells } from '../parts/rejected_row.ts';
import { badge } from '../parts/status.ts';
import { table } from '../parts/table.ts';
import { at } from '../parts/time.ts';
import { type Change, timeline } from '../parts/timeline.ts';
import { type Page, type PageRequest, RequestError, required } from '../request.ts';
import { onlyReads } from '../rights.ts';
import { sql } from '../sql.ts';

interface File {
  key: string;
  etag: string;
  size_bytes: string;
  last_modified: Date;
  status: FileStatus;
  attempts: number;
  rows_read: string | null;
  rows_imported: string | null;
  rows_rejected: string | null;
  rows_skipped: string | null;
  rows_inserted: string | null;
  rows_updated: string | null;
  rows_deleted: string | null;
  error_code: string | null;
  error_message: string | null;
  notice: string | null;
  next_attempt_at: Date | null;
  undoable: boolean;
}

const REJECTED_PER_PAGE = 50;

export async function filePage(request: PageRequest): Promise<Page> {
  const name = required(request, 'name');
  const key = required(request, 'key');
  const [[file], [place], changes, rejected] = await Promise.all([
    request.db.rows<File>(sql`
      select *, case status when 'success' then lineage else replaces end is not null as undoable from s3_connector.files where connector_name = ${name} and key = ${key}`),
    request.db.rows<Omit<ObjectPlace, 'key'>>(sql`
      select c.bucket, c.region, c.endpoint, f.kind from s3_connector.connectors c
      join s3_connector.file_formats f on f.name = c.file_format where c.name = ${name}`),
    request.db.rows<Change>(sql`
      select from_status, to_status, at, seconds, attempt, message,
        extract(epoch from clock_timestamp() - at)::double precision as age from s3_connector.file_history
      where connector_name = ${name} and key = ${key} order by at desc limit 200`),
    rejectedRows(request, name, key),
  ]);
  if (!file || !place) throw new RequestError(404, `Connector ${name} has no file with the key ${key}.`);
  return {
    title: key,
    section: 'connectors',
    connector: name,
    live: true,
    body: html`
${crumbs(name)}
<div class="head"><h1 class="key">${key}</h1>${copyButton(key)}${badge(file.status)}</div>
${file.error_message && html`<p class="trouble"><strong>${file.error_code && html`<a href="${link('/code', { code: file.error_code })}">${file.error_code}</a>`}</strong> ${file.error_message}</p>`}
${linesAround({ ...place, key }, lineIn(file.error_message))}
${file.notice && html`<p class="notice">${file.notice}</p>`}
${counts(file)}
<section aria-labelledby="actions-title"><h2 id="actions-title">Actions</h2>${actions(request, name, file)}</section>
<section aria-labelledby="history-title"><h2 id="history-title">History</h2>${timeline(changes.reverse(), file)}</section>
${rejectedPart(name, { ...place, key }, rejected)}`,
  };
}

function counts(file: File): Html {
  return html`<dl class="tiles">
<div><dt>Rows read</dt><dd>${count(file.rows_read)}</dd></div>
<div><dt>Imported</dt><dd>${count(file.rows_imported)}</dd></div>
${file.rows_inserted !== null && changed(file)}
<div><dt>Rejected</dt><dd>${count(file.rows_rejected)}</dd></div>
<div><dt>Skipped</dt><dd>${count(file.rows_skipped)}</dd></div>
<div><dt>Size</dt><dd>${bytes(file.size_bytes)}</dd></div>
<div><dt>Attempts</dt><dd>${count(file.attempts)}</dd></div>
</dl>
<p class="note">Written to the bucket ${at(file.last_modified)}, ETag <code>${file.etag}</code>.</p>`;
}

/** What the imported rows did, if they are changes. */
function changed(file: File): Html {
  return html`<div><dt>Inserted</dt><dd>${count(file.rows_inserted)}</dd></div>
<div><dt>Updated</dt><dd>${count(file.rows_updated)}</dd></div>
<div><dt>Deleted</dt><dd>${count(file.rows_deleted)}</dd></div>`;
}

function actions(request: PageRequest, name: string, file: File): Html {
  if (request.rights.actions.size === 0) return html`<p class="note">${onlyReads(request.rights)}</p>`;
  const possible = fileActions(file.status, file.undoable);
  if (possible.length === 0) {
    return html`<p class="note">No action is possible. To undo an import or to import a file again, the connector needs a <code>file_id_column</code>.</p>`;
  }
  return html`<ul class="actions">${possible.map((action) => actionWithSql(request, action, { name, key: file.key }))}</ul>`;
}

interface RejectedRows {
  /** One more than a page has, if there are more. */
  rows: RejectedRow[];
  isFirst: boolean;
}

async function rejectedRows(request: PageRequest, name: string, key: string): Promise<RejectedRows> {
  const after = request.parameter('line') ?? '-1';
  if (!/^-?\d{1,18}$/.test(after)) throw new RequestError(400, 'line must be a number.');
  const rows = await request.db.rows<RejectedRow>(sql`
    select line, column_name, error, left(raw, 2000) as raw from s3_connector.rejected_rows
    where connector_name = ${name} and key = ${key} and line > ${after} order by line limit ${REJECTED_PER_PAGE + 1}`);
  return { rows, isFirst: after === '-1' };
}

function rejectedPart(name: string, place: ObjectPlace, { rows, isFirst }: RejectedRows): Html {
  if (rows.length === 0) return html``;
  const { key } = place;
  const shown = rows.slice(0, REJECTED_PER_PAGE);
  return html`<section id="rejected" aria-labelledby="rejected-title"><h2 id="rejected-title">Rejected rows</h2>
${table(
  REJECTED_COLUMNS,
  shown.map((row) => ({ cells: rejectedCells(row) })),
  { labelledBy: 'rejected-title' },
)}
${linesAround(place, Number(shown[0]!.line))}
<nav class="pager" aria-label="Pages of rejected rows">${!isFirst && html`<a href="${link('/file', { name, key })}#rejected">First</a>`}
${rows.length > shown.length && html`<a rel="next" href="${link('/file', { name, key, line: shown.at(-1)!.line })}#rejected">Next</a>`}</nav></section>`;
}
