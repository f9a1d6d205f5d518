/** A bar of the files of a connector by status. */
import { FILE_STATUSES, type FileStatus } from '../../src/db/schema.ts';
import { count, statusLabel } from '../format.ts';
import { type Html, html, link } from '../html.ts';

const WIDTH = 1000;
/** A single failed file among a million must be visible. */
const MIN_WIDTH = 12;

/** The number of files by status, as text (bigint). */
export type StatusCounts = Record<FileStatus, string>;

/** Returns the bar, with the numbers as links to these files. */
export function statusBar(name: string, counts: StatusCounts): Html {
  const present = FILE_STATUSES.filter((status) => counts[status] !== '0');
  if (present.length === 0) return html`<p class="note">No files yet.</p>`;
  return html`<div class="by-status"><svg class="stack" viewBox="0 0 ${WIDTH} 10" preserveAspectRatio="none" aria-hidden="true">${segments(present, counts)}</svg>
<ul>${present.map(
    (status) =>
      html`<li><a href="${link('/connector', { name, status })}#files"><span class="dot s-${status}"></span>${count(counts[status])} ${statusLabel(status)}</a></li>`,
  )}</ul></div>`;
}

function segments(present: FileStatus[], counts: StatusCounts): Html[] {
  const total = present.reduce((sum, status) => sum + Number(counts[status]), 0);
  const widths = present.map((status) => Math.max((Number(counts[status]) / total) * WIDTH, MIN_WIDTH));
  const scale = WIDTH / widths.reduce((sum, width) => sum + width, 0);
  let x = 0;
  return present.map((status, i) => {
    const start = x;
    x += widths[i]! * scale;
    return html`<rect class="f-${status}" x="${start.toFixed(1)}" width="${(x - start).toFixed(1)}" height="10"/>`;
  });
}
