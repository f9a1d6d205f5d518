/** Times on pages. */
import { relative, utc } from '../format.ts';
import { type Html, html } from '../html.ts';

/** Returns a time in UTC, and its distance from now; or a dash. The page's script can show it in local time. */
export function at(time: Date | null): Html {
  if (!time) return html`–`;
  return html`<time datetime="${time.toISOString()}"><span class="clock">${utc(time)} UTC</span> <span class="ago">${relative(time)}</span></time>`;
}
