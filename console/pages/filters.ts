/**
 * The "filters" of connectors: what the overview can show, and what the health line counts. Those with a `trouble` need
 * somebody, or will. The first filter that holds is the "worst" of a connector.
 */
import { joined, Statement, sql } from '../sql.ts';

export interface Filter {
  /** As a choice: "with failed files". */
  label: string;
  /** Over the columns of connector_status. */
  condition: Statement;
  /** Its word in the health line, and the status whose colour it has. */
  trouble?: { word: string; status: string };
}

/** From the worst to the mildest. */
export const FILTERS = {
  unavailable: {
    label: 'without their bucket',
    condition: sql`unavailable_since is not null`,
    trouble: { word: 'without their bucket', status: 'failure' },
  },
  overdue: {
    label: 'with overdue polls',
    condition: sql`polls_overdue`,
    trouble: { word: 'with overdue polls', status: 'failure' },
  },
  failing: {
    label: 'with failed files',
    condition: sql`failure > 0`,
    trouble: { word: 'failing', status: 'failure' },
  },
  poll_failed: {
    label: 'whose last poll failed',
    condition: sql`last_error is not null and unavailable_since is null and failure + pending_retry = 0`,
    trouble: { word: 'whose last poll failed', status: 'failure' },
  },
  retrying: {
    label: 'with files that are retried',
    condition: sql`pending_retry > 0`,
    trouble: { word: 'retrying', status: 'pending_retry' },
  },
  late: {
    label: 'with late files',
    condition: sql`late > 0`,
    trouble: { word: 'with late files', status: 'pending_retry' },
  },
  rejected: {
    label: 'with rejected rows',
    condition: sql`rejected > 0`,
    trouble: { word: 'with rejected rows', status: 'pending_retry' },
  },
  behind: {
    label: 'behind',
    condition: sql`state = 'running' and not caught_up`,
    trouble: { word: 'behind', status: 'running' },
  },
  draft: { label: 'drafts', condition: sql`state = 'draft'` },
  paused: { label: 'paused', condition: sql`state = 'paused'` },
} satisfies Record<string, Filter>;

export type FilterName = keyof typeof FILTERS;

export const FILTER_NAMES = Object.keys(FILTERS) as FilterName[];

export function isFilterName(name: string | undefined): name is FilterName {
  return name !== undefined && Object.hasOwn(FILTERS, name);
}

/** Returns the filter of that name. */
export function filterOf(name: FilterName): Filter {
  return FILTERS[name];
}

/** The place of the worst filter that holds, from 1, as an SQL expression. A connector that needs nobody comes last. */
export const WORST: Statement = sql`case ${joined(
  FILTER_NAMES.map((name, i) => sql`when ${filterOf(name).condition} then ${raw(i + 1)}`),
  ' ',
)} else ${raw(FILTER_NAMES.length + 1)} end`;

function raw(number: number): Statement {
  return new Statement(String(number), [], String(number));
}
