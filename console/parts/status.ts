import { FILE_STATUSES, type FileStatus } from '../../src/db/schema.ts';
import { statusLabel } from '../format.ts';
import { type Html, html } from '../html.ts';

export function isStatus(text: string | undefined): text is FileStatus {
  return FILE_STATUSES.includes(text as FileStatus);
}

/** A status, or a connector's state, as a word with its colour. */
export function badge(status: string): Html {
  return html`<span class="badge s-${status}">${statusLabel(status)}</span>`;
}
