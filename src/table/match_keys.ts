/** Matches keys with the columns of the table, for files whose rows each name their own columns. */
import type { ColumnMapping } from '../db/schema.ts';
import type { CopyPlan, MatchedColumn } from '../formats/format.ts';
import { isPath, nameOfKey, stepsOf } from '../formats/json/path.ts';
import { checkTargets, noColumnMatches, type UnknownColumn, unknownColumns } from './match_errors.ts';
import { findNamed } from './names.ts';
import type { TableColumn, TargetTable } from './table.ts';

/**
 * Returns which key, or path, goes into which column. Names must be the same in each letter, as for json_populate_record. Any row may
 * have any key, so each column is filled, with null where a row lacks it; but a column with a default only if the names have it.
 * @param names those of the first rows, or of all
 * @throws ConnectorError `unknown_column` (a path's, or any with `onlyNames`), `no_column_matches`, `duplicate_column`, `column_not_writable`
 */
export function matchKeys(
  names: string[],
  table: TargetTable,
  mappings: ColumnMapping[],
  { refusesUnknown, onlyNames }: { refusesUnknown: boolean; onlyNames: boolean },
): Pick<CopyPlan, 'columns' | 'width' | 'keys'> {
  const targets = new Map(mappings.map((mapping) => [mapping.source_column, mapping.target_column]));
  const filled: string[] = [];
  const columns: MatchedColumn[] = [];
  const unknown: UnknownColumn[] = [];
  const fill = (name: string, target: TableColumn) => {
    columns.push({ position: filled.length, target });
    filled.push(name);
  };
  for (const name of names) {
    const wanted = targets.has(name) ? (targets.get(name) ?? null) : name;
    const target = wanted === null ? undefined : findExactly(table.columns, wanted);
    if (target) fill(name, target);
    else if (wanted !== null && (onlyNames || isPath(name))) unknown.push({ name, wanted });
  }
  // The whole record keeps every key.
  const refuses = refusesUnknown && !filled.includes('$');
  if (unknown.length > 0 && refuses) throw unknownColumns(unknown, table);
  if (columns.length === 0 && names.length > 0)
    throw noColumnMatches({ columnNames: names, columnCount: names.length }, table);
  const late = onlyNames ? [] : fillOthers(names, table, mappings, columns, fill);
  checkTargets(columns, filled);
  return {
    columns,
    width: filled.length,
    keys: {
      names: filled,
      known: mappings.flatMap(({ source_column, target_column }) =>
        target_column === null ? [source_column] : [],
      ),
      late,
      refusesUnknown: refuses,
      has: table.columns.map((column) => column.name),
    },
  };
}

/** Fills the columns that no name so far goes into. Returns the keys of those that have a default. */
function fillOthers(
  names: string[],
  table: TargetTable,
  mappings: ColumnMapping[],
  columns: MatchedColumn[],
  fill: (name: string, target: TableColumn) => void,
): string[] {
  const open = table.columns.filter((column) => !columns.some(({ target }) => target === column));
  const late: string[] = [];
  const firstSteps = new Set(names.filter(isPath).map((name) => stepsOf(name)[0]));
  for (const column of open) {
    const mapping = mappings.find(({ target_column }) => target_column === column.name);
    const key =
      mapping?.source_column ??
      nameOfKey(column.comment?.startsWith(column.name) ? column.comment : column.name);
    // The key of that name goes into another column, or nowhere.
    if (!mapping && mappings.some(({ source_column }) => source_column === key)) continue;
    // A key through which a path goes is no unknown one, so that nobody would notice it later.
    if (!column.insertable || (column.hasDefault && !firstSteps.has(column.name))) late.push(key);
    else fill(key, column);
  }
  return late;
}

/** Returns the column of exactly that name. A name that is too long is that of the column which was created for it. */
function findExactly(columns: TableColumn[], name: string): TableColumn | undefined {
  const found = findNamed(columns, name);
  return found && (found.name === name || found.comment === name) ? found : undefined;
}
