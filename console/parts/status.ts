import { statusLabel } from '../format.ts';
import { type Html, html } from '../html.ts';

/** All statuses of a file, those under way first. */
export const STATUSES = [
  'in_queue',
  'running',
  'pending_retry',
  'paused',
  'success',
  'failure',
  'cancelled',
  'undone',
] as const;

export type Status = (typeof STATUSES)[number];

export function isStatus(text: string | undefined): text is Status {
  return STATUSES.includes(text as Status);
}

/** A status, or a connector's state, as a word with its colour. */
export function badge(status: string): Html {
  return html`<span class="badge s-${status}">${statusLabel(status)}</span>`;
}
