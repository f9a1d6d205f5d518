/** The throughput of a connector as charts, and as a table. */
import { bytes, count } from '../format.ts';
import { type Html, html, link } from '../html.ts';
import { barChart, barTable } from '../parts/bars.ts';
import type { PageRequest } from '../request.ts';
import { sql } from '../sql.ts';

const SPANS = {
  hour: { label: 'last hour', seconds: 60, each: 'minute', start: '1 h ago' },
  day: { label: 'last day', seconds: 600, each: 'ten minutes', start: '1 day ago' },
} as const;

interface Point {
  since: Date;
  rows: string;
  bytes: string;
}

/** Returns rows and bytes per minute, or per ten minutes. */
export async function chartPart(request: PageRequest, name: string): Promise<Html> {
  const span = request.parameter('span') === 'day' ? 'day' : 'hour';
  const { seconds, each, label, start } = SPANS[span];
  const points = await request.db.rows<Point>(sql`
    select slot as since, coalesce(t.rows, 0) as rows, coalesce(t.bytes, 0) as bytes
    from (
      select date_bin(w.width, now(), 'epoch') - n * w.width as slot
      from (select ${seconds}::integer * interval '1 second' as width) w
      cross join lateral generate_series(0, extract(epoch from ${span === 'day' ? '1 day' : '1 hour'}::interval / ${seconds})::integer - 1) n
    ) slots
    left join s3_connector.throughput t
      on t.connector_name = ${name} and t.seconds = ${seconds} and t.since = slot
    order by slot`);
  const charts = [
    {
      id: 'rows-chart',
      label: 'Rows',
      title: `Rows per ${each}`,
      format: (value: number) => count(value),
      bars: points.map(({ since, rows }) => ({ since, value: Number(rows) })),
    },
    {
      id: 'bytes-chart',
      label: 'Bytes of objects',
      title: `Bytes of objects per ${each}`,
      format: (value: number) => bytes(value),
      bars: points.map((point) => ({ since: point.since, value: Number(point.bytes) })),
    },
  ];
  const isEmpty = points.every((point) => point.bytes === '0' && point.rows === '0');
  return html`<section aria-labelledby="chart-title"><div class="head"><h2 id="chart-title">Throughput</h2>
<nav class="tabs" aria-label="Span">${(['hour', 'day'] as const).map(
    (other) =>
      html`<a href="${link('/connector', { name, span: other })}#chart-title"${other === span && html` aria-current="true"`}>${SPANS[other].label}</a>`,
  )}</nav></div>
${
  isEmpty
    ? html`<p class="empty">No files were imported in the ${label}.</p>`
    : html`<div class="charts">${charts.map(({ bars, ...options }) => barChart(bars, { ...options, start }))}</div>
<details id="chart-table"><summary>The same as a table</summary>${barTable('chart-title', charts)}</details>`
}</section>`;
}
