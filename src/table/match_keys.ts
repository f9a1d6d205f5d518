/** Matches keys with the columns of the table, for files whose rows each name their own columns. */
import type { ColumnMapping } from '../db/schema.ts';
import type { ConstantColumn } from '../formats/constants.ts';
import type { ComputedColumn, MatchedColumn, PlannedKeys } from '../formats/format.ts';
import { isPath, nameOfKey, stepsOf } from '../formats/json/path.ts';
import { noColumnMatches, refuseTwice, unknownColumns } from './match_errors.ts';
import { targetsOf } from './match_fields.ts';
import { findNamed, longNameOf } from './names.ts';
import type { TableColumn, TargetTable } from './table.ts';

/** How keys go into columns. A column's position is that of its key in `keys.names`. */
export interface MatchedKeys {
  columns: MatchedColumn[];
  width: number;
  keys: PlannedKeys;
  /** Keys of the part that the table lacks. */
  unknown: string[];
}

/** What decides about keys beside names and mappings. */
interface KeyRules {
  /** Whether a row with an unknown key fails the file. */
  refusesUnknown: boolean;
  /** Whether an unknown name is refused at once: then the names are those of all rows. */
  refusesNames: boolean;
  onlyNames: boolean;
  /** Whether rows may be in the table already. Then a column whose key no row has keeps its values. */
  updates: boolean;
  /** Columns that get the same value in each row. */
  fixed: ConstantColumn[];
  /** Columns that are computed from no single key. */
  computed: ComputedColumn[];
}

/**
 * Returns which key, or path, goes into which column. Names must be the same in each letter, as for json_populate_record. Any row may
 * have any key, so each column is filled, with null where a row lacks it; but only if the names have it, a column with a default, or any with
 * `updates`.
 * @param names those of the first rows, or of all
 * @throws ConnectorError `unknown_column` (a path's, or any with `refusesNames`), `no_column_matches`, `column_not_writable`
 */
export function matchKeys(
  names: string[],
  table: TargetTable,
  mappings: ColumnMapping[],
  { refusesUnknown, refusesNames, onlyNames, updates, fixed, computed }: KeyRules,
): MatchedKeys {
  const filled: string[] = [];
  const columns: MatchedColumn[] = [];
  const fill = (name: string, target: TableColumn) => {
    columns.push({ position: filled.length, target });
    filled.push(name);
  };
  const paired = pairByKey(names, table, mappings);
  for (const { name, wanted, target } of paired) {
    refuseTwice(name, wanted, fixed);
    if (target) fill(name, target);
  }
  const unknown = paired.filter(({ target }) => target === undefined);
  const refuses = refusesUnknown && !keepsAll(filled);
  const refused = unknown.filter(({ name }) => refusesNames || isPath(name));
  if (refused.length > 0 && refuses) throw unknownColumns(refused, table);
  if (columns.length + computed.length === 0 && names.length > 0)
    throw noColumnMatches({ columnNames: names, columnCount: names.length }, table);
  const late = onlyNames ? [] : fillOthers(names, table, mappings, { columns, computed, updates, fill });
  return {
    columns,
    width: filled.length,
    keys: {
      names: filled,
      known: mappings.flatMap(({ source_column, target_column }) =>
        target_column === null && source_column !== null ? [source_column] : [],
      ),
      late,
      refusesUnknown: refuses,
      has: table.columns.map((column) => column.name),
    },
    unknown: keepsAll(filled) ? [] : unknown.map(({ name }) => name),
  };
}

/** Whether the whole record goes into a column: then no key is unknown. */
export const keepsAll = (names: string[]): boolean => names.includes('$');

/** A key, or path, with the name that it is to have in the table, and the column of that name; undefined: the table lacks it. */
interface PairedKey {
  /** Position among the names, from 0. */
  position: number;
  name: string;
  wanted: string;
  target: TableColumn | undefined;
}

/** Returns the keys without those that column_mappings leaves out, each with the table's column of its name. */
export function pairByKey(names: string[], { columns }: TargetTable, mappings: ColumnMapping[]): PairedKey[] {
  const targets = targetsOf(mappings);
  return names.flatMap((name, position) => {
    const wanted = targets.has(name) ? (targets.get(name) ?? null) : name;
    return wanted === null ? [] : [{ position, name, wanted, target: findExactly(columns, wanted) }];
  });
}

/** Fills the columns that no name so far goes into. Returns the keys that must not come late: their columns have another value. */
function fillOthers(
  names: string[],
  table: TargetTable,
  mappings: ColumnMapping[],
  {
    columns,
    computed,
    updates,
    fill,
  }: {
    columns: MatchedColumn[];
    computed: ComputedColumn[];
    updates: boolean;
    fill: (name: string, target: TableColumn) => void;
  },
): string[] {
  const open = table.columns.filter((column) => !columns.some(({ target }) => target === column));
  const late: string[] = [];
  const firstSteps = new Set(names.filter(isPath).map((name) => stepsOf(name)[0]));
  for (const column of open) {
    const mapping = mappings.find(
      ({ source_column, target_column }) => source_column !== null && target_column === column.name,
    );
    const key = mapping?.source_column ?? nameOfKey(longNameOf(column) ?? column.name);
    // The key of that name goes into another column, or nowhere.
    if (!mapping && mappings.some(({ source_column }) => source_column === key)) continue;
    const isComputed = computed.some(({ target }) => target === column);
    // A key through which a path goes is no unknown one, so that nobody would notice it later.
    const mayDefault = (column.hasDefault || updates) && !firstSteps.has(column.name);
    if (isComputed || !column.insertable || mayDefault) late.push(key);
    else fill(key, column);
  }
  return late;
}

/** Returns the column of exactly that name. A name that is too long is that of the column which was created for it. */
export function findExactly(columns: TableColumn[], name: string): TableColumn | undefined {
  const found = findNamed(columns, name);
  return found && (found.name === name || found.comment === name) ? found : undefined;
}
