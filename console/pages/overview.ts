/** The overview of all connectors, as a table or as pictures. */
import { mainCauses } from '../causes.ts';
import { count } from '../format.ts';
import { type Html, html, link } from '../html.ts';
import { type FlowRow, flow } from '../parts/flow.ts';
import { containing } from '../parts/search.ts';
import type { Page, PageRequest } from '../request.ts';
import { sql } from '../sql.ts';
import { flowRows, rowsPerMinute } from './connectors.ts';
import { FILTER_NAMES, type FilterName, filterOf, isFilterName } from './filters.ts';
import { overviewTable } from './overview_table.ts';
import { ORDERS, orderBy, readSorting, type Sorting, sortParameter } from './sorting.ts';

const PER_PAGE = 50;

/** What the address asks for. */
interface Asked {
  search: string;
  show: FilterName | undefined;
  sorting: Sorting;
  view: 'table' | 'flow';
  /** From 1. */
  page: number;
}

export async function overviewPage(request: PageRequest): Promise<Page> {
  const asked = read(request);
  const { search, show, sorting, page } = asked;
  const condition = show ? filterOf(show).condition : sql`true`;
  // By offset, because the order needs the figures of all connectors anyway.
  const found = await flowRows<{ total: string }>(
    request.db,
    sql`where name ilike ${containing(search)} and ${condition}
    order by ${orderBy(sorting)} limit ${PER_PAGE} offset ${(page - 1) * PER_PAGE}`,
    sql`, count(*) over () as total`,
  );
  const total = Number(found[0]?.total ?? 0);
  const isEmpty = total === 0 && !search && page === 1 && !show;
  return {
    title: 'Connectors',
    section: 'connectors',
    live: true,
    body: html`
<div class="head"><h1 id="connectors-title">Connectors</h1>
${!isEmpty && searchForm(asked)}
${!isEmpty && views(asked)}
${request.rights.canConfigure && html`<a class="button primary" href="/setup">New connector</a>`}</div>
${found.length > 0 && (await connectors(request, asked, found))}
${isEmpty && welcome()}
${found.length === 0 && !isEmpty && html`<p class="empty">No such connector.</p>`}
${pager(asked, found.length, total)}`,
  };
}

function read({ parameter }: PageRequest): Asked {
  const given = parameter('show');
  return {
    search: parameter('search') ?? '',
    show: isFilterName(given) ? given : undefined,
    sorting: readSorting(parameter('sort')),
    view: parameter('view') === 'flow' ? 'flow' : 'table',
    page: Math.min(Math.max(Number.parseInt(parameter('page') ?? '1', 10) || 1, 1), 10_000),
  };
}

function addressOf({ search, show, sorting, view, page }: Asked): string {
  return link('/', {
    search,
    show,
    sort: sortParameter(sorting),
    view: view === 'flow' ? view : undefined,
    page: page > 1 ? String(page) : undefined,
  });
}

async function connectors(request: PageRequest, asked: Asked, rows: FlowRow[]): Promise<Html> {
  const names = rows.map(({ name }) => name);
  const failing = rows.filter(({ failure }) => failure !== '0').map(({ name }) => name);
  const [perMinute, causes] = await Promise.all([
    rowsPerMinute(request.db, names),
    failing.length === 0 || asked.view === 'flow'
      ? new Map<string, never>()
      : mainCauses(request.db, failing),
  ]);
  if (asked.view === 'flow')
    return html`<div id="flows" class="flows">${rows.map((row) => flow(row, perMinute.get(row.name)!, 'h2'))}</div>`;
  const { sorting } = asked;
  const sortedBy = (other: Sorting) => addressOf({ ...asked, sorting: other, page: 1 });
  return overviewTable(request, { rows, perMinute, causes, sorting, sortedBy });
}

function searchForm({ search, show, sorting, view }: Asked): Html {
  return html`<form class="search" role="search" action="/">${view === 'flow' && html`<input type="hidden" name="view" value="flow">`}
<label for="search">Name</label> <input id="search" type="search" name="search" value="${search}" placeholder="part of a name">
<label for="show">Show</label> <select id="show" name="show">${option('', 'all', !show)}${FILTER_NAMES.map((name) => option(name, filterOf(name).label, name === show))}</select>
${view === 'flow' ? sortChoice(sorting) : html`<input type="hidden" name="sort" value="${sortParameter(sorting)}">`}
<button>Search</button></form>`;
}

/** The table has links in its heads instead. */
function sortChoice(sorting: Sorting): Html {
  const chosen = sortParameter(sorting) ?? 'worst';
  return html`<label for="sort">Sort by</label> <select id="sort" name="sort">${sorting.reverse && option(chosen, `${ORDERS[sorting.by].label}, reversed`, true)}${Object.entries(ORDERS).map(([name, { label }]) => option(name, label, name === chosen))}</select>`;
}

function option(value: string, label: string, isSelected: boolean): Html {
  return html`<option value="${value}"${isSelected && html` selected`}>${label}</option>`;
}

function views(asked: Asked): Html {
  const view = (name: Asked['view'], label: string) =>
    html`<a href="${addressOf({ ...asked, view: name })}"${name === asked.view && html` aria-current="true"`}>${label}</a>`;
  return html`<nav class="tabs" aria-label="View">${view('table', 'Table')}${view('flow', 'Flow')}</nav>`;
}

function pager(asked: Asked, shown: number, total: number): Html {
  const { page } = asked;
  const first = (page - 1) * PER_PAGE + 1;
  const last = first + shown - 1;
  const to = (number: number) => addressOf({ ...asked, page: number });
  return html`<nav class="pager" aria-label="Pages">
${shown > 0 && html`<span class="note">${count(first)}–${count(last)} of ${count(total)}</span>`}
${page > 1 && html`<a href="${to(1)}">First</a><a rel="prev" href="${to(page - 1)}">Previous</a>`}
${last < total && html`<a rel="next" href="${to(page + 1)}">Next</a>`}
</nav>`;
}

function welcome(): Html {
  return html`<div class="empty"><p>There is no connector yet. A connector imports every file of a bucket that matches its pattern into a table, exactly once.</p></div>`;
}
