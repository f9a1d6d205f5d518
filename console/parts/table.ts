/**
 * Tables. On a narrow page each row becomes a card, in which each value has its label. The roles keep it a table for
 * screen readers then, too.
 */
import { type Html, type HtmlValue, html } from '../html.ts';

export interface Column {
  label: string;
  kind?: 'number' | 'buttons';
  /** What the head of the column shows instead of its label. */
  head?: Html;
  /** Whether the rows are sorted by it. */
  sorted?: 'ascending' | 'descending' | undefined;
}

export interface Row {
  id?: string;
  /** One for each column; the first is the head of the row. */
  cells: HtmlValue[];
}

export interface TableOptions {
  /** The id of the heading that names the table. */
  labelledBy: string;
  /** More classes. */
  classes?: string;
  /** Whether its heads are links, which a narrow page shows, too. */
  hasLinks?: boolean;
  /** Whether it has menus, which a box that scrolls would cut off. Then it must fit. */
  hasMenus?: boolean;
}

/** Returns the table. If it is too wide, it can be scrolled, also by keyboard. */
export function table(columns: Column[], rows: Row[], options: TableOptions): Html {
  const { labelledBy, classes, hasLinks, hasMenus } = options;
  const content = html`<table class="stacks${classes && html` ${classes}`}" role="table" aria-labelledby="${labelledBy}">
<thead role="rowgroup"${hasLinks && html` class="links"`}><tr role="row">${columns.map(head)}</tr></thead>
<tbody role="rowgroup">${rows.map(
    ({ id, cells }) =>
      html`<tr${id && html` id="${id}"`} role="row">${cells.map((cell, i) => toCell(columns[i]!, cell, i === 0))}</tr>`,
  )}</tbody></table>`;
  if (hasMenus) return content;
  return html`<div class="wide" tabindex="0" role="region" aria-labelledby="${labelledBy}">${content}</div>`;
}

function head({ label, kind, head: shown, sorted }: Column): Html {
  const content = kind === 'buttons' ? html`<span class="hidden">${label}</span>` : (shown ?? label);
  return html`<th scope="col" role="columnheader"${kind === 'number' && html` class="num"`}${sorted && html` aria-sort="${sorted}"`}>${content}</th>`;
}

function toCell({ label, kind }: Column, content: HtmlValue, isFirst: boolean): Html {
  if (kind === 'buttons') return html`<td role="cell" class="buttons">${content}</td>`;
  const classes = kind === 'number' && html` class="num"`;
  return isFirst
    ? html`<th scope="row" role="rowheader" data-label="${label}"${classes}>${content}</th>`
    : html`<td role="cell" data-label="${label}"${classes}>${content}</td>`;
}
