/** The steps of `check` about the target table and its grants. */
import { sql } from 'kysely';
import type pg from 'pg';
import { planChanges } from '../copy/changes.ts';
import { checkComputed } from '../copy/check_computed.ts';
import { chooseKey } from '../copy/conflicts.ts';
import { filledColumns } from '../copy/destination.ts';
import { ConnectorError } from '../errors.ts';
import type { SourceObject } from '../sources/source.ts';
import { planColumns } from '../table/change_columns.ts';
import { refuseTarget } from '../table/refusal.ts';
import { quoteTable, type TargetTable } from '../table/table.ts';
import type { WorkerContext } from '../task.ts';
import type { Request } from './request.ts';
import { type FirstPart, rolledBack, withFirstPart } from './sample.ts';
import type { StepResult } from './step.ts';
import { findTarget, foreseeGrowth, planTarget, type Target } from './target.ts';

/** A first file that is larger is not fetched to compare its columns; in bytes. */
const SAMPLE_BYTES = 64 * 1024 * 1024;

/** `columns`: the columns of an existing table that the first file fills. */
type TargetResult = StepResult & { columns: string[]; rows?: RowsLook };

/** What was seen in the first rows of the first file; null: nothing suspicious. */
export type RowsLook = { key: string; notice: string | null };

/** Finds whether the target can take files, and the columns of the first file, if there is one. */
export async function checkTarget(
  worker: WorkerContext,
  request: Request,
  sample: SourceObject | undefined,
): Promise<TargetResult> {
  const found = await rolledBack(worker.copyPool, async (client) => {
    const target = await findTarget(client, request);
    await refuseUnusable(client, request, target);
    return target;
  });
  if (!sample) return { ...describeTarget(found), columns: [] };
  if (sample.sizeBytes > SAMPLE_BYTES) {
    const preview = `call s3_connector.preview(${quoteLiteral(request.connector.name)}) compares its columns.`;
    return {
      message: `${describeTarget(found).message} (not compared with ${sample.key}, which has ${sample.sizeBytes} bytes)`,
      hint: preview,
      columns: [],
    };
  }
  return await withFirstPart(worker, request, sample, async (first) => {
    if (first === null) return { ...describeTarget(found), columns: [] };
    const compared = await rolledBack(worker.copyPool, (client) =>
      comparePart(client, request, found, sample, first),
    );
    return { ...compared, rows: { key: sample.key, notice: (await first.part.lookForNotice?.()) ?? null } };
  });
}

/** Finds the grants that the login for imports and the owner lack. */
export async function checkGrants(
  worker: WorkerContext,
  { connector }: Request,
  columns: string[],
): Promise<StepResult> {
  const { rows } = await sql<{ missing: string[] }>`
    select s3_connector_private.missing_grants(
      ${connector.name}, ${worker.liveness.importRole}, part[1], part[2], ${columns}::text[]
    ) as missing
    from s3_connector_import.table_parts(${connector.target_table}) part`.execute(worker.control.db);
  const { missing } = rows[0]!;
  if (missing.length === 0)
    return { message: `the owner ${connector.owner} may fill ${connector.target_table}` };
  throw new ConnectorError(
    'permission_denied',
    `imports run as the connector's owner ${connector.owner}, and grants are missing`,
    { hint: missing.join(' ') },
  );
}

async function refuseUnusable(client: pg.ClientBase, { connector }: Request, target: Target): Promise<void> {
  refuseTarget(target.refusal);
  if (target.kind) return;
  const name = quoteTable(target.name);
  if (!connector.create_table) {
    throw new ConnectorError('table_missing', `there is no table ${name}, and create_table is false`, {
      hint: 'Create the table, or set create_table to true.',
    });
  }
  const { rows } = await client.query('select from pg_namespace where nspname = $1', [target.name.schema]);
  if (rows.length === 0) {
    throw new ConnectorError('schema_missing', `there is no schema ${target.name.schema}`, {
      hint: `Run: create schema ${target.name.schema};`,
    });
  }
}

function describeTarget(target: Target): StepResult {
  const name = quoteTable(target.name);
  return {
    message: target.kind
      ? `${name} is a ${target.kind}${byInsert(target)}`
      : `${name} will be made from the first file`,
    ...warning(target),
  };
}

function byInsert({ kind, table }: Target): string {
  if (!table?.byInsert) return '';
  const why = kind === 'view' ? '' : ' with row level security that applies to the owner';
  return `${why}, whose rows come by INSERT`;
}

/** Returns a warning about a table that the connector accepts. */
function warning({ unlogged }: Target): Pick<StepResult, 'hint'> {
  return unlogged
    ? { hint: `A crash of the server empties ${unlogged}, which is unlogged, while its files stay success.` }
    : {};
}

async function comparePart(
  client: pg.ClientBase,
  request: Request,
  found: Target,
  sample: SourceObject,
  first: FirstPart,
): Promise<TargetResult> {
  const { connector } = request;
  const { part } = first;
  const target = await planTarget(client, request, found, first);
  if (!target.table)
    return { message: `${describeTarget(found).message}; ${sample.key} has no rows yet`, columns: [] };
  const file = { id: 0, key: sample.key };
  const { table, statement } = await foreseeGrowth(client, request, sample.key, target.table, part);
  const plan = await planColumns(part, table, { ...request, file });
  // An import finds an unknown key only in the row that has it.
  if (part.namesKeys) await planColumns(part, table, { ...request, file, onlyNames: true });
  await checkComputed({ client, connector, table: target.table, part, plan, file });
  if (connector.change_column !== null) await planChanges({ client, table, plan, connector });
  else if (connector.on_conflict !== 'fail') await chooseKey({ client, table, plan, connector });
  const filled = [...plan.columns, ...plan.computed].flatMap((column) =>
    table.columns.includes(column.target) ? [column.target.name] : [],
  );

  if (!found.table) {
    return {
      message: `${quoteTable(target.name)} will be made, as a ${target.kind}: ${listColumns(target.table)}`,
      columns: [],
    };
  }
  const { message, ...hints } = describeTarget(target);
  const change = statement === null ? '' : `, after: ${statement}`;
  const existing = new Set(target.table.columns.map(({ name }) => name));
  return {
    message: `${message}; ${filled.length} of the ${plan.width} columns of ${sample.key} go into ${filled.join(', ')}${change}`,
    ...hints,
    columns: filledColumns(plan).flatMap(({ name }) => (existing.has(name) ? [name] : [])),
  };
}

function listColumns(table: TargetTable): string {
  return table.columns.map((column) => `${column.name} ${column.type}`).join(', ');
}

function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
