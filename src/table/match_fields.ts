/** Matches fields with the columns of the table, for files whose rows all have the same ones: by name, or by position. */
import type { ColumnMapping, Connector } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { ConstantColumn } from '../formats/constants.ts';
import { columnName, columnNames } from '../formats/csv/infer.ts';
import type { ComputedColumn, FilePart, MatchedColumn } from '../formats/format.ts';
import { isComputed } from './computed.ts';
import { sourceNames } from './expressions.ts';
import { type Lineage, refuseLineage } from './lineage.ts';
import { refuseTwice, type UnknownColumn, unknownColumns } from './match_errors.ts';
import { findNamed, shortenNames } from './names.ts';
import { quoteTable, type TableColumn, type TargetTable } from './table.ts';

type FieldSettings = Pick<Connector, 'match_columns_by' | 'on_unknown_column' | 'on_bad_row'>;
type FieldPart = Pick<FilePart, 'columnNames' | 'columnCount' | 'columnTypes' | 'cutsLongRows'>;

/** How fields go into columns. */
interface MatchedFields {
  columns: MatchedColumn[];
  /** The names by which mappings know the fields. */
  names: string[];
  /** The number of fields in a row. */
  width: number;
}

/** The columns of the table that no single field fills. */
interface OtherColumns {
  /** Columns that are computed from no single field. */
  computed: ComputedColumn[];
  /** Columns of the key's parts. */
  ofParts: ConstantColumn[];
  lineage: Lineage;
}

/**
 * Returns which field goes into which column.
 * @throws ConnectorError `unknown_column`, `duplicate_column`
 */
export function matchFields(
  part: FieldPart,
  table: TargetTable,
  settings: FieldSettings,
  mappings: ColumnMapping[],
  others: OtherColumns,
): MatchedFields {
  const targets = targetsOf(mappings);
  if (part.columnNames !== null && settings.match_columns_by === 'name') {
    const names = part.columnNames;
    const columns = matchByName(keptFields(names, targets), table, settings, others);
    return { columns, names, width: part.columnCount };
  }
  // A column that an expression over the whole row fills is no place for a field.
  const places = { ...table, columns: table.columns.filter((one) => !isComputed(one, others.computed)) };
  const width = widthOf(part, places, settings, targets);
  const names = columnNames(sourceNames(part, width), true);
  const columns = matchByPosition(keptFields(names, targets), { table, places }, settings, others);
  return { columns, names, width };
}

/** The target_column of each column of a file that has a row in column_mappings. */
type Targets = Map<string | null, string | null>;

export function targetsOf(mappings: ColumnMapping[]): Targets {
  return new Map(mappings.map(({ source_column, target_column }) => [source_column, target_column]));
}

/** A column of the file that is not left out, with its target_column. */
interface Field {
  /** Position in the file, from 0. */
  position: number;
  name: string;
  mapped: string | undefined;
}

function keptFields(names: string[], targets: Targets): Field[] {
  return names.flatMap((name, position) => {
    const mapped = targets.get(name);
    return mapped === null ? [] : [{ position, name, mapped }];
  });
}

/**
 * Returns the number of fields in a row. A file without a header has the table's columns, as for COPY: its first row may be
 * bad. It may only have more if all rows may.
 */
function widthOf(
  part: FieldPart,
  table: TargetTable,
  { on_unknown_column, on_bad_row }: FieldSettings,
  targets: Targets,
): number {
  const { columnNames, columnCount, cutsLongRows = false } = part;
  if (columnNames !== null) return columnCount;
  // A long row that is cut has more fields than it should, so its number says nothing.
  const kept = cutsLongRows ? 0 : keptFields(sourceNames(part), targets).length;
  let width = fillableByPosition(kept, table).length;
  for (let at = 0; at < Math.max(width, Math.min(columnCount, width + 1)); at++)
    if (targets.get(columnName(at)) === null) width += 1;
  const refusesLong = isRefused({ on_unknown_column }) && on_bad_row === 'skip';
  return refusesLong || cutsLongRows ? width : Math.max(columnCount, width);
}

