/** The connectors as a table: how each is, why, and what to do. */
import type { Cause } from '../causes.ts';
import { count, counted, lag } from '../format.ts';
import { elementId, type Html, html, link } from '../html.ts';
import { type FlowRow, healthBadge } from '../parts/flow.ts';
import { connectorMenu } from '../parts/menu.ts';
import { sparkline } from '../parts/sparkline.ts';
import { type Column, table } from '../parts/table.ts';
import type { PageRequest } from '../request.ts';
import { nextStep } from './next_step.ts';
import { direction, type OrderName, type Sorting } from './sorting.ts';

export interface TableContent {
  rows: FlowRow[];
  perMinute: Map<string, number[]>;
  causes: Map<string, Cause>;
  sorting: Sorting;
  /** Returns the address of the same page in another order. */
  sortedBy(sorting: Sorting): string;
}

export function overviewTable(request: PageRequest, content: TableContent): Html {
  const { rows, perMinute, causes } = content;
  const head = (label: string, by: OrderName, kind?: 'number') => sortable(content, label, by, kind);
  const columns: Column[] = [
    head('Connector', 'name'),
    head('Health', 'worst'),
    { label: 'Why' },
    { label: 'What to do' },
    head('Last hour', 'rows'),
    head('Waiting', 'waiting', 'number'),
    head('Failed', 'failed', 'number'),
    head('Rejected', 'rejected', 'number'),
    head('Lag', 'lag', 'number'),
    { label: 'Actions', kind: 'buttons' },
  ];
  return table(
    columns,
    rows.map((row) => ({
      id: elementId('connector', row.name),
      cells: [
        who(row),
        healthBadge(row),
        ...whatToDo(request, row, causes.get(row.name)),
        html`${sparkline(perMinute.get(row.name)!)}<span class="note">${counted(row.rows_last_hour, 'row')}</span>`,
        waiting(row),
        figure(
          row,
          row.failure,
          'failed files',
          `${link('/connector', { name: row.name, status: 'failure' })}#files`,
        ),
        figure(row, row.rejected, 'rejected rows', link('/rejected', { name: row.name })),
        lag(row.lag_seconds),
        connectorMenu(request, row),
      ],
    })),
    { labelledBy: 'connectors-title', classes: 'overview', hasLinks: true, hasMenus: true },
  );
}

function sortable(
  { sorting, sortedBy }: TableContent,
  label: string,
  by: OrderName,
  kind?: 'number',
): Column {
  const isSorted = sorting.by === by;
  const next = { by, reverse: isSorted && !sorting.reverse };
  const arrow =
    isSorted && html` <span aria-hidden="true">${direction(sorting) === 'ascending' ? '▲' : '▼'}</span>`;
  return {
    label,
    ...(kind && { kind }),
    head: html`<a href="${sortedBy(next)}">${label}${arrow}</a>`,
    sorted: isSorted ? direction(sorting) : undefined,
  };
}

function who({ name, bucket, pattern, target_table }: FlowRow): Html {
  return html`<a class="name" href="${link('/connector', { name })}">${name}</a>
<span class="note route" title="${bucket}/${pattern} → ${target_table}">${bucket}/${pattern} → ${target_table}</span>`;
}

/** Returns the cells of why a connector is as it is, and of what to do. */
function whatToDo(request: PageRequest, row: FlowRow, cause: Cause | undefined): Html[] {
  const { why, hint, step } = nextStep(row, request, cause);
  return [
    html`${why && html`<span class="why">${why}</span>`}${hint && html`<span class="why note" title="${hint}">${hint}</span>`}`,
    html`${step}`,
  ];
}

function waiting({ waiting: files, caught_up, state }: FlowRow): Html {
  const isLeast = state === 'running' && !caught_up && files !== '0';
  if (files === '0') return html`<span class="none">0</span>`;
  return html`${isLeast && html`<span title="at least">≥ </span>`}${count(files)}`;
}

/** Returns a number that leads to what it counts. */
function figure({ name }: FlowRow, value: string, what: string, address: string): Html {
  if (value === '0') return html`<span class="none">0</span>`;
  return html`<a class="figure" href="${address}" aria-label="${count(value)} ${what} of ${name}">${count(value)}</a>`;
}
