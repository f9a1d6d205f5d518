/** The list of files on the page of a connector. */
import { FILE_STATUSES, type FileStatus } from '../../src/db/schema.ts';
import { type ActionName, fileActions } from '../actions.ts';
import { bytes, count, duration, statusLabel } from '../format.ts';
import { elementId, type Html, html, link } from '../html.ts';
import { actionButton } from '../parts/button.ts';
import { keyText } from '../parts/key.ts';
import { readMessage } from '../parts/message.ts';
import { badge, isStatus } from '../parts/status.ts';
import type { StatusCounts } from '../parts/status_bar.ts';
import { type Column, table } from '../parts/table.ts';
import { at } from '../parts/time.ts';
import type { PageRequest } from '../request.ts';
import {
  COUNTED,
  countFiles,
  FILES_PER_PAGE,
  type FileOrder,
  type FilePage,
  type FileRow,
  findFiles,
} from './files.ts';

/** What the address asks for. */
interface Asked {
  name: string;
  status: FileStatus | undefined;
  search: string | undefined;
  order: FileOrder;
  /** The number of the page's first file. */
  from: number;
}

/** Returns the list: tabs by status, search by name, two orders, paging, and actions on all files that are found. */
export async function filesPart(
  request: PageRequest,
  name: string,
  counts: Promise<StatusCounts | undefined>,
): Promise<Html> {
  const given = request.parameter('status');
  const asked: Asked = {
    name,
    status: isStatus(given) ? given : undefined,
    search: request.parameter('search'),
    order: request.parameter('order') === 'time' ? 'time' : 'name',
    from: Math.max(Number.parseInt(request.parameter('from') ?? '1', 10) || 1, 1),
  };
  const above = request.parameter('above');
  const below = above === undefined ? request.parameter('below') : undefined;
  const [page, byStatus] = await Promise.all([findFiles(request.db, { ...asked, above, below }), counts]);
  if (!byStatus) return html``;
  // Going back may reach the start from any place.
  const from = page.above === undefined ? 1 : asked.from;
  const total = asked.search ? await countFiles(request.db, asked) : sumOf(byStatus, asked.status);
  return html`<section id="files" aria-labelledby="files-title"><h2 id="files-title">Files</h2>
${statusTabs(asked, byStatus)}
${searchForm(asked)}
${page.files.length > 0 ? filesTable(request, asked, page.files) : html`<p class="empty">No such files.</p>`}
${pager(page, asked, from, total)}
${total > 0 && bulkActions(request, asked)}</section>`;
}

function sumOf(counts: StatusCounts, status: FileStatus | undefined): number {
  const statuses: readonly FileStatus[] = status ? [status] : FILE_STATUSES;
  return statuses.reduce((sum, one) => sum + Number(counts[one]), 0);
}

function addressOf({ name, status, search, order }: Asked, more: Record<string, string> = {}): string {
  const shown = { name, status, search, order: order === 'time' ? order : undefined, ...more };
  return `${link('/connector', shown)}#files`;
}

function statusTabs(asked: Asked, counts: StatusCounts): Html {
  const present = FILE_STATUSES.filter((status) => counts[status] !== '0' || status === asked.status);
  const tab = (status: FileStatus | undefined, label: string) =>
    html`<a href="${addressOf({ ...asked, status })}"${status === asked.status && html` aria-current="true"`}>${label} <b>${count(sumOf(counts, status))}</b></a>`;
  return html`<nav class="tabs" aria-label="Status of files">${tab(undefined, 'all')}${present.map((status) => tab(status, statusLabel(status)))}</nav>`;
}

