/** The statements that apply the staged changes of a file to its table. All names are quoted, all operators qualified. */
import pg from 'pg';
import { quoteTable, type TableColumn, type TargetTable } from '../table/table.ts';
import { quoteColumns } from './destination.ts';
import { ROW, STAGING } from './staging.ts';

/** How many rows were changed, in a temporary table, so that a rolled back step does not count. */
export const COUNTS = 'pg_temp.s3_connector_counts';
/** The "applied" keys: the last sequence of each key in the earlier steps, or parts, of a file that has several. */
export const APPLIED = 'pg_temp.s3_connector_applied';

/** If a trigger may suppress changes: what becomes of a change whose key is in the table, `updated` or `deleted`. Null: it is not. */
const FOUND = '"s3_connector found"';
/** Whether the file deletes the key before the change, so that an update must not keep values of columns that the file lacks. */
const RENEWED = '"s3_connector renewed"';

export interface ChangePlan {
  table: TargetTable;
  /** The table's columns that the file fills. */
  filled: TableColumn[];
  /** The table's other columns that can be set to their defaults. */
  missing: TableColumn[];
  key: { name: string; equals: string }[];
  /** Null: every row is an insert. */
  change: { name: string; deletes: string[]; ignores: string[] } | null;
  sequence: { name: string; later: string; inTable: boolean } | null;
  /** Whether a trigger may suppress changes, so that their number is known only afterwards. */
  maySuppress: boolean;
}

/** How much of a file the statements see at a time. */
export interface Scope {
  /** Whether other rows of the same file come before or after, in statements of their own. */
  isStep: boolean;
}

const quote = (name: string) => pg.escapeIdentifier(name);

/** Returns the statements that add the columns of the bookkeeping to the staging table, and make the table of counts. */
export function prepareStatements({ key, missing, change, sequence, maySuppress }: ChangePlan): string[] {
  const columns = maySuppress ? [`add column ${FOUND} pg_catalog.text`] : [];
  if (missing.length > 0) columns.push(`add column ${RENEWED} pg_catalog.bool`);
  for (const { name } of key) columns.push(`alter column ${quote(name)} set not null`);
  if (change) columns.push(`alter column ${quote(change.name)} set not null`);
  const applied = [...key.map(({ name }) => quote(name)), ...(sequence ? [quote(sequence.name)] : [])];
  return [
    `alter table ${STAGING} ${columns.join(', ')}`,
    'create temp table s3_connector_counts (inserted pg_catalog.int8, updated pg_catalog.int8, deleted pg_catalog.int8) on commit drop',
    ...(sequence
      ? [
          `create temp table if not exists s3_connector_applied on commit drop as select ${applied.join(', ')} from ${STAGING} with no data`,
        ]
      : []),
  ];
}

/** Returns the statements that apply what is staged, in order. Exactly one is a MERGE. */
export function applyStatements(plan: ChangePlan, scope: Scope): string[] {
  const remembers = scope.isStep && plan.sequence !== null;
  return [
    ...removeIgnored(plan),
    ...removeOlderThanTable(plan),
    ...markRenewed(plan),
    ...(remembers ? renewApplied(plan) : []),
    keepLast(plan),
    ...(remembers ? removeApplied(plan) : []),
    ...(scope.isStep ? [] : [`analyze ${STAGING}`]),
    ...(plan.maySuppress
      ? [markFound(plan), merge(plan), countChanged(plan)]
      : [countDue(plan), merge(plan)]),
  ];
}

/** The condition that two relations have the same key. */
function sameKey({ key }: ChangePlan, one: string, other: string): string {
  return key
    .map(({ name, equals }) => `${one}.${quote(name)} ${equals} ${other}.${quote(name)}`)
    .join(' and ');
}

/** The condition that a relation's change comes before another's. Null is before every value. */
function isOlder({ sequence }: ChangePlan, one: string, other: string): string {
  const [a, b] = [`${one}.${quote(sequence!.name)}`, `${other}.${quote(sequence!.name)}`];
  return `(${b} is not null and (${a} is null or ${b} ${sequence!.later} ${a}))`;
}

function isOneOf({ change }: ChangePlan, relation: string, values: string[]): string {
  const list = values.map((value) => pg.escapeLiteral(value)).join(', ');
  return `${relation}.${quote(change!.name)}::pg_catalog.text operator(pg_catalog.=) any (array[${list}]::pg_catalog.text[])`;
}

/** The condition that a staged row is a delete. */
function isDelete(plan: ChangePlan, relation: string): string {
  return plan.change === null || plan.change.deletes.length === 0
    ? 'false'
    : isOneOf(plan, relation, plan.change.deletes);
}

function removeIgnored(plan: ChangePlan): string[] {
  if (plan.change === null || plan.change.ignores.length === 0) return [];
  return [`delete from ${STAGING} s where ${isOneOf(plan, 's', plan.change.ignores)}`];
}

function removeOlderThanTable(plan: ChangePlan): string[] {
  if (!plan.sequence?.inTable) return [];
  const target = quoteTable(plan.table);
  return [
    `delete from ${STAGING} s using ${target} t where ${sameKey(plan, 's', 't')} and ${isOlder(plan, 's', 't')}`,
  ];
}

/** Marks rows whose key the file also deletes. Of these, only the last row of a key matters later. */
function markRenewed(plan: ChangePlan): string[] {
  if (plan.missing.length === 0) return [];
  const keys = plan.key.map(({ name }) => quote(name)).join(', ');
  return [
    `update ${STAGING} s set ${RENEWED} = true
      from (select distinct ${keys} from ${STAGING} d where ${isDelete(plan, 'd')}) d where ${sameKey(plan, 's', 'd')}`,
  ];
}

