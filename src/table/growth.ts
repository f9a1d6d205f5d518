/** Plans how a table "grows" with its files: the columns and the types that it gets because a file has them. */
import pg from 'pg';
import type { Attempt } from '../attempt.ts';
import type { ColumnMapping } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { FileColumn, FilePart, MatchedColumn } from '../formats/format.ts';
import { isNamed, planColumns } from './change_columns.ts';
import { MAX_KEPT_NAME_BYTES } from './create.ts';
import { lineageColumns } from './lineage.ts';
import type { MatchSource } from './match.ts';
import { noColumnMatches } from './match_errors.ts';
import { type PairedColumn, pairByName } from './match_fields.ts';
import { keepsAll, pairByKey } from './match_keys.ts';
import { newNames } from './names.ts';
import { showName, showNames } from './show_name.ts';
import { plainColumn, quoteTable, type TableColumn, type TargetTable } from './table.ts';
import { withoutModifier } from './type_lattice.ts';
import { findWidenings, mayLose, type Widening } from './widen.ts';

/** A change of a table for a file: a row of schema_changes. */
export interface SchemaChange {
  change: 'added' | 'widened';
  /** The column of the file, and that of the table. */
  source_column: string;
  column_name: string;
  column_type: string;
  /** The type that a widened column had. */
  old_type: string | null;
  statement: string;
}

/** What an import knows of its table's growth. It outlives a transaction that is rolled back to begin again with a lock. */
export class Growth {
  /** Whether the transaction begins with an exclusive lock of the table. */
  locks = false;
  readonly #inferred = new Map<number, FileColumn[] | null>();
  readonly #refused = new Map<number, Set<string>>();

