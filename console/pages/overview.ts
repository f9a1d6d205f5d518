/** The overview of all connectors. */
import { type Html, html, link } from '../html.ts';
import { flow } from '../parts/flow.ts';
import { containing } from '../parts/search.ts';
import type { Page, PageRequest } from '../request.ts';
import { sql } from '../sql.ts';
import { flowRows, rowsPerMinute } from './connectors.ts';
import { FILTERS, type Filter, type FilterName, isFilterName } from './filters.ts';

const PER_PAGE = 25;

const NO_FILTER: Filter = { label: 'all', condition: sql`true` };

export async function overviewPage(request: PageRequest): Promise<Page> {
  const search = request.parameter('search') ?? '';
  const after = request.parameter('after') ?? '';
  const given = request.parameter('show');
  const shown = isFilterName(given) ? given : undefined;
  const { condition } = shown ? FILTERS[shown] : NO_FILTER;
  const found = await flowRows(
    request.db,
    sql`where name > ${after} and name ilike ${containing(search)} and ${condition} order by name limit ${PER_PAGE + 1}`,
  );
  const rows = found.slice(0, PER_PAGE);
  const perMinute = await rowsPerMinute(
    request.db,
    rows.map(({ name }) => name),
  );
  const isEmpty = rows.length === 0 && !search && !after && !shown;
  return {
    title: 'Connectors',
    section: 'connectors',
    live: true,
    body: html`
<div class="head"><h1>Connectors</h1>
${!isEmpty && searchForm(search, shown)}
${request.rights.canConfigure && html`<a class="button primary" href="/setup">New connector</a>`}</div>
<div id="flows" class="flows">${rows.map((row) => flow(row, perMinute.get(row.name)!, 'h2'))}</div>
${isEmpty && welcome()}
${rows.length === 0 && !isEmpty && html`<p class="empty">No such connector.</p>`}
<nav class="pager" aria-label="Pages">
${after && html`<a href="${link('/', { search, show: shown })}">First</a>`}
${found.length > PER_PAGE && html`<a rel="next" href="${link('/', { search, show: shown, after: rows.at(-1)!.name })}">Next</a>`}
</nav>`,
  };
}

function searchForm(search: string, shown: FilterName | undefined): Html {
  return html`<form class="search" role="search" action="/"><label for="search">Name</label> <input id="search" type="search" name="search" value="${search}" placeholder="part of a name"> <label for="show">Show</label> <select id="show" name="show">${Object.entries(
    { '': NO_FILTER, ...FILTERS },
  ).map(
    ([value, { label }]) =>
      html`<option value="${value}"${value === (shown ?? '') && html` selected`}>${label}</option>`,
  )}</select><button>Search</button></form>`;
}

function welcome(): Html {
  return html`<div class="empty"><p>There is no connector yet. A connector imports every CSV and Parquet file that matches its pattern into a table, exactly once.</p></div>`;
}