function matchByName(
  fields: Field[],
  table: TargetTable,
  settings: FieldSettings,
  { ofParts, lineage }: OtherColumns,
): MatchedColumn[] {
  const paired = pairFields(fields, table);
  for (const { name, wanted } of paired) refuseTwice(name, wanted, ofParts);
  const unknown = paired.filter(({ target }) => target === undefined);
  if (unknown.length > 0 && isRefused(settings)) {
    refuseLineage(unknown, lineage);
    throw unknownColumns(unknown, table);
  }
  return paired.flatMap(({ position, target }) => (target ? [{ position, target }] : []));
}

/** Whether a column that the table lacks fails the file. With `add`, the table has all of them by now, or cannot have them. */
export function isRefused({ on_unknown_column }: Pick<FieldSettings, 'on_unknown_column'>): boolean {
  return on_unknown_column === 'fail' || on_unknown_column === 'add';
}

/** Returns the file's columns that are to be rescued, because they have no place in the table. */
export function rescuedFields(
  names: string[],
  matched: MatchedColumn[],
  mappings: ColumnMapping[],
  { on_unknown_column }: Pick<FieldSettings, 'on_unknown_column'>,
): { position: number; name: string }[] {
  if (on_unknown_column !== 'rescue') return [];
  const known = new Set(matched.map(({ position }) => position));
  return keptFields(names, targetsOf(mappings)).filter(({ position }) => !known.has(position));
}

/** A column of the file, the name that it is to have in the table, and the column of that name; undefined: the table lacks it. */
export interface PairedColumn {
  /** Position in the file, from 0. */
  position: number;
  name: string;
  wanted: string;
  target: TableColumn | undefined;
}

/** Returns the file's columns, without those that column_mappings leaves out, each with the table's column of its name. */
export function pairByName(names: string[], table: TargetTable, mappings: ColumnMapping[]): PairedColumn[] {
  return pairFields(keptFields(names, targetsOf(mappings)), table);
}

function pairFields(fields: Field[], { columns }: TargetTable): PairedColumn[] {
  const shortNames = shortenNames(fields.map(({ name, mapped }) => mapped ?? name));
  return fields.map(({ position, name, mapped }, i) => {
    const wanted = mapped ?? name;
    return { position, name, wanted, target: findNamed(columns, wanted, shortNames[i]) };
  });
}

/**
 * A field goes where its mapping says. The others go to the column at their place: a field that is left out has none.
 * @param places the columns that have a place, in order
 */
function matchByPosition(
  fields: Field[],
  { table, places }: { table: TargetTable; places: TargetTable },
  settings: FieldSettings,
  { ofParts, lineage }: OtherColumns,
): MatchedColumn[] {
  const placed = fillableByPosition(fields.length, places);
  const matched: MatchedColumn[] = [];
  const unknown: UnknownColumn[] = [];
  let tooMany = false;
  for (const [place, { position, name, mapped }] of fields.entries()) {
    if (mapped !== undefined) refuseTwice(name, mapped, ofParts);
    const target = mapped === undefined ? placed[place] : findNamed(table.columns, mapped);
    if (target) matched.push({ position, target });
    else if (mapped === undefined) tooMany = true;
    else unknown.push({ name, wanted: mapped });
  }
  if (!isRefused(settings)) return matched;
  if (unknown.length > 0) {
    refuseLineage(unknown, lineage);
    throw unknownColumns(unknown, table);
  }
  if (tooMany) {
    throw new ConnectorError(
      'unknown_column',
      `the file has ${fields.length} columns, ${quoteTable(table)} has ${placed.length} to fill`,
      {
        hint: 'Add columns to the table, or set on_unknown_column to ignore.',
      },
    );
  }
  return matched;
}

/** Returns the columns that a file with that many columns fills. One that has the ids of an identity has a column for each. */
function fillableByPosition(count: number, { columns }: TargetTable): TableColumn[] {
  const all = columns.filter((column) => column.insertable);
  return count === all.length ? all : all.filter((column) => !column.identityAlways);
}
