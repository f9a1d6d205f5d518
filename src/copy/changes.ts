/** Applies a part whose rows are changes: stages them, and merges the last change of each key into the table. */
import pg from 'pg';
import { injectCountFault } from '../data_faults.ts';
import { inSavepoint } from '../db/savepoint.ts';
import { ConnectorError } from '../errors.ts';
import type { RowCounts } from '../reconcile.ts';
import {
  CHANGE_CONSTRAINT,
  isBadRow,
  isConflict,
  TRUNCATE_CONSTRAINT,
  toImportError,
} from '../sql_errors.ts';
import { asRole, TYPES_PATH } from '../table/role.ts';
import { quoteTable, type TableColumn } from '../table/table.ts';
import { applyStatements, type ChangePlan, COUNTS, prepareStatements } from './change_statements.ts';
import { chooseKey, refuseIdentities } from './conflicts.ts';
import { type Destination, filledColumns, quoteColumns } from './destination.ts';
import type { CopyRows, PartCopy } from './part_copy.ts';
import { CLEAR_STAGING, dropTemporary, ROW, STAGING } from './staging.ts';

/**
 * Returns a way of copying for a part whose rows are changes. It costs a savepoint; only a change that the table refuses makes it
 * read the part again, and apply it some rows at a time.
 * @param copyRows fills the staging table
 * @param copyInSteps fills it with some rows at a time, and has what follows each time run
 * @throws ConnectorError `no_unique_key`, `column_not_writable`, `rows_changed_meanwhile`, PostgreSQL's errors
 */
export function withChanges(copyRows: CopyRows, copyInSteps: CopyRows): CopyRows {
  return async function copyChanges(copy) {
    const plan = await planChanges(copy);
    try {
      return await inSavepoint(copy.client, () => applyAtOnce(copy, plan, copyRows));
    } catch (error) {
      // A merge does not say which row is bad. COPY does, and leaves out bad rows by itself if it should.
      if (!(isBadRow(error) && error.line === undefined) && !isConflict(error)) throw error;
    }
    return await applyInSteps(copy, plan, copyInSteps);
  };
}

async function applyAtOnce(copy: PartCopy, plan: ChangePlan, copyRows: CopyRows): Promise<RowCounts> {
  const staging = await makeStaging(copy, plan);
  const staged = await copyRows(copy, staging);
  // Parts of an archive follow each other, as steps do.
  const merged = await merge(copy, applyStatements(plan, { isStep: copy.part.name !== null }));
  return await finish(copy, plan, { ...staged, imported: merged, skipped: staged.imported - merged });
}

/**
 * Stages and merges some rows at a time, in the order of the file, so that a row that only the merge refuses is found. A row that
 * is in the way of a later one, by another unique index, is changed before. Rows of the same key then count as superseded only if
 * they are merged together.
 */
async function applyInSteps(copy: PartCopy, plan: ChangePlan, copyInSteps: CopyRows): Promise<RowCounts> {
  const staging = await makeStaging(copy, plan);
  const onward = [...applyStatements(plan, { isStep: true }), CLEAR_STAGING];
  return await finish(copy, plan, await copyInSteps(copy, { ...staging, onward, refusesConflicts: true }));
}

/** @throws ConnectorError `no_unique_key`, `column_not_writable`, `sequence_has_no_order` */
export async function planChanges(
  copy: Pick<PartCopy, 'client' | 'table' | 'plan' | 'connector'>,
): Promise<ChangePlan> {
  const { client, table, connector } = copy;
  const { change, sequence } = copy.plan.changes!;
  const columns = await chooseKey(copy);
  const filled = filledColumns(copy.plan).filter((column) => table.columns.includes(column));
  refuseIdentities(copy, columns, 'an update');
  const { rows } = await client.query<{ operators: string[]; later: string | null; may_suppress: boolean }>(
    `select s3_connector_import.key_operators($1, $2, $3) as operators, s3_connector_import.later_operator($4::oid) as later,
      s3_connector_import.may_suppress($1, $2)`,
    [table.schema, table.table, columns, sequence && (await typeOid(client, connector.owner, sequence.type))],
  );
  const { operators, later, may_suppress: maySuppress } = rows[0]!;
  if (sequence && later === null) throw withoutOrder(sequence);
  const map = Object.entries(connector.change_map ?? {});
  const valuesOf = (meaning: string) => map.filter((entry) => entry[1] === meaning).map(([value]) => value);
  return {
    table,
    filled,
    missing: table.columns.filter((column) => column.insertable && !filled.includes(column)),
    key: columns.map((name, i) => ({ name, equals: operators[i]! })),
    change: change && { name: change.name, deletes: valuesOf('delete'), ignores: valuesOf('ignore') },
    sequence: sequence && { name: sequence.name, later: later!, inTable: table.columns.includes(sequence) },
    maySuppress,
  };
}

