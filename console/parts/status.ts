/** Statuses of files and states of connectors. */
import { FILE_STATUSES, type FileStatus } from '../../src/db/schema.ts';
import { statusLabel } from '../format.ts';
import { type Html, html } from '../html.ts';

export function isStatus(text: string | undefined): text is FileStatus {
  return FILE_STATUSES.includes(text as FileStatus);
}

/** Returns a status or state as a coloured word, or other words in its colour. */
export function badge(status: string, words = statusLabel(status)): Html {
  return html`<span class="badge s-${status}">${words}</span>`;
}
