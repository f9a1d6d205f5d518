/** Describes a connector's target for requests. */
import type pg from 'pg';
import type { FilePart } from '../formats/format.ts';
import { ensureTable } from '../table/ensure.ts';
import { describeTable, resolveTableName, type TableName, type TargetTable } from '../table/table.ts';
import type { Request } from './request.ts';

/** The relation that target_table names now. */
export interface Target {
  name: TableName;
  /** From s3_connector_private.target_kind; null if there is no relation of that name. */
  kind: string | null;
  /** Null if there is no table of that name. */
  table: TargetTable | null;
}

export async function findTarget(client: pg.ClientBase, { connector }: Request): Promise<Target> {
  const name = await resolveTableName(client, connector.target_table);
  return { name, kind: await targetKind(client, name), table: await describeTable(client, name) };
}

/** Returns the target after an import of the part, which may create it. The caller rolls the transaction back. */
export async function planTarget(
  client: pg.ClientBase,
  request: Request,
  target: Target,
  part: FilePart,
): Promise<Target> {
  if (target.table) return target;
  const { table = null } = await ensureTable(client, target.name, request, part);
  return { name: target.name, kind: table && (await targetKind(client, target.name)), table };
}

async function targetKind(client: pg.ClientBase, name: TableName): Promise<string | null> {
  const { rows } = await client.query<{ kind: string | null }>(
    'select s3_connector_import.target_kind($1, $2) as kind',
    [name.schema, name.table],
  );
  return rows[0]?.kind ?? null;
}
