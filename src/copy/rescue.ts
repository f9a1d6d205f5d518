/**
 * "Rescues" what a table has no place for: columns of the file that it lacks, and values that their column's type refuses. Rows with
 * such values go through a staging table, from which an INSERT puts the values into the rescue column.
 */
import pg from 'pg';
import { inSavepoint } from '../db/savepoint.ts';
import { FIXED_PATH } from '../db/session_settings.ts';
import { ConnectorError } from '../errors.ts';
import type { CopyPlan, MatchedColumn, PlannedKeys, RescuePlan } from '../formats/format.ts';
import { asRole } from '../table/role.ts';
import { plainColumn, type TableColumn } from '../table/table.ts';
import { copiedColumns, type Destination, filledColumns, quoteColumns } from './destination.ts';
import type { CopyRows, PartCopy } from './part_copy.ts';

const STAGING = 'pg_temp.s3_connector_rescue';

/** Ends a copy because the type of a column has refused a value. No wrapper takes it for a bad row. */
class ValueRefused extends Error {
  readonly column: string;

  constructor(column: string) {
    super(`column ${column} refused a value`);
    this.column = column;
  }
}

/**
 * Returns a way of copying that rescues values. A part without any is copied directly, behind a savepoint. Each column that refuses
 * a value makes it read the part again, with that column as text.
 * @param copyRows copies into the destination or the staging table, and reports refused values to `onMismatch`
 */
export function withRescue(copyRows: CopyRows, rescue: RescuePlan): CopyRows {
  return async function copyAndRescue(copy, destination) {
    const refused = new Set<string>();
    const { unknown } = rescue.record ?? rescue;
    let stages = unknown.length > 0;
    const rescuable = rescue.values ? rescuableColumns(copy.plan) : [];
    const onMismatch: PartCopy['onMismatch'] = async ({ column = '' }) => {
      if (rescuable.includes(column) && !refused.has(column)) throw new ValueRefused(column);
    };
    for (;;) {
      try {
        return await inSavepoint(copy.client, () =>
          !stages && refused.size === 0
            ? copyRows(
                { ...copy, plan: directPlan(copy.plan), onMismatch },
                withoutRescue(destination, rescue),
              )
            : copyThroughStaging(copyRows, { ...copy, onMismatch }, destination, rescue, refused),
        );
      } catch (error) {
        if (error instanceof ValueRefused) refused.add(error.column);
        else if (!stages && rescue.record && isUnknownKey(error)) stages = true;
        else throw error;
      }
    }
  };
}

/** Whether a record has a key for which a plan has no place. */
function isUnknownKey(error: unknown): boolean {
  return error instanceof ConnectorError && error.code === 'unknown_column';
}

/** Returns the plan for rows that have nothing to rescue. A record with an unknown key ends the copy. */
function directPlan(plan: CopyPlan): CopyPlan {
  return plan.keys && plan.rescue?.record ? { ...plan, keys: { ...plan.keys, refusesUnknown: true } } : plan;
}

/** Returns the columns whose refused values are rescued. Without its change or its place in the sequence, a row would be another change. */
function rescuableColumns({ columns, changes }: CopyPlan): string[] {
  return columns.flatMap(({ target }) =>
    target === changes?.change || target === changes?.sequence ? [] : [target.name],
  );
}

/** Returns the destination for rows that have nothing to rescue. */
function withoutRescue(destination: Destination, { target }: RescuePlan): Destination {
  return { ...destination, columns: destination.columns.filter((column) => column !== target) };
}

async function copyThroughStaging(
  copyRows: CopyRows,
  copy: PartCopy,
  destination: Destination,
  rescue: RescuePlan,
  refused: Set<string>,
) {
  const { client, connector } = copy;
  const plan = stagedPlan(copy.plan, rescue, refused);
  const readers = copy.plan.columns.map(({ target }) => target).filter(({ name }) => refused.has(name));
  const columns = filledColumns(plan);
  const definitions = columns.map(({ name, type }) => `${pg.escapeIdentifier(name)} ${type}`);
  const create = [
    `create temp table s3_connector_rescue (${definitions.join(', ')}) on commit drop`,
    ...readers.map(createReader),
  ];
  // The types' names are written for this path.
  await asRole(client, connector.owner, () => client.query(create.join('; ')), FIXED_PATH);
  const insert = insertRescued(copy.plan, destination, rescue, readers);
  const onward = [insert, `truncate ${STAGING}`, ...(destination.onward ?? [])];
  const evaluations = destination.evaluations?.map(({ column, statement }) => ({
    column,
    statement: `${insert}; ${statement}`,
  }));
  const staging = { ...destination, table: STAGING, columns, onward, ...(evaluations && { evaluations }) };
  const counts = await copyRows({ ...copy, plan }, staging);
  const drop = [`drop table ${STAGING}`, ...readers.map((_, i) => `drop function ${readerOf(i)}`)];
  await asRole(client, connector.owner, () => client.query(drop.join('; ')));
  return counts;
}

