/** "Staging": a temporary table like the target, whose rows then go into the target by a statement. */
import { asRole } from '../table/role.ts';
import { quoteTable } from '../table/table.ts';
import { type Destination, filledColumns } from './destination.ts';
import type { PartCopy } from './part_copy.ts';

export const STAGING = 'pg_temp.s3_connector_staging';
/** The column with the row's position in the file. No file has a column of this name by chance. */
export const ROW = '"s3_connector row"';

/** Creates a temporary table like the target, with its defaults and checks, without its indexes. */
export async function makeStaging({ client, connector, table, plan }: PartCopy): Promise<Destination> {
  const like = `like ${quoteTable(table)} including defaults including constraints including generated including identity`;
  await asRole(client, connector.owner, async () => {
    await client.query(`create temp table s3_connector_staging (${like}) on commit drop`);
    await client.query(`alter table ${STAGING} add column ${ROW} bigint generated always as identity`);
  });
  return { table: STAGING, columns: filledColumns(plan), mayLeaveOut: false };
}

export async function dropStaging({ client, connector }: PartCopy): Promise<void> {
  await asRole(client, connector.owner, () => client.query(`drop table ${STAGING}`));
}
