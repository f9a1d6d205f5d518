/** The orders in which the overview shows connectors. */
import { type Statement, sql } from '../sql.ts';

interface Order {
  label: string;
  /** For `order by`, over the rows of flowRows, as the first click sorts and as the second one does. */
  first: Statement;
  second: Statement;
  /** Whether the first click sorts from the least on. */
  ascends?: boolean;
}

export const ORDERS = {
  worst: {
    label: 'worst first',
    // Of the equally bad ones, that with the most failures among its files.
    first: sql`worst, failure / greatest(failure + success, 1)::float8 desc, name`,
    second: sql`worst desc, name`,
    ascends: true,
  },
  name: { label: 'name', first: sql`name`, second: sql`name desc`, ascends: true },
  rows: {
    label: 'rows in the last hour',
    first: sql`rows_last_hour desc, name`,
    second: sql`rows_last_hour, name`,
  },
  waiting: { label: 'waiting files', first: sql`waiting desc, name`, second: sql`waiting, name` },
  failed: { label: 'failed files', first: sql`failure desc, name`, second: sql`failure, name` },
  rejected: { label: 'rejected rows', first: sql`rejected desc, name`, second: sql`rejected, name` },
  lag: { label: 'lag', first: sql`lag desc nulls last, name`, second: sql`lag nulls first, name` },
} satisfies Record<string, Order>;

export type OrderName = keyof typeof ORDERS;

export interface Sorting {
  by: OrderName;
  reverse: boolean;
}

/** Reads the sorting from the parameters of an address: `sort=failed`, or `sort=-failed` for its reverse. */
export function readSorting(given = ''): Sorting {
  const by = given.replace(/^-/, '');
  return { by: isOrderName(by) ? by : 'worst', reverse: given.startsWith('-') };
}

function isOrderName(name: string): name is OrderName {
  return Object.hasOwn(ORDERS, name);
}

/** Returns the parameter of an address. Undefined: the usual sorting. */
export function sortParameter({ by, reverse }: Sorting): string | undefined {
  return by === 'worst' && !reverse ? undefined : `${reverse ? '-' : ''}${by}`;
}

export function orderBy({ by, reverse }: Sorting): Statement {
  return reverse ? ORDERS[by].second : ORDERS[by].first;
}

/** Returns how the rows are sorted, for `aria-sort`. */
export function direction({ by, reverse }: Sorting): 'ascending' | 'descending' {
  const order: Order = ORDERS[by];
  return (order.ascends ?? false) !== reverse ? 'ascending' : 'descending';
}
