/** The "filters" of connectors: what the overview can show, and what the health line counts. */
import { type Statement, sql } from '../sql.ts';

export interface Filter {
  /** As a choice: "with failed files". */
  label: string;
  /** Over the columns of connector_status. */
  condition: Statement;
}

export const FILTERS = {
  failing: { label: 'with failed files', condition: sql`failure > 0` },
  unavailable: { label: 'without their bucket', condition: sql`unavailable_since is not null` },
  overdue: { label: 'with overdue polls', condition: sql`polls_overdue` },
  rejected: { label: 'with rejected rows', condition: sql`rejected > 0` },
  late: { label: 'with late files', condition: sql`late > 0` },
  behind: { label: 'behind', condition: sql`state = 'running' and not caught_up` },
  paused: { label: 'paused', condition: sql`state = 'paused'` },
  draft: { label: 'drafts', condition: sql`state = 'draft'` },
} satisfies Record<string, Filter>;

export type FilterName = keyof typeof FILTERS;

export function isFilterName(name: string | undefined): name is FilterName {
  return name !== undefined && Object.hasOwn(FILTERS, name);
}
