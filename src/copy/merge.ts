import pg from 'pg';
import type { CopyJob } from '../copy.ts';
import { ConnectorError } from '../errors.ts';
import { toImportError } from '../sql_errors.ts';
import { asRole } from '../target/role.ts';
import { quoteTable } from '../target/table.ts';
import { type Destination, filledColumns, quoteColumns } from './into.ts';

const STAGING = 'pg_temp.s3_connector_staging';
/** The order of rows in the file; the name is one that no file column has by chance. */
const ROW = '"s3_connector row"';

/**
 * The columns by which a row is the same as another: the primary key's, or those of the first unique index, that
 * the file fills.
 * @throws ConnectorError `no_unique_key`
 */
export async function chooseKey({
  client,
  table,
  plan,
  connector,
}: Pick<CopyJob, 'client' | 'table' | 'plan' | 'connector'>): Promise<string[]> {
  const { rows } = await client.query<{ columns: string[] }>(
    'select s3_connector_private.unique_keys($1, $2) as columns',
    [table.schema, table.table],
  );
  const filled = new Set(filledColumns(plan).map((column) => column.name));
  const key = rows.find(({ columns }) => columns.every((column) => filled.has(column)));
  // To skip a conflict it need not be known which key it is about, as long as there is one.
  const found = key ?? (connector.on_conflict === 'skip' ? rows[0] : undefined);
  if (found) return found.columns;
  const has = rows.map(({ columns }) => `(${columns.join(', ')})`).join(', ') || 'none';
  throw new ConnectorError(
    'no_unique_key',
    `on_conflict is ${connector.on_conflict}, but ${quoteTable(table)} has no primary key or unique index whose columns the file fills (it has ${has})`,
    { hint: 'Add a primary key or a unique index over columns of the file, or set on_conflict to fail.' },
  );
}

/** Makes a temporary table like the target, with its defaults and checks and without its indexes. */
export async function makeStaging({ client, connector, table, plan }: CopyJob): Promise<Destination> {
  const like = `like ${quoteTable(table)} including defaults including constraints including generated including identity`;
  await asRole(client, connector.owner, async () => {
    await client.query(`create temp table s3_connector_staging (${like}) on commit drop`);
    await client.query(`alter table ${STAGING} add column ${ROW} bigint generated always as identity`);
  });
  return { table: STAGING, columns: filledColumns(plan) };
}

export async function dropStaging({ client, connector }: CopyJob): Promise<void> {
  await asRole(client, connector.owner, () => client.query(`drop table ${STAGING}`));
}

/**
 * Brings the staged rows into the target. Of rows of the file with the same key, `update` takes the last and `skip`
 * the first, as if they had come one after the other.
 * @returns rows inserted or updated
 */
export async function mergeStaging(job: CopyJob, staging: Destination, key: string[]): Promise<number> {
  const { client, connector, table } = job;
  const columns = quoteColumns(staging.columns);
  const statement =
    connector.on_conflict === 'skip'
      ? `insert into ${quoteTable(table)} (${columns})
          select ${columns} from ${STAGING} order by ${ROW} on conflict do nothing`
      : updateStatement(quoteTable(table), staging, key);
  try {
    const { rowCount } = await asRole(client, connector.owner, () => client.query(statement));
    return rowCount ?? 0;
  } catch (error) {
    throw toImportError(error);
  }
}

function updateStatement(target: string, staging: Destination, key: string[]): string {
  const columns = quoteColumns(staging.columns);
  const keyColumns = key.map((name) => pg.escapeIdentifier(name));
  const set = staging.columns
    .filter((column) => !key.includes(column.name))
    .map(({ name }) => `${pg.escapeIdentifier(name)} = excluded.${pg.escapeIdentifier(name)}`);
  // Rows with a null in the key are the same as no other.
  return `insert into ${target} (${columns})
    select ${columns} from (
      select *, row_number() over (partition by ${keyColumns.join(', ')} order by ${ROW} desc) as "s3_connector rank"
      from ${STAGING}
    ) staged
    where "s3_connector rank" = 1 or ${keyColumns.map((column) => `${column} is null`).join(' or ')}
    order by ${ROW}
    on conflict (${keyColumns.join(', ')})
    do ${set.length > 0 ? `update set ${set.join(', ')}` : 'nothing'}`;
}
