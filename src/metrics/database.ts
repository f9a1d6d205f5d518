/** Reads the metrics of the database. */
import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';
import type { Family, Labels } from './families.ts';

interface MetricRow {
  name: string;
  type: Family['type'];
  help: string;
  labels: Labels;
  value: number;
}

/** Returns the view `s3_connector.metrics`, which is the same for every worker. */
export async function readDatabaseFamilies(db: Kysely<Database>): Promise<Family[]> {
  const { rows } =
    await sql<MetricRow>`select name, type, help, labels, value from s3_connector.metrics`.execute(db);
  return [...Map.groupBy(rows, (row) => row.name)].map(([name, group]) => {
    const { type, help } = group[0]!;
    return { name, type, help, samples: group.map(({ labels, value }) => ({ name, labels, value })) };
  });
}
