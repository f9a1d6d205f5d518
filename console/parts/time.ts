/** Times on pages. */
import { relative, utc } from '../format.ts';
import { type Html, html } from '../html.ts';

/** Returns a time in UTC, or a dash. */
export function at(time: Date | null): Html {
  if (!time) return html`–`;
  return html`<time datetime="${time.toISOString()}">${utc(time)}</time>`;
}

/** Returns the distance of a time from now, with the time as a tooltip. */
export function ago(time: Date | null): Html {
  if (!time) return html`–`;
  return html`<time datetime="${time.toISOString()}" title="${utc(time)} UTC">${relative(time)}</time>`;
}