/** A delete that is older than what an earlier step wrote still means that the row there was a new one. */
function renewApplied(plan: ChangePlan): string[] {
  if (plan.missing.length === 0) return [];
  const defaults = plan.missing.map(({ name }) => `${quote(name)} = default`).join(', ');
  return [
    `update ${quoteTable(plan.table)} t set ${defaults} from ${STAGING} s, ${APPLIED} a
      where ${sameKey(plan, 's', 't')} and ${sameKey(plan, 's', 'a')} and ${isDelete(plan, 's')} and ${isOlder(plan, 's', 'a')}`,
  ];
}

/** Deletes all staged rows of a key except the last: by the sequence, and by the file's order where that is equal. */
function keepLast({ key, sequence }: ChangePlan): string {
  const keys = key.map(({ name }) => quote(name)).join(', ');
  const order = [...(sequence ? [`${quote(sequence.name)} desc nulls last`] : []), `${ROW} desc`].join(', ');
  return `delete from ${STAGING} using (
      select ${ROW} as "s3_connector superseded",
        pg_catalog.row_number() over (partition by ${keys} order by ${order}) as "s3_connector rank"
      from ${STAGING}
    ) ranked
    where ${ROW} operator(pg_catalog.=) "s3_connector superseded" and "s3_connector rank" operator(pg_catalog.>) 1`;
}

/** Deletes staged rows that are older than what an earlier step of the file has applied, and remembers the others. */
function removeApplied(plan: ChangePlan): string[] {
  const columns = [...plan.key.map(({ name }) => quote(name)), quote(plan.sequence!.name)].join(', ');
  return [
    `delete from ${STAGING} s using ${APPLIED} a where ${sameKey(plan, 's', 'a')} and ${isOlder(plan, 's', 'a')}`,
    `delete from ${APPLIED} a using ${STAGING} s where ${sameKey(plan, 's', 'a')}`,
    `insert into ${APPLIED} (${columns}) select ${columns} from ${STAGING}`,
  ];
}

function markFound(plan: ChangePlan): string {
  return `update ${STAGING} s set ${FOUND} = case when ${isDelete(plan, 's')} then 'deleted' else 'updated' end
    from ${quoteTable(plan.table)} t where ${sameKey(plan, 's', 't')}`;
}

function merge(plan: ChangePlan): string {
  const { table, filled, missing, key, sequence } = plan;
  const values = filled.filter(({ name }) => !key.some((column) => column.name === name));
  const set = values.map(({ name }) => `${quote(name)} = s.${quote(name)}`);
  const defaults = missing.map(({ name }) => `${quote(name)} = default`);
  // Another session may have written a newer row since removeOlderThanTable.
  const applies = sequence?.inTable ? ` and not ${isOlder(plan, 's', 't')}` : '';
  const clauses = [`when matched${applies} and ${isDelete(plan, 's')} then delete`];
  if (missing.length > 0)
    clauses.push(
      `when matched${applies} and s.${RENEWED} then update set ${[...set, ...defaults].join(', ')}`,
    );
  clauses.push(
    set.length > 0
      ? `when matched${applies} then update set ${set.join(', ')}`
      : 'when matched then do nothing',
    `when not matched and not ${isDelete(plan, 's')} then insert (${quoteColumns(filled)}) overriding system value
      values (${filled.map(({ name }) => `s.${quote(name)}`).join(', ')})`,
  );
  return `merge into ${quoteTable(table)} t using ${STAGING} s on ${sameKey(plan, 't', 's')} ${clauses.join(' ')}`;
}

/** Counts the changes that the MERGE will make: nothing can suppress one. */
function countDue(plan: ChangePlan): string {
  const isFound = `t.${quote(plan.key[0]!.name)} is not null`;
  return insertCounts(plan, {
    inserted: `not (${isFound}) and not ${isDelete(plan, 's')}`,
    updated: `${isFound} and not ${isDelete(plan, 's')}`,
    deleted: `${isFound} and ${isDelete(plan, 's')}`,
  });
}

/** Counts what the MERGE did, by the table: a trigger may have suppressed a change. */
function countChanged(plan: ChangePlan): string {
  const first = quote(plan.key[0]!.name);
  return insertCounts(plan, {
    inserted: `s.${FOUND} is null and not ${isDelete(plan, 's')} and t.${first} is not null`,
    updated: `s.${FOUND} operator(pg_catalog.=) 'updated'`,
    deleted: `s.${FOUND} operator(pg_catalog.=) 'deleted' and t.${first} is null`,
  });
}

/** Counts staged rows, each beside the row of its key in the table. */
function insertCounts(
  plan: ChangePlan,
  { inserted, updated, deleted }: Record<'inserted' | 'updated' | 'deleted', string>,
): string {
  const { filled, key, missing } = plan;
  const hasValues = filled.length > key.length;
  const updates = hasValues ? updated : missing.length > 0 ? `${updated} and s.${RENEWED}` : 'false';
  return `insert into ${COUNTS} select pg_catalog.count(*) filter (where ${inserted}),
      pg_catalog.count(*) filter (where ${updates}), pg_catalog.count(*) filter (where ${deleted})
    from ${STAGING} s left join ${quoteTable(plan.table)} t on ${sameKey(plan, 't', 's')}`;
}