/** Returns the oid of a type that the table's description or a person names. */
async function typeOid(client: pg.ClientBase, owner: string, type: string): Promise<number | null> {
  const find = () =>
    client.query<{ oid: number | null }>('select pg_catalog.to_regtype($1)::pg_catalog.oid as oid', [type]);
  const { rows } = await asRole(client, owner, find, TYPES_PATH);
  return rows[0]!.oid;
}

function withoutOrder({ name, type }: TableColumn): ConnectorError {
  return new ConnectorError(
    'sequence_has_no_order',
    `sequence_column ${name} has the type ${type}, which has no order`,
    {
      column: name,
      hint: 'Use a column of numbers, times or texts for sequence_column.',
    },
  );
}

/** Creates a temporary table with the columns that the file fills, with the target's types and collations, and no other checks. */
async function makeStaging(copy: PartCopy, plan: ChangePlan): Promise<Destination> {
  const { client, connector, table } = copy;
  const { change, sequence } = copy.plan.changes!;
  const added = [change, sequence].filter((column) => column !== null && !table.columns.includes(column));
  const columns = added.map((column) => `add column ${pg.escapeIdentifier(column!.name)} ${column!.type}`);
  columns.push(`add column ${ROW} pg_catalog.int8 generated always as identity`);
  await asRole(client, connector.owner, async () => {
    await client.query(
      `create temp table s3_connector_staging on commit drop as select ${quoteColumns(plan.filled)} from ${quoteTable(table)} with no data`,
    );
    await client.query(`alter table ${STAGING} ${columns.join(', ')}`);
    for (const statement of [...prepareStatements(plan), ...checkStatements(copy)])
      await client.query(statement);
  });
  return { table: STAGING, columns: filledColumns(copy.plan), mayLeaveOut: false };
}

/** Returns the statements that add checks of the change: COPY names the line of a row that breaks one. */
function checkStatements({ connector, plan }: PartCopy): string[] {
  const { change } = plan.changes!;
  if (change === null) return [];
  const map = connector.change_map ?? {};
  const value = `${pg.escapeIdentifier(change.name)}::pg_catalog.text`;
  const list = (values: string[]) =>
    `array[${values.map((one) => pg.escapeLiteral(one)).join(', ')}]::pg_catalog.text[]`;
  const truncates = Object.keys(map).filter((one) => map[one] === 'truncate');
  const checks = [
    `add constraint ${CHANGE_CONSTRAINT} check (${value} operator(pg_catalog.=) any (${list(Object.keys(map))}))`,
  ];
  if (truncates.length > 0)
    checks.push(
      `add constraint ${TRUNCATE_CONSTRAINT} check (${value} operator(pg_catalog.<>) all (${list(truncates)}))`,
    );
  return [`alter table ${STAGING} ${checks.join(', ')}`];
}

/** Runs the statements with the owner's rights. Returns how many rows the MERGE reports. */
async function merge({ client, connector }: PartCopy, statements: string[]): Promise<number> {
  try {
    return await asRole(client, connector.owner, async () => {
      let merged = 0;
      for (const statement of statements) {
        const { rowCount } = await client.query(statement);
        if (statement.startsWith('merge ')) merged = rowCount ?? 0;
      }
      return injectCountFault('merged', merged);
    });
  } catch (error) {
    throw toImportError(error);
  }
}

/**
 * Adds the numbers of inserts, updates and deletes, and drops the temporary tables.
 * @throws ConnectorError `rows_changed_meanwhile` if they are not what the MERGE reports
 */
async function finish(
  copy: PartCopy,
  { table, maySuppress }: ChangePlan,
  counts: RowCounts,
): Promise<RowCounts> {
  const { client, connector } = copy;
  const { rows } = await asRole(client, connector.owner, () =>
    client.query<{ inserted: number; updated: number; deleted: number }>(
      `select coalesce(pg_catalog.sum(inserted), 0)::pg_catalog.float8 as inserted,
        coalesce(pg_catalog.sum(updated), 0)::pg_catalog.float8 as updated,
        coalesce(pg_catalog.sum(deleted), 0)::pg_catalog.float8 as deleted
      from ${COUNTS}`,
    ),
  );
  await asRole(client, connector.owner, () => client.query(`drop table ${COUNTS}`));
  await dropTemporary(copy, STAGING);
  const changes = rows[0]!;
  // Updates that a trigger suppressed leave no trace in the table.
  if (maySuppress) changes.updated = counts.imported - changes.inserted - changes.deleted;
  const { inserted, updated, deleted } = changes;
  if (inserted + updated + deleted === counts.imported && updated >= 0) return { ...counts, changes };
  throw new ConnectorError(
    'rows_changed_meanwhile',
    `other sessions changed rows of ${quoteTable(table)} while the file was merged: ${inserted} inserts, ${updated} updates and ${deleted} deletes were due, and ${counts.imported} rows changed`,
    {
      passing: true,
      hint: 'The file is tried again. If it fails each time, let no other session write the same keys.',
    },
  );
}
