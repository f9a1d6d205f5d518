/** The "health" of everything: how many connectors need somebody, and whether workers are alive. Each page shows it. */
import { FILTERS, type FilterName } from './pages/filters.ts';
import { joined, Statement, sql } from './sql.ts';

export interface Health {
  /** Connectors in all. */
  connectors: number;
  /** The connectors that each filter finds. */
  found: Record<FilterName, number>;
  workers: number;
}

/** Reads the health. */
export async function readHealth(
  rows: <T extends object>(statement: Statement) => Promise<T[]>,
): Promise<Health> {
  const counts = Object.entries(FILTERS).map(
    ([name, { condition }]) =>
      sql`count(*) filter (where ${condition})::integer as ${new Statement(name, [], name)}`,
  );
  const [row] = await rows<Record<FilterName, number> & Omit<Health, 'found'>>(sql`
    select count(*)::integer as connectors, ${joined(counts, ', ')},
      (select count(*)::integer from s3_connector.workers w where w.alive) as workers
    from s3_connector.connector_status`);
  const { connectors, workers, ...found } = row!;
  return { connectors, workers, found };
}
