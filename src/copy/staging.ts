/** "Staging": a temporary table with the target's columns, whose rows then go into the target by a statement. */
import pg from 'pg';
import { FIXED_PATH } from '../db/session_settings.ts';
import type { CopyPlan } from '../formats/format.ts';
import { asRole } from '../table/role.ts';
import { quoteTable, type TableColumn } from '../table/table.ts';
import { type Destination, filledColumns, quoteColumns } from './destination.ts';
import type { PartCopy } from './part_copy.ts';
import { SOURCE } from './source.ts';

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
async function makeBareStaging(copy: PartCopy): Promise<Destination> {
  const columns = filledColumns(copy.plan);
  const definitions = [...columns.map(defineColumn), `${ROW} bigint generated always as identity`];
  await createTemporary(copy, 's3_connector_staging', definitions);
  return { table: STAGING, columns, mayLeaveOut: false };
}

/** Creates the source: see source.ts. */
export async function makeSource(copy: PartCopy, plan: CopyPlan): Promise<void> {
  await createTemporary(copy, 's3_connector_source', filledColumns(plan).map(defineColumn));
}

function defineColumn({ name, type }: TableColumn): string {
  return `${pg.escapeIdentifier(name)} ${type}`;
}

async function createTemporary(
  { client, connector }: PartCopy,
  name: string,
  definitions: string[],
): Promise<void> {
  const create = `create temp table ${name} (${definitions.join(', ')}) on commit drop`;
  // The types' names are written for this path.
  await asRole(client, connector.owner, () => client.query(create), FIXED_PATH);
}

/** Returns the statement that moves the staged rows into the target. An identity that is generated always takes them too, as by COPY. */
export function insertStaged({ table, plan }: Pick<PartCopy, 'table' | 'plan'>, rest: string): string {
  const list = quoteColumns(filledColumns(plan));
  return `insert into ${quoteTable(table)} (${list}) overriding system value select ${list} from ${STAGING} ${rest}`;
}

/** Empty the staging table, and the source, for the next COPY. */
export const CLEAR_STAGING = `truncate ${STAGING}`;
export const CLEAR_SOURCE = `truncate ${SOURCE}`;

/** Drops the staging table, or the source. */
export async function dropTemporary(
  { client, connector }: PartCopy,
  table: typeof STAGING | typeof SOURCE,
): Promise<void> {
  await asRole(client, connector.owner, () => client.query(`drop table ${table}`));
}
