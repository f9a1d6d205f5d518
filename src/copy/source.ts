/**
 * The "source": a staging table with a file's fields as expressions read them, and the values for the other columns of the
 * target. An INSERT computes the rest.
 */
import pg from 'pg';
import type { ComputedColumn, CopyPlan, MatchedColumn, PlannedKeys } from '../formats/format.ts';
import {
  computed,
  type EvaluatedOver,
  evaluate,
  type Field,
  fieldsOf,
  other,
  qualifyType,
} from '../table/expressions.ts';
import { plainColumn, type TableColumn } from '../table/table.ts';
import { withoutModifier } from '../table/type_lattice.ts';
import { filledColumns, quoteColumns } from './destination.ts';
import type { PartCopy } from './part_copy.ts';

export const SOURCE = 'pg_temp.s3_connector_source';

export interface SourcePlan {
  /** What COPY fills in the source. */
  plan: CopyPlan;
  /** The fields that expressions read, and the target's columns that need none. */
  staged: MatchedColumn[];
  direct: TableColumn[];
  /** What COPY fills, in its order. */
  filled: TableColumn[];
  /** The computed columns, and the type to which each value must be cast before; null: none. */
  values: { column: ComputedColumn; type: string | null }[];
  over: EvaluatedOver;
  /** The target's columns: those that are copied, then those that are computed. */
  columns: TableColumn[];
}

type SourceOf = Pick<PartCopy, 'part' | 'plan' | 'connector'> & { file: Pick<PartCopy['file'], 'key'> };

/** Returns the fields that a part's expressions may read. */
export function readableFields(copy: SourceOf): Field[] {
  const { part, plan, connector, file } = copy;
  const names = keysOf(copy)?.names;
  const named = names ? { columnNames: names, columnCount: names.length } : part;
  return fieldsOf(named, connector, file.key, plan.width);
}

/** Returns the keys that rows give to expressions: those of the plan, and if one reads the row, also the others of the part. */
function keysOf({ part, plan, connector }: SourceOf): PlannedKeys | undefined {
  if (!plan.keys) return undefined;
  const { names } = plan.keys;
  const more = connector.format.reads_row || names.length === 0 ? (part.columnNames ?? []) : [];
  return { ...plan.keys, names: [...names, ...more.filter((name) => !names.includes(name))] };
}

/** @param types for each computed column, the type to which its value must be cast; null: none */
export function planSource(copy: SourceOf, types: (string | null)[]): SourcePlan {
  const { plan, connector } = copy;
  const fields = readableFields(copy);
  const readsRow = connector.format.reads_row;
  const read = fields.filter(({ at }) => isRead(at, plan, readsRow));
  const rest = { ...plan, computed: [] };
  const direct = filledColumns(rest);
  const taken = new Set(direct.map(({ name }) => name));
  const staged = read.map((field): MatchedColumn => {
    return { position: field.at as number, target: toColumn(field, taken), ...(readsRow && { asIs: true }) };
  });
  // COPY has at least one column.
  if (direct.length + staged.length === 0) staged.push({ position: 0, target: toColumn(fields[0]!, taken) });
  const columns = readsRow
    ? [...plan.columns, ...staged]
    : [...plan.columns, ...staged].sort((a, b) => a.position - b.position);
  const keys = keysOf(copy);
  const copied = { ...rest, columns, ...(keys && { keys }) };
  return {
    plan: copied,
    staged,
    direct,
    filled: filledColumns(copied),
    values: plan.computed.map((column, i) => ({ column, type: types[i] ?? null })),
    over: {
      columns: new Map(staged.map(({ position, target }) => [position, pg.escapeIdentifier(target.name)])),
      others: direct.map(({ name }) => pg.escapeIdentifier(name)),
      from: SOURCE,
      row: readsRow ? fields : null,
    },
    columns: filledColumns(plan),
  };
}

function isRead(at: Field['at'], { computed }: CopyPlan, readsRow: boolean): boolean {
  return typeof at === 'number' && (readsRow || computed.some(({ value }) => value === at));
}

/** Returns a column of the source for a field, with a name that is not taken. */
function toColumn({ name, type }: Field, taken: Set<string>): TableColumn {
  let unique = name;
  for (let number = 1; taken.has(unique); number++) unique = `s3_connector field ${number}`;
  taken.add(unique);
  const baseType = withoutModifier(type.replace(/^pg_catalog\./, ''));
  return plainColumn(unique, type, baseType);
}

/** Returns the statement that computes rows from those of the source, and inserts them into a table with the target's columns. */
export function insertComputed(table: string, { values, over, columns }: SourcePlan): string {
  const direct = over.others.map((_, i) => other(i));
  const select = [...direct, ...values.map((_, i) => computed(i))].join(', ');
  return `insert into ${table} (${quoteColumns(columns)}) overriding system value select ${select} from ${from(values, over)}`;
}

/** Returns a statement for each computed column that evaluates it for all rows of the source. */
export function evaluations({ values, over }: SourcePlan): { column: string; statement: string }[] {
  return values.map((value) => ({
    column: value.column.target.name,
    statement: `select ${computed(0)} from ${from([value], over)}`,
  }));
}

function from(values: SourcePlan['values'], over: EvaluatedOver): string {
  const expressions = values.map(({ column }) => column);
  return evaluate(expressions, over, (i) => values[i]!.type);
}

/** Returns a source that needs no table: its only row is null. */
export function withoutRows(source: SourcePlan): SourcePlan {
  const nullOf = ({ type }: TableColumn) => `cast(null as ${qualifyType(type)})`;
  const { staged, direct } = source;
  const columns = new Map(staged.map(({ position, target }) => [position, nullOf(target)]));
  return { ...source, over: { ...source.over, columns, others: direct.map(nullOf), from: null } };
}
