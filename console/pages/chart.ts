/** The throughput chart of a connector. */
import { count } from '../format.ts';
import { type Html, html, link } from '../html.ts';
import type { PageRequest } from '../request.ts';
import { sql } from '../sql.ts';

const SPANS = {
  hour: { label: 'last hour', seconds: 60, interval: 'minute' },
  day: { label: 'last day', seconds: 600, interval: 'ten minutes' },
} as const;

interface Point {
  since: number;
  rows: string;
  bytes: string;
}

/** Returns the chart: rows and bytes per minute, or per ten minutes. The page's script (assets/charts.js) draws it. */
export async function chartPart(request: PageRequest, name: string): Promise<Html> {
  const span = request.parameter('span') === 'day' ? 'day' : 'hour';
  const { seconds, interval, label } = SPANS[span];
  const points = await request.db.rows<Point>(sql`
    select extract(epoch from slot)::double precision as since, coalesce(t.rows, 0) as rows, coalesce(t.bytes, 0) as bytes
    from (
      select date_bin(w.width, now(), 'epoch') - n * w.width as slot
      from (select ${seconds}::integer * interval '1 second' as width) w
      cross join lateral generate_series(0, extract(epoch from ${span === 'day' ? '1 day' : '1 hour'}::interval / ${seconds})::integer - 1) n
    ) slots
    left join s3_connector.throughput t
      on t.connector_name = ${name} and t.seconds = ${seconds} and t.since = slot
    order by slot`);
  const data = [
    points.map(({ since }) => since),
    points.map(({ rows }) => Number(rows)),
    points.map(({ bytes }) => Number(bytes)),
  ];
  const peak = Math.max(...data[1]!);
  const isEmpty = data[2]!.every((size) => size === 0);
  return html`<section aria-labelledby="chart-title"><div class="head"><h2 id="chart-title">Throughput</h2>
<nav class="tabs" aria-label="Span">${(['hour', 'day'] as const).map(
    (other) =>
      html`<a href="${link('/connector', { name, span: other })}#chart-title"${other === span && html` aria-current="true"`}>${SPANS[other].label}</a>`,
  )}</nav></div>
${isEmpty ? html`<p class="empty">No files were imported in the ${label}.</p>` : html`<div class="chart" id="chart" role="img" aria-label="Rows and bytes per ${interval} in the ${label}; ${count(peak)} rows at most" data-series="${JSON.stringify(data)}" data-interval="${seconds}"></div>`}</section>`;
}