  /**
   * Returns a part's columns. They are inferred once, and so without the lock.
   * @param position of the part in the file, from 0
   */
  async columnsOf(part: FilePart, position: number): Promise<FileColumn[] | null> {
    if (!this.#inferred.has(position)) this.#inferred.set(position, await part.inferColumns());
    return this.#inferred.get(position)!;
  }

  /** Returns the table's columns whose types refused a value of a part. */
  refusedIn(position: number): Set<string> {
    return this.#refused.get(position) ?? new Set();
  }

  /** Notes that a column's type refused a value of a part. */
  noteRefused(position: number, column: string): void {
    this.#refused.set(position, this.refusedIn(position).add(column));
  }
}

type GrowSource = Pick<Attempt, 'connector' | 'mappings'>;

/**
 * Returns the columns of a part that its table lacks and is to get.
 * @throws ConnectorError `no_column_matches`, `duplicate_column`
 */
function findNewColumns(
  part: Pick<FilePart, 'columnNames' | 'columnCount' | 'namesKeys'>,
  table: TargetTable,
  { connector, mappings }: GrowSource,
): PairedColumn[] {
  const { columnNames } = part;
  if (connector.on_unknown_column !== 'add' || connector.match_columns_by !== 'name' || columnNames === null)
    return [];
  const pair = part.namesKeys ? pairByKey : pairByName;
  const paired = pair(columnNames, table, mappings).filter(
    ({ name, target }) => target !== undefined || !isNamed(name, connector),
  );
  if (part.namesKeys && keepsAll(paired.map(({ name }) => name))) return [];
  const unknown = paired.filter(({ target }) => target === undefined);
  if (unknown.length === 0) return [];
  // A file of another kind must not fill the table with its columns.
  const filled = table.columns.filter(({ name }) => !isFilledByUs(name, connector));
  if (filled.length > 0 && unknown.length === paired.length)
    throw noColumnMatches(part, { ...table, columns: filled });
  const twice = unknown.find(({ wanted }, i) => unknown.slice(0, i).some((one) => one.wanted === wanted));
  if (twice !== undefined) throw namedTwice(twice, table);
  return unknown;
}

/** How a table is to change for a part. */
export interface Plan {
  changes: SchemaChange[];
  /** One that alters the table, and one for each name that is too long for a column. */
  statements: string[];
  /** Whether PostgreSQL writes the whole table again. */
  rewrites: boolean;
  /** The table as it will be. */
  table: TargetTable;
}

/** What a plan needs to know of a part. */
export interface PartTypes {
  /** Returns the part's columns with their types; null if it has neither rows nor types. */
  columns(): Promise<FileColumn[] | null>;
  /** Returns column_mappings, with the types of the values that PostgreSQL will compute. */
  mappings(): Promise<ColumnMapping[]>;
  /** The table's columns whose types refused a value of the part. */
  refused: Set<string>;
  /** How many columns the file has added already. */
  addedBefore: number;
}

/**
 * Returns how a table is to change for a part, by on_unknown_column and on_type_mismatch. Changes nothing.
 * @returns null if the part has neither rows nor types
 * @throws ConnectorError `too_many_new_columns`, `no_column_matches`, `duplicate_column`, `not_csv`
 */
export async function planGrowth(
  part: FilePart,
  table: TargetTable,
  source: MatchSource & GrowSource,
  { columns, mappings, refused, addedBefore }: PartTypes,
): Promise<Plan | null> {
  let unknown = findNewColumns(part, table, source);
  const { matched, names } = await matchedColumns(part, table, source);
  const typesAreKnown = part.columnTypes !== undefined;
  const mayWiden = refused.size > 0 || matched.some((column) => mayLose(column, typesAreKnown));
  if (unknown.length === 0 && !mayWiden) return { changes: [], statements: [], rewrites: false, table };
  if (unknown.length > 0) await part.refuseImplausible?.();
  const types = await columns();
  if (types === null) return null;
  // Only now the keys of all rows are known.
  if (part.namesKeys && unknown.length > 0)
    unknown = findNewColumns({ ...namesOf(types), namesKeys: true }, table, source);
  const typed = unknown.length === 0 ? [] : await mappings();
  const added = planNewColumns(unknown, types, table, { ...source, mappings: typed }, addedBefore);
  const widened = findWidenings(names ? placedIn(types, matched, names) : matched, types, {
    refused,
    typesAreKnown,
  });
  return toPlan(table, added, widened);
}

/** Returns the columns of the part that may become wider, and for a part whose rows name their own columns the name of each position. */
async function matchedColumns(
  part: FilePart,
  table: TargetTable,
  { connector, ...rest }: MatchSource & GrowSource,
): Promise<{ matched: MatchedColumn[]; names: string[] | null }> {
  if (connector.on_type_mismatch !== 'widen') return { matched: [], names: null };
  const lenient = { ...connector, on_unknown_column: 'ignore', on_missing_column: 'default' } as const;
  const { columns, keys } = await planColumns(part, table, { ...rest, connector: lenient });
  const matched = columns.filter(({ target }) => table.columns.includes(target));
  return { matched, names: keys?.names ?? null };
}

/** Returns the columns with their positions among those that inference returns. */
function placedIn(types: FileColumn[], matched: MatchedColumn[], names: string[]): MatchedColumn[] {
  return matched.map((column) => ({
    ...column,
    position: types.findIndex(({ name }) => name === names[column.position]),
  }));
}

function namesOf(columns: FileColumn[]): Pick<FilePart, 'columnNames' | 'columnCount'> {
  return { columnNames: columns.map(({ name }) => name), columnCount: columns.length };
}

/** A column that is added: the file's name for it, the name that it should have, and its own. */
interface NewColumn {
  source: string;
  wanted: string;
  name: string;
  type: string;
}

function planNewColumns(
  unknown: PairedColumn[],
  columns: FileColumn[],
  table: TargetTable,
  { connector, mappings }: GrowSource,
  before: number,
): NewColumn[] {
  if (before + unknown.length > connector.max_new_columns)
    throw tooMany(before + unknown.length, unknown, connector.max_new_columns);
  const names = newNames(
    unknown.map(({ wanted }) => wanted),
    table.columns.map(({ name }) => name),
  );
  return unknown.map(({ position, name, wanted }, i) => {
    const mapping = mappings.find(({ source_column }) => source_column === name);
    return { source: name, wanted, name: names[i]!, type: mapping?.data_type ?? columns[position]!.type };
  });
}

function toPlan(table: TargetTable, added: NewColumn[], widened: Widening[]): Plan {
  const actions = [
    ...added.map(({ name, type }) => `add column ${pg.escapeIdentifier(name)} ${type}`),
    ...widened.map(({ column, type }) => `alter column ${pg.escapeIdentifier(column.name)} type ${type}`),
  ];
  if (actions.length === 0) return { changes: [], statements: [], rewrites: false, table };
  const statement = `alter table ${quoteTable(table)} ${actions.join(', ')}`;
  const changes = [
    ...added.map(({ source, name, type }) => change('added', source, name, type, null)),
    ...widened.map(({ source, column, type }) => change('widened', source, column.name, type, column.type)),
  ];
  function change(
    what: SchemaChange['change'],
    source: string,
    name: string,
    type: string,
    old: string | null,
  ) {
    return {
      change: what,
      source_column: source,
      column_name: name,
      column_type: type,
      old_type: old,
      statement,
    };
  }
  return {
    changes,
    statements: [statement, ...added.flatMap((column) => commentOf(table, column))],
    rewrites: widened.some(({ rewrites }) => rewrites),
    table: grown(table, added, widened),
  };
}

/** Keeps a name that is too long for a column, as in a new table. */
function commentOf(table: TargetTable, { wanted, name }: NewColumn): string[] {
  if (wanted === name || Buffer.byteLength(wanted) > MAX_KEPT_NAME_BYTES) return [];
  return [
    `comment on column ${quoteTable(table)}.${pg.escapeIdentifier(name)} is ${pg.escapeLiteral(wanted)}`,
  ];
}

function grown(table: TargetTable, added: NewColumn[], widened: Widening[]): TargetTable {
  const columns = table.columns.map((column) => {
    const type = widened.find((one) => one.column === column)?.type;
    return type === undefined ? column : { ...column, type, baseType: type };
  });
  const news = added.map(
    ({ wanted, name, type }): TableColumn => ({
      ...plainColumn(name, type, withoutModifier(type)),
      comment: wanted === name ? null : wanted,
    }),
  );
  return { ...table, columns: [...columns, ...news] };
}

function isFilledByUs(name: string, connector: GrowSource['connector']): boolean {
  const names = [
    ...lineageColumns(connector).map((column) => column.name),
    ...(connector.hive_columns ?? []),
  ];
  return names.includes(name);
}

function namedTwice({ wanted }: PairedColumn, table: TargetTable): ConnectorError {
  return new ConnectorError(
    'duplicate_column',
    `the file has two columns ${showName(wanted)}, which ${quoteTable(table)} lacks`,
    { hint: 'Rename one of them in the file, or add the column yourself and map the file by position.' },
  );
}

function tooMany(count: number, unknown: PairedColumn[], limit: number): ConnectorError {
  const shown = showNames(unknown.slice(0, 20).map(({ name }) => name));
  return new ConnectorError(
    'too_many_new_columns',
    `the file has ${count} columns that the table lacks, and max_new_columns is ${limit}: ${shown}${unknown.length > 20 ? ' ...' : ''}`,
    {
      hint: 'Check that the file belongs to this table. To add them all, pause the connector, raise max_new_columns, resume it, then retry the file.',
    },
  );
}
