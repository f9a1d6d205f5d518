import { type Html, html, link } from '../html.ts';
import { flow } from '../parts/flow.ts';
import { containing } from '../parts/search.ts';
import type { Page, PageRequest } from '../request.ts';
import { sql } from '../sql.ts';
import { flowRows, rowsPerMinute } from './connectors.ts';

const PER_PAGE = 25;

/** All connectors as the way of their data. */
export async function overviewPage(request: PageRequest): Promise<Page> {
  const search = request.parameter('search') ?? '';
  const after = request.parameter('after') ?? '';
  const found = await flowRows(
    request.db,
    sql`where name > ${after} and name ilike ${containing(search)} order by name limit ${PER_PAGE + 1}`,
  );
  const rows = found.slice(0, PER_PAGE);
  const perMinute = await rowsPerMinute(
    request.db,
    rows.map(({ name }) => name),
  );
  const isAlone = rows.length === 0 && !search && !after;
  return {
    title: 'Connectors',
    section: 'connectors',
    live: true,
    body: html`
<div class="head"><h1>Connectors</h1>
${!isAlone && searchForm(search)}
<a class="button primary" href="/setup">New connector</a></div>
<div id="flows" class="flows">${rows.map((row) => flow(row, perMinute.get(row.name)!, 'h2'))}</div>
${isAlone && welcome()}
${rows.length === 0 && !isAlone && html`<p class="empty">No connector's name holds “${search}”.</p>`}
<nav class="pager" aria-label="Pages">
${after && html`<a href="${link('/', { search })}">First</a>`}
${found.length > PER_PAGE && html`<a rel="next" href="${link('/', { search, after: rows.at(-1)!.name })}">Next</a>`}
</nav>`,
  };
}

function searchForm(search: string): Html {
  return html`<form class="search" role="search" action="/"><label for="search">Name</label> <input id="search" type="search" name="search" value="${search}" placeholder="part of a name"><button>Search</button></form>`;
}

function welcome(): Html {
  return html`<div class="empty"><p>There is no connector yet. One row starts one: every CSV and Parquet file under a glob comes into a table, once.</p></div>`;
}
