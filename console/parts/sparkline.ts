/** A small bar chart of the last hour. */
import { count } from '../format.ts';
import { type Html, html } from '../html.ts';

const WIDTH = 180;
const HEIGHT = 36;

/** Returns the chart of rows per minute, oldest first. Its label has the peak. */
export function sparkline(values: readonly number[]): Html {
  const peak = Math.max(...values, 0);
  const step = WIDTH / values.length;
  const label =
    peak === 0 ? 'No rows in the last hour' : `Rows per minute in the last hour, ${count(peak)} at most`;
  return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}"><title>${label}</title>
<path class="base" d="M0 ${HEIGHT - 0.5}H${WIDTH}"/>
${peak > 0 && html`<path class="bars" d="${values.map((value, i) => bar(i * step, step, value / peak)).join('')}"/>`}</svg>`;
}

function bar(x: number, width: number, share: number): string {
  if (share <= 0) return '';
  // Even a single row must be visible.
  const height = Math.max(share * (HEIGHT - 2), 1.5);
  return `M${x.toFixed(2)} ${HEIGHT}v${(-height).toFixed(2)}h${(width - 0.6).toFixed(2)}V${HEIGHT}z`;
}
