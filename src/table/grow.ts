/** Changes a table for a file, in the file's transaction and with the owner's rights. */
import pg from 'pg';
import type { Attempt } from '../attempt.ts';
import type { PartCopy } from '../copy/part_copy.ts';
import { inSavepoint } from '../db/savepoint.ts';
import { ConnectorError } from '../errors.ts';
import type { FilePart } from '../formats/format.ts';
import type { ImportTransaction } from '../import/transaction.ts';
import { toImportError } from '../sql_errors.ts';
import { withTypes } from './ensure.ts';
import { type Growth, type Plan, planGrowth } from './growth.ts';
import { type Refusal, refuseTarget } from './refusal.ts';
import { asRole, TYPES_PATH } from './role.ts';
import { describeTable, type TableName, type TargetTable } from './table.ts';

/** The statement waits for the locks of partitions and chunks, which the lock of the table has taken already. In milliseconds. */
const LOCK_TIMEOUT_MS = 10_000;

/** The error that makes an import begin again, with a lock of the table. */
export const MUST_LOCK = 'table_must_grow';

/**
 * Changes the table so that it takes the part, as far as the connector says so.
 * @param position of the part in the file, from 0
 * @returns the table as it is then; null if the part has neither rows nor types
 * @throws ConnectorError `table_must_grow`; `too_many_new_columns`, `no_column_matches`, `duplicate_column`, `table_cannot_grow`,
 *   `permission_denied`, `not_csv`, `bad_expression`
 */
export async function growTable(
  { client, table, notice, schemaChanges }: ImportTransaction & { table: TargetTable },
  attempt: Attempt,
  growth: Growth,
  part: FilePart,
  position: number,
): Promise<TargetTable | null> {
  const plan = await planGrowth(part, table, attempt, {
    columns: () => growth.columnsOf(part, position),
    mappings: () => withTypes(client, attempt.connector, part, attempt.mappings),
    refused: growth.refusedIn(position),
    addedBefore: schemaChanges.filter(({ change }) => change === 'added').length,
  });
  if (plan === null || plan.changes.length === 0) return plan && table;
  const [statement] = plan.statements;
  attempt.dryRun?.statements.add(statement!);
  await refuseGrowth(client, table, attempt.connector.owner, plan);
  // A table that this import has made is locked.
  if (!growth.locks && notice === undefined) throw mustLock();
  await alter(client, attempt.connector.owner, plan.statements);
  schemaChanges.push(...plan.changes);
  return await describeTable(client, table, attempt.connector.owner);
}

/**
 * Returns what an import does when a column's type has refused a value: it begins again with a wider one, if there is one.
 * @param position of the part in the file, from 0
 */
export function onMismatch(
  attempt: Attempt,
  growth: Growth,
  { part, table, position }: { part: FilePart; table: TargetTable; position: number },
): PartCopy['onMismatch'] {
  if (attempt.connector.on_type_mismatch !== 'widen') return undefined;
  return async ({ column }) => {
    if (column === undefined || growth.refusedIn(position).has(column)) return;
    const plan = await planGrowth(part, table, attempt, {
      columns: () => growth.columnsOf(part, position),
      mappings: async () => attempt.mappings,
      refused: new Set([column]),
      addedBefore: 0,
    });
    if (plan === null || plan.changes.length === 0) return;
    growth.noteRefused(position, column);
    throw mustLock();
  };
}

/** @throws ConnectorError why the owner cannot change the table in this way */
export async function refuseGrowth(
  client: pg.ClientBase,
  { schema, table }: TableName,
  owner: string,
  { statements, rewrites }: Pick<Plan, 'statements' | 'rewrites'>,
): Promise<void> {
  const { rows } = await client.query<Refusal | { code: null }>(
    'select * from s3_connector_import.refuse_growth($1, $2, $3, $4, $5)',
    [schema, table, owner, statements[0], rewrites],
  );
  const [refusal] = rows;
  refuseTarget(refusal?.code ? refusal : null);
}

async function alter(client: pg.ClientBase, owner: string, statements: string[]): Promise<void> {
  const timeout = (ms: number) => `set local lock_timeout to ${ms}`;
  const all = [timeout(LOCK_TIMEOUT_MS), ...statements, timeout(0)].join('; ');
  try {
    await inSavepoint(client, () => asRole(client, owner, () => client.query(all), TYPES_PATH));
  } catch (error) {
    throw explain(error, statements[0]!);
  }
}

/** Adds the statement to an error that only another table, or another file, would not have. */
function explain(error: unknown, statement: string): unknown {
  const known = toImportError(error);
  if (!(known instanceof ConnectorError) || known.passing || !(known.cause instanceof pg.DatabaseError))
    return known;
  return new ConnectorError('table_cannot_grow', `PostgreSQL refused to change the table: ${known.message}`, {
    cause: known.cause,
    hint: `The statement was: ${statement}; Change the table yourself, then retry the file.`,
  });
}

function mustLock(): ConnectorError {
  return new ConnectorError(
    MUST_LOCK,
    'the table must be changed for the file, so the import begins again with a lock of it',
    { passing: true },
  );
}
