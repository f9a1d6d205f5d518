import { relative, utc } from '../format.ts';
import { type Html, html } from '../html.ts';

/** A time as it is, or a dash. */
export function at(time: Date | null): Html {
  if (!time) return html`–`;
  return html`<time datetime="${time.toISOString()}">${utc(time)}</time>`;
}

/** A time by its distance from now, with the time itself on hover. */
export function ago(time: Date | null): Html {
  if (!time) return html`–`;
  return html`<time datetime="${time.toISOString()}" title="${utc(time)} UTC">${relative(time)}</time>`;
}
