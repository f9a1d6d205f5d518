/** The list of files on the page of a connector. */
import { FILE_STATUSES, type FileStatus } from '../../src/db/schema.ts';
import { fileActions } from '../actions.ts';
import { bytes, count, duration, statusLabel } from '../format.ts';
import { elementId, type Html, html, link } from '../html.ts';
import { actionButton } from '../parts/button.ts';
import { badge, isStatus } from '../parts/status.ts';
import { at } from '../parts/time.ts';
import type { PageRequest } from '../request.ts';
import { type FilePage, type FileRow, findFiles } from './files.ts';

/** Returns the list, with search by name, filter by status, and paging. */
export async function filesPart(request: PageRequest, name: string): Promise<Html> {
  const given = request.parameter('status');
  const status = isStatus(given) ? given : undefined;
  const search = request.parameter('search');
  const above = request.parameter('above');
  const below = above === undefined ? request.parameter('below') : undefined;
  const page = await findFiles(request.db, { name, status, search, below, above });
  return html`<section id="files" aria-labelledby="files-title"><h2 id="files-title">Files</h2>
${searchForm(name, status, search)}
<p class="note">Sorted by name, last first. In a search, * matches any text and ? any character. Without them, the text may be anywhere in the name.</p>
${page.files.length > 0 ? filesTable(request, name, page.files) : html`<p class="empty">No such files.</p>`}
${pager(page, { name, status, search })}</section>`;
}

function searchForm(name: string, status: FileStatus | undefined, search: string | undefined): Html {
  return html`<form class="search" role="search" action="/connector#files">
<input type="hidden" name="name" value="${name}">
<label for="file-search">File name</label> <input id="file-search" type="search" name="search" value="${search}" placeholder="2026-01 or data/2026/*">
<label for="file-status">Status</label> <select id="file-status" name="status"><option value="">all</option>${FILE_STATUSES.map(
    (option) =>
      html`<option value="${option}"${option === status && html` selected`}>${statusLabel(option)}</option>`,
  )}</select>
<button>Search</button>
${(status || search) && html`<a href="${link('/connector', { name })}#files">All files</a>`}</form>`;
}

function filesTable(request: PageRequest, name: string, files: FileRow[]): Html {
  return html`<div class="wide" tabindex="0" role="region" aria-labelledby="files-title"><table class="stacks files">
<thead><tr><th>File</th><th>Status</th><th class="num">Rows</th><th class="num">Rejected</th><th class="num">Size</th><th class="num">Duration</th><th>Since</th><th><span class="hidden">Actions</span></th></tr></thead>
<tbody>${files.map(
    (file) => html`<tr id="${elementId('file', file.key)}">
<th scope="row" data-label="File"><a class="key" href="${link('/file', { name, key: file.key })}">${file.key}</a>${file.error && html`<span class="error">${file.error}</span>`}</th>
<td data-label="Status">${badge(file.status)}${file.attempts > 1 && html` <span class="note">attempt ${file.attempts}</span>`}</td>
<td data-label="Rows" class="num">${count(file.rows_imported)}</td>
<td data-label="Rejected" class="num">${Number(file.rows_rejected) > 0 ? html`<b>${count(file.rows_rejected)}</b>` : count(file.rows_rejected)}</td>
<td data-label="Size" class="num">${bytes(file.size_bytes)}</td>
<td data-label="Duration" class="num">${duration(file.seconds)}</td>
<td data-label="Since">${at(file.since)}</td>
<td class="buttons">${rowActions(file).map((action) => actionButton(request, action, { name, key: file.key }))}</td>
</tr>`,
  )}</tbody></table></div>`;
}

/** Returns the actions that are safe enough for the list. The others are on the file's page. */
function rowActions(file: FileRow) {
  return fileActions(file.status, file.undoable).filter(
    (action) => action === 'retry_file' || (action === 'cancel_file' && file.status !== 'failure'),
  );
}

function pager(
  { below, above }: FilePage,
  search: { name: string; status: string | undefined; search: string | undefined },
): Html {
  return html`<nav class="pager" aria-label="Pages of files">
${above !== undefined && html`<a href="${link('/connector', search)}#files">First</a><a rel="prev" href="${link('/connector', { ...search, above })}#files">Previous</a>`}
${below !== undefined && html`<a rel="next" href="${link('/connector', { ...search, below })}#files">Next</a>`}</nav>`;
}
