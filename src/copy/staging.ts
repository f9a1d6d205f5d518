/** "Staging": a temporary table with the target's columns, whose rows then go into the target by a statement. */
import pg from 'pg';
import { FIXED_PATH } from '../db/session_settings.ts';
import { asRole } from '../table/role.ts';
import { quoteTable } from '../table/table.ts';
import { type Destination, filledColumns, quoteColumns } from './destination.ts';
import type { PartCopy } from './part_copy.ts';

export const STAGING = 'pg_temp.s3_connector_staging';
/** The column with the row's position in the file. No file has a column of this name by chance. */
export const ROW = '"s3_connector row"';

/**
 * Creates a temporary table like the target, with its defaults and checks, without its indexes: COPY then names the line of a row
 * that breaks a check. If a trigger may still change the row, it has no checks.
 */
export async function makeStaging(copy: PartCopy): Promise<Destination> {
  const { client, connector, table, plan } = copy;
  if (table.mayLeaveOut) return await makeBareStaging(copy);
  const like = `like ${quoteTable(table)} including defaults including constraints including generated including identity`;
  await asRole(client, connector.owner, async () => {
    await client.query(`create temp table s3_connector_staging (${like}) on commit drop`);
    await client.query(`alter table ${STAGING} add column ${ROW} bigint generated always as identity`);
  });
  return { table: STAGING, columns: filledColumns(plan), mayLeaveOut: false };
}

/** Creates a temporary table with nothing but the columns that are filled. It needs no privilege on the target. */
export async function makeBareStaging({ client, connector, plan }: PartCopy): Promise<Destination> {
  const columns = filledColumns(plan);
  const definitions = columns.map(({ name, type }) => `${pg.escapeIdentifier(name)} ${type}`);
  definitions.push(`${ROW} bigint generated always as identity`);
  const create = `create temp table s3_connector_staging (${definitions.join(', ')}) on commit drop`;
  // The types' names are written for this path.
  await asRole(client, connector.owner, () => client.query(create), FIXED_PATH);
  return { table: STAGING, columns, mayLeaveOut: false };
}

/** Returns the statement that moves the staged rows into the target. An identity that is generated always takes them too, as by COPY. */
export function insertStaged({ table, plan }: Pick<PartCopy, 'table' | 'plan'>, rest: string): string {
  const list = quoteColumns(filledColumns(plan));
  return `insert into ${quoteTable(table)} (${list}) overriding system value select ${list} from ${STAGING} ${rest}`;
}

/** Empties the staging table for the next COPY. */
export const CLEAR_STAGING = `truncate ${STAGING}`;

export async function dropStaging({ client, connector }: PartCopy): Promise<void> {
  await asRole(client, connector.owner, () => client.query(`drop table ${STAGING}`));
}
