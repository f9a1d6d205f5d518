/** Queries on connectors that several pages use. */
import type { ConsoleDatabase } from '../database.ts';
import type { FlowRow } from '../parts/flow.ts';
import { type Statement, sql } from '../sql.ts';
import { WORST } from './filters.ts';

/** Returns the rows for `flow`. `rest` is the end of the query, from `where` on; `more` are more columns. */
export function flowRows<More extends object = object>(
  db: ConsoleDatabase,
  rest: Statement,
  more = sql``,
): Promise<(FlowRow & More)[]> {
  return db.rows<FlowRow & More>(sql`
    select *${more} from (
      select s.*, extract(epoch from s.eta)::double precision as eta_seconds,
        extract(epoch from s.lag)::double precision as lag_seconds, c.bucket, c.pattern, c.target_table
      from (select *, ${WORST} as worst from s3_connector.connector_status) s join s3_connector.connectors c using (name)
    ) f ${rest}`);
}

/** Returns the rows per minute of the last hour by connector, oldest first. The current minute is the last. */
export async function rowsPerMinute(db: ConsoleDatabase, names: string[]): Promise<Map<string, number[]>> {
  const rows = await db.rows<{ connector_name: string; ago: number; rows: string }>(sql`
    select connector_name, rows, (extract(epoch from date_bin('1 minute', now(), 'epoch') - since) / 60)::integer as ago
    from s3_connector.throughput where seconds = 60 and connector_name = any (${names})`);
  const found = new Map(names.map((name) => [name, new Array<number>(60).fill(0)]));
  for (const { connector_name, ago, rows: inMinute } of rows) {
    if (ago >= 0 && ago < 60) found.get(connector_name)![59 - ago] = Number(inMinute);
  }
  return found;
}
