/** Describes a connector's target for requests. */
import type pg from 'pg';
import type { FilePart } from '../formats/format.ts';
import { ensureTable, withTypes } from '../table/ensure.ts';
import { refuseGrowth } from '../table/grow.ts';
import { planGrowth } from '../table/growth.ts';
import { type Refusal, refuseTarget, writeMode } from '../table/refusal.ts';
import { describeTable, resolveTableName, type TableName, type TargetTable } from '../table/table.ts';
import type { Request } from './request.ts';
import type { FirstPart } from './sample.ts';

/** The relation that target_table names now. */
export interface Target {
  name: TableName;
  /** From s3_connector_import.target_kind; null if there is no relation of that name. */
  kind: string | null;
  /** Null if there is no table of that name. */
  table: TargetTable | null;
  /** Why it cannot be the target; null if it can. */
  refusal: Refusal | null;
  /** The first unlogged table among the table, its partitions and chunks, quoted; null if none is. */
  unlogged: string | null;
}

export async function findTarget(client: pg.ClientBase, { connector }: Request): Promise<Target> {
  const name = await resolveTableName(client, connector.target_table);
  const { rows } = await client.query<Omit<Target, 'name' | 'table'>>(
    `select s3_connector_import.target_kind($1, $2) as kind,
      s3_connector_import.unlogged_part(s3_connector_import.relation_oid($1, $2)) as unlogged,
      (
        select row_to_json(r) from s3_connector_import.refuse_target($1, $2, $3, $4, $5) r where r.code is not null
      ) as refusal`,
    [name.schema, name.table, connector.owner, writeMode(connector), connector.allow_unlogged],
  );
  return { name, table: await describeTable(client, name, connector.owner), ...rows[0]! };
}

/**
 * Returns the target after an import of the part, which may create it. The caller rolls the transaction back.
 * @throws ConnectorError the errors of `ensureTable`; the reason why a relation of the name cannot be the target
 */
export async function planTarget(
  client: pg.ClientBase,
  request: Request,
  target: Target,
  { part, infer }: FirstPart,
): Promise<Target> {
  if (target.table) return target;
  refuseTarget(target.refusal);
  const columns = async () => {
    const inferred = await infer();
    return inferred && { ...inferred, notice: null };
  };
  const { table = null } = await ensureTable(client, target.name, request, part, columns);
  return table === null ? target : { ...(await findTarget(client, request)), table };
}

/**
 * Returns how an import of the part would change the table, before a value is refused. Changes nothing.
 * @throws ConnectorError the errors of `growTable`
 */
export async function foreseeGrowth(
  client: pg.ClientBase,
  request: Request,
  key: string,
  table: TargetTable,
  part: FilePart,
): Promise<{ table: TargetTable; statement: string | null }> {
  const { connector, mappings } = request;
  const plan = await planGrowth(
    part,
    table,
    { connector, mappings, file: { id: 0, key } },
    {
      columns: () => part.inferColumns(),
      mappings: () => withTypes(client, connector, part, mappings),
      refused: new Set(),
      addedBefore: 0,
    },
  );
  if (plan === null || plan.changes.length === 0) return { table, statement: null };
  await refuseGrowth(client, table, connector.owner, plan);
  return { table: plan.table, statement: plan.statements[0]! };
}