/** Returns the plan for the staging table: columns that have refused a value, and those that the table lacks, are texts there. */
function stagedPlan(plan: CopyPlan, { unknown, record }: RescuePlan, refused: Set<string>): CopyPlan {
  const keys = plan.keys && record ? withRecord(plan.keys) : plan.keys;
  const columns = [
    ...plan.columns.map(
      (column): MatchedColumn =>
        refused.has(column.target.name)
          ? { ...column, target: asText(column.target), readAs: column.target }
          : column,
    ),
    ...unknown.map(({ position }, i): MatchedColumn => ({ position, target: textColumn(unknownName(i)) })),
    ...(keys && record ? [{ position: keys.names.indexOf('$'), target: textColumn(RECORD) }] : []),
  ];
  return { ...plan, columns: inOrder(columns), rescue: null, ...(keys && { keys }) };
}

/** Adds the whole record to the keys. */
function withRecord(keys: PlannedKeys): PlannedKeys {
  const names = keys.names.includes('$') ? keys.names : [...keys.names, '$'];
  return { ...keys, names, refusesUnknown: false };
}

/** Fields that go into a second column, too, are the last ones. */
function inOrder(columns: MatchedColumn[]): MatchedColumn[] {
  const copies = columns.filter(({ asIs }) => asIs);
  return [...columns.filter(({ asIs }) => !asIs).sort((a, b) => a.position - b.position), ...copies];
}

function asText(column: TableColumn): TableColumn {
  return { ...column, type: 'text', baseType: 'text', isEnum: false, shape: null };
}

const unknownName = (i: number) => `s3_connector unknown ${i}`;
const RECORD = 's3_connector record';

const textColumn = (name: string) => plainColumn(name, 'text', 'text');

const readerOf = (i: number) => `pg_temp.s3_connector_read_${i}`;

/**
 * Returns the statement that makes a function that reads a text as COPY does, and returns null if the type refuses it. An
 * assignment is as strict as COPY: a cast would cut a text to the length of a varchar.
 */
function createReader({ type }: TableColumn, i: number): string {
  const body = `begin
    declare typed ${type};
    begin
      typed := value;
      return typed;
    end;
  exception when others then
    return null;
  end`;
  return `create or replace function ${readerOf(i)}(value pg_catalog.text) returns ${type} language plpgsql as ${pg.escapeLiteral(body)}`;
}

/** Returns the statement that moves the staged rows on. Null values are not rescued: they fit everywhere. */
function insertRescued(
  plan: CopyPlan,
  { table }: Destination,
  { target, unknown, record }: RescuePlan,
  readers: TableColumn[],
): string {
  const filled = copiedColumns(plan);
  const values = filled.map((column) => {
    const reader = readers.indexOf(column);
    return reader < 0 ? `s.${pg.escapeIdentifier(column.name)}` : `r.${pg.escapeIdentifier(column.name)}`;
  });
  const reads = readers.map(({ name }, i) => {
    const column = pg.escapeIdentifier(name);
    return `${readerOf(i)}(s.${column}) as ${column}`;
  });
  const kept = [
    ...unknown.map(({ name }, i) => [pg.escapeLiteral(name), `s.${pg.escapeIdentifier(unknownName(i))}`]),
    ...readers.map(({ name }) => {
      const column = pg.escapeIdentifier(name);
      return [pg.escapeLiteral(name), `case when r.${column} is null then s.${column} end`];
    }),
  ];
  const rescued = `(select pg_catalog.jsonb_object_agg(k.name, k.value) from (${[...texts(kept), ...unknownKeys(record)].join(' union all ')}) as k)`;
  // With "offset 0", each text is read once.
  const from = reads.length === 0 ? '' : ` cross join lateral (select ${reads.join(', ')} offset 0) as r`;
  return `insert into ${table} (${quoteColumns([...filled, target])}) overriding system value
    select ${[...values, rescued].join(', ')} from ${STAGING} as s${from}`;
}

/** Returns a query of names and texts that are kept. */
function texts(kept: string[][]): string[] {
  if (kept.length === 0) return [];
  const pairs = kept.map(([name, value]) => `(${name}::pg_catalog.text, ${value})`).join(', ');
  return [
    `select p.name, pg_catalog.to_jsonb(p.value) as value from (values ${pairs}) as p (name, value) where p.value is not null`,
  ];
}

/** Returns a query of the keys of a record that have no place. */
function unknownKeys(record: RescuePlan['record']): string[] {
  if (!record) return [];
  const except = record.except.map((key) => pg.escapeLiteral(key)).join(', ');
  const rest = `s.${pg.escapeIdentifier(RECORD)}::pg_catalog.jsonb operator(pg_catalog.-) array[${except}]::pg_catalog.text[]`;
  return [
    `select e.key as name, e.value from pg_catalog.jsonb_each(${rest}) as e where pg_catalog.jsonb_typeof(e.value) operator(pg_catalog.<>) 'null'`,
  ];
}