function searchForm(asked: Asked): Html {
  const { name, status, search, order } = asked;
  return html`<form class="search" role="search" action="/connector#files">
<input type="hidden" name="name" value="${name}">
${status && html`<input type="hidden" name="status" value="${status}">`}
<label for="file-search">File name</label> <input id="file-search" type="search" name="search" value="${search}" placeholder="2026-01 or data/2026/*" aria-describedby="file-search-help">
<label for="file-order">Sort by</label> <select id="file-order" name="order"><option value="name">name, last first</option><option value="time"${order === 'time' && html` selected`}>time, newest first</option></select>
<button>Search</button>
${(status || search) && html`<a href="${addressOf({ ...asked, status: undefined, search: undefined })}">All files</a>`}</form>
<p class="note" id="file-search-help">In a search, * matches any text and ? any character. Without them, the text may be anywhere in the name.</p>`;
}

const COLUMNS: Column[] = [
  { label: 'File' },
  { label: 'Status' },
  { label: 'Rows', kind: 'number' },
  { label: 'Rejected', kind: 'number' },
  { label: 'Size', kind: 'number' },
  { label: 'Import took', kind: 'number' },
  { label: 'Since' },
  { label: 'Actions', kind: 'buttons' },
];

function filesTable(request: PageRequest, { name }: Asked, files: FileRow[]): Html {
  const rows = files.map((file) => ({
    id: elementId('file', file.key),
    cells: [
      html`${keyText(file.key, name)}${file.error && html`<span class="error">${readMessage(file.error, file.key).what}</span>`}`,
      html`${badge(file.status)}${file.attempts > 1 && html` <span class="note">attempt ${file.attempts}</span>`}`,
      count(file.rows_imported),
      Number(file.rows_rejected) > 0 ? html`<b>${count(file.rows_rejected)}</b>` : count(file.rows_rejected),
      bytes(file.size_bytes),
      `${duration(file.seconds)}${file.status === 'running' ? ' so far' : ''}`,
      at(file.since),
      rowActions(file).map((action) => actionButton(request, action, { name, key: file.key })),
    ],
  }));
  return table(COLUMNS, rows, { labelledBy: 'files-title', classes: 'files' });
}

/** Returns the actions that are safe enough for the list. The others are on the file's page. */
function rowActions(file: FileRow) {
  return fileActions(file.status, file.undoable).filter(
    (action) => action === 'retry_file' || (action === 'cancel_file' && file.status !== 'failure'),
  );
}

function pager({ below, above, files }: FilePage, asked: Asked, from: number, total: number): Html {
  const before = String(Math.max(from - FILES_PER_PAGE, 1));
  const last = from + files.length - 1;
  const ofTotal =
    total > COUNTED && asked.search ? `more than ${count(COUNTED)}` : count(Math.max(total, last));
  return html`<nav class="pager" aria-label="Pages of files">
${files.length > 0 && html`<span class="note">${count(from)}–${count(last)} of ${ofTotal}</span>`}
${above !== undefined && html`<a href="${addressOf(asked)}">First</a><a rel="prev" href="${addressOf(asked, { above, from: before })}">Previous</a>`}
${below !== undefined && html`<a rel="next" href="${addressOf(asked, { below, from: String(last + 1) })}">Next</a>`}</nav>`;
}

/** The statuses in which an action changes something. */
const CHANGES: Partial<Record<ActionName, readonly FileStatus[]>> = {
  retry_files: ['failure', 'pending_retry', 'cancelled', 'undone'],
  cancel_files: ['in_queue', 'running', 'pending_retry', 'paused', 'failure'],
};

/** Returns the actions on all files that are found, on this page or not. They ask first. */
function bulkActions(request: PageRequest, { name, status, search }: Asked): Html {
  const possible = (['retry_files', 'cancel_files'] as const).filter(
    (action) => status && CHANGES[action]!.includes(status),
  );
  if (possible.length === 0 || request.rights.actions.size === 0) return html``;
  const what = `all ${statusLabel(status!)} files${search ? ` with ${search} in their name` : ''}`;
  return html`<div class="bulk"><span class="note">For ${what}:</span> ${possible.map((action) => actionButton(request, action, { name, status, search }))}</div>`;
}
