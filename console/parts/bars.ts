/** A bar chart with its scale, and the same numbers as a table for those who do not see it. */
import { type Html, html } from '../html.ts';
import { table } from './table.ts';
import { at } from './time.ts';

export interface Bar {
  since: Date;
  value: number;
}

export interface BarOptions {
  id: string;
  /** What the bars are: "Rows per minute". */
  title: string;
  /** When the first bar is: "1 h ago". */
  start: string;
  format(value: number): string;
}

const WIDTH = 1000;
const HEIGHT = 100;

/** Returns the chart, oldest bar first. Each bar has its value as a tooltip. */
export function barChart(bars: readonly Bar[], { id, title, start, format }: BarOptions): Html {
  const peak = Math.max(...bars.map(({ value }) => value), 0);
  const step = WIDTH / bars.length;
  const label = `${title}, ${format(peak)} at most`;
  return html`<figure class="bars" id="${id}"><figcaption id="${id}-title">${title}</figcaption>
<div class="scale"><span>${format(peak)}</span><span>0</span></div>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">
<path class="base" d="M0 0.5H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}"/>
${bars.map(({ since, value }, i) => value > 0 && bar(i * step, step, value / peak, `${since.toISOString().slice(0, 16).replace('T', ' ')} UTC: ${format(value)}`))}</svg>
<div class="times"><span>${start}</span><span>now</span></div></figure>`;
}

function bar(x: number, width: number, share: number, label: string): Html {
  // Even a single row must be visible.
  const height = Math.max(share * (HEIGHT - 2), 1.5);
  const y = HEIGHT - height;
  return html`<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${(width * 0.85).toFixed(1)}" height="${height.toFixed(1)}"><title>${label}</title></rect>`;
}

/** Returns the numbers of several charts as one table, without the times at which all are 0. */
export function barTable(
  labelledBy: string,
  charts: { label: string; bars: readonly Bar[]; format(value: number): string }[],
): Html {
  const times = charts[0]!.bars.map(({ since }, i) => ({ since, i }));
  const rows = times
    .filter(({ i }) => charts.some(({ bars }) => bars[i]!.value !== 0))
    .map(({ since, i }) => ({
      cells: [at(since), ...charts.map(({ bars, format }) => format(bars[i]!.value))],
    }));
  const columns = charts.map(({ label }) => ({ label, kind: 'number' as const }));
  return table([{ label: 'Since' }, ...columns], rows, { labelledBy });
}
