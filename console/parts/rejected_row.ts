/** Rejected rows in tables. */
import { count } from '../format.ts';
import { type HtmlValue, html } from '../html.ts';
import type { Column } from './table.ts';

export interface RejectedRow {
  line: string;
  column_name: string | null;
  error: string;
  raw: string;
}

export const REJECTED_COLUMNS: Column[] = [
  { label: 'Line', kind: 'number' },
  { label: 'Column' },
  { label: 'Reason' },
  { label: 'Row in the file' },
];

/** A row may have the 8,000 characters that are kept of it. */
const SHOWN_CHARACTERS = 2000;

/** Returns the cells of REJECTED_COLUMNS. */
export function rejectedCells({ line, column_name, error, raw }: RejectedRow): HtmlValue[] {
  return [
    count(line),
    column_name ?? 'whole row',
    error,
    html`<code class="raw">${raw.slice(0, SHOWN_CHARACTERS)}</code>`,
  ];
}
