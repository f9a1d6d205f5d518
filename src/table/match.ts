/** Matches the columns of a file with the columns of its table. */
import type { ColumnMapping, Connector, File, FileFormatRow } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { ConstantColumn } from '../formats/constants.ts';
import type { EncodingOptions } from '../formats/csv/options.ts';
import type { DateFormats } from '../formats/date_formats.ts';
import type { ComputedColumn, CopyPlan, FilePart, MatchedColumn } from '../formats/format.ts';
import {
  computedByPosition,
  computedFromField,
  computedFromKey,
  computedFromRow,
  withExpression,
} from './computed.ts';
import { sourceNames } from './expressions.ts';
import { keyConstants } from './key_columns.ts';
import { type Lineage, type LineageSettings, matchLineage, refuseLineage } from './lineage.ts';
import { checkTargets, noColumnMatches, refuseTwice, unknownColumns } from './match_errors.ts';
import { matchKeys } from './match_keys.ts';
import { refuseMissing } from './missing.ts';
import { findNamed, shortenNames } from './names.ts';
import { planRescue, rescueTarget } from './rescue.ts';
import { showName } from './show_name.ts';
import { quoteTable, type TableColumn, type TargetTable } from './table.ts';

export type MatchSettings = Pick<
  Connector,
  | 'match_columns_by'
  | 'on_unknown_column'
  | 'on_missing_column'
  | 'on_type_mismatch'
  | 'rescue_column'
  | 'on_bad_row'
  | 'hive_columns'
> &
  LineageSettings;

/** The file that a part is of, with the settings of its connector: an attempt has them. */
export interface MatchSource {
  connector: MatchSettings & { format: DateFormats & EncodingOptions & Pick<FileFormatRow, 'reads_row'> };
  mappings: ColumnMapping[];
  file: Pick<File, 'id' | 'key'>;
  /** For a part whose rows name their own columns: only `columnNames` count, and an unknown one is refused at once. */
  onlyNames?: boolean;
}

export type MatchedPart = Pick<
  FilePart,
  'columnNames' | 'columnCount' | 'columnTypes' | 'cutsLongRows' | 'namesKeys'
>;

/**
 * Returns which column of the file goes into which column of the table, and the constants and expressions that fill other columns.
 * @throws ConnectorError `unknown_column`, `missing_column`, `no_column_matches`, `duplicate_column`, `column_not_writable`,
 *   `no_rescue_column`, and the errors of `keyConstants` and `matchLineage`
 */
export function matchColumns(
  part: MatchedPart,
  table: TargetTable,
  { connector: settings, mappings, file, onlyNames = false }: MatchSource,
): CopyPlan {
  const ofParts = keyConstants(file.key, table, settings, mappings);
  const lineage = matchLineage(table, settings, file);
  checkConstants(ofParts, lineage);
  const fixed = [...ofParts, ...lineage.constants];
  const fixedTargets = [...ofParts, ...lineage.targets].map(({ target }) => target);
  const ofRow = computedFromRow(table, mappings);
  const ofKey = computedFromKey(fixed, mappings);
  const constants = fixed.filter(({ target }) => !ofKey.some((column) => column.target === target));
  const rescueColumn = rescueTarget(table, settings);
  const isOpen = (column: TableColumn) => column !== rescueColumn && !fixedTargets.includes(column);
  const open = table.columns.filter(isOpen);
  const rest = { ...table, columns: open };
  const byName = part.columnNames !== null && settings.match_columns_by === 'name';
  const unplaced = { ...rest, columns: open.filter((column) => !isComputed(column, ofRow)) };
  const byKey = part.namesKeys
    ? matchKeys(part.columnNames ?? [], rest, mappings, {
        refusesUnknown: isRefused(settings),
        refusesNames: onlyNames || settings.format.reads_row,
        onlyNames,
        fixed,
        computed: ofRow,
      })
    : null;
  if (byKey?.keys.refusesUnknown)
    refuseLineage(
      byKey.unknown.map((name) => ({ name, wanted: name })),
      lineage,
    );
  const width = byKey ? byKey.width : widthOf(part, byName ? rest : unplaced, settings);
  const matched = byKey
    ? byKey.columns
    : byName
      ? matchByName(part.columnNames!, rest, settings, mappings, ofParts, lineage)
      : matchByPosition(width, unplaced, settings);
  const names = byKey ? byKey.keys.names : sourceNames(part, width);
  const by = {
    names,
    mappings: withExpression(mappings),
    format: settings.format,
    columnTypes: part.columnTypes,
  };
  const ofFields = byName ? [] : computedByPosition(names, rest, mappings);
  const placed = matched.filter(
    ({ position, target }) =>
      !ofFields.some((column) => column.value === position || column.target === target),
  );
  ofFields.push(...placed.flatMap((column) => computedFromField(column, by) ?? []));
  const ofMappings = [...ofFields, ...ofKey, ...ofRow];
  checkComputed(ofMappings, placed, fixedTargets, names);
  const computed = [...ofMappings, ...lineage.computed];
  const columns = placed.filter(({ target }) => !isComputed(target, computed));
  if (columns.length + ofMappings.length === 0) throw noColumnMatches(part, rest);
  if (settings.on_missing_column === 'fail') {
    // Keys that the table's columns have, and the part has not, are among the names, too.
    const isThere = (position: number) => !byKey || part.columnNames!.includes(names[position]!);
    const filled = [
      ...columns.filter(({ position }) => isThere(position)),
      ...computed.filter(({ value }) => typeof value !== 'number' || isThere(value)),
    ];
    refuseMissing(
      rest,
      filled.map(({ target }) => target),
      mappings,
    );
  }
  const known = [...placed.map(({ position }) => position), ...ofFields.map(({ value }) => value)];
  const unknown = byKey ? [] : unknownOf(names, known, mappings, settings);
  const rescue = rescueColumn && planRescue(rescueColumn, unknown, settings, byKey);
  const keys = byKey && { keys: byKey.keys };
  const { line } = lineage;
  return { columns, width, line, constants, computed, rescue, splittable: table.splittable, ...keys };
}

function isComputed(column: TableColumn, computed: ComputedColumn[]): boolean {
  return computed.some(({ target }) => target === column);
}

/** Refuses an expression for a column that is filled otherwise, too. */
function checkComputed(
  computed: ComputedColumn[],
  placed: MatchedColumn[],
  fixed: TableColumn[],
  names: string[],
): void {
  for (const [i, { target, value }] of computed.entries()) {
    const field = placed.find((column) => column.target === target && column.position !== value);
    const twice = field || computed.slice(0, i).some((earlier) => earlier.target === target);
    if (!twice && (value !== null || !fixed.includes(target))) continue;
    const what = field ? `the file's column ${showName(names[field.position]!)}` : 'another value';
    throw new ConnectorError(
      'duplicate_column',
      `${what} and an expression of column_mappings both go into column ${showName(target.name)}`,
      {
        hint: "Leave the file's column out with a row in column_mappings whose target_column is null, or delete the expression.",
      },
    );
  }
}

/**
 * Returns the number of fields in a row. A file without a header has the table's columns, as for COPY: its first row may be
 * bad. It may only have more if all rows may.
 */
function widthOf(
  { columnNames, columnCount, cutsLongRows = false }: MatchedPart,
  table: TargetTable,
  { on_unknown_column, on_bad_row }: MatchSettings,
): number {
  if (columnNames !== null) return columnCount;
  // A long row that is cut has more fields than it should, so its number says nothing.
  const fillable = fillableByPosition(cutsLongRows ? 0 : columnCount, table).length;
  const refusesLong = isRefused({ on_unknown_column }) && on_bad_row === 'skip';
  return refusesLong || cutsLongRows ? fillable : Math.max(columnCount, fillable);
}

function matchByName(
  names: string[],
  table: TargetTable,
  settings: MatchSettings,
  mappings: ColumnMapping[],
  ofParts: ConstantColumn[],
  lineage: Lineage,
): MatchedColumn[] {
  const paired = pairByName(names, table, mappings);
  for (const { name, wanted } of paired) refuseTwice(name, wanted, ofParts);
  const matched = paired.flatMap(({ position, target }) => (target ? [{ position, target }] : []));
  const unknown = paired.filter(({ target }) => target === undefined);
  if (unknown.length > 0 && isRefused(settings)) {
    refuseLineage(unknown, lineage);
    throw unknownColumns(unknown, table);
  }
  checkTargets(matched, names);
  return matched;
}

/** Whether a column that the table lacks fails the file. With `add`, the table has all of them by now, or cannot have them. */
function isRefused({ on_unknown_column }: Pick<MatchSettings, 'on_unknown_column'>): boolean {
  return on_unknown_column === 'fail' || on_unknown_column === 'add';
}

/**
 * Returns the file's columns that are to be rescued, because they have no place in the table.
 * @param known the positions of the columns that have one, and of those that expressions read
 */
function unknownOf(
  names: string[],
  known: ComputedColumn['value'][],
  mappings: ColumnMapping[],
  { on_unknown_column }: MatchSettings,
): { position: number; name: string }[] {
  if (on_unknown_column !== 'rescue') return [];
  const leftOut = mappings.filter(({ target_column }) => target_column === null);
  return names
    .map((name, position) => ({ position, name }))
    .filter(
      ({ position, name }) =>
        !known.includes(position) && !leftOut.some(({ source_column }) => source_column === name),
    );
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
export function pairByName(
  names: string[],
  { columns }: TargetTable,
  mappings: ColumnMapping[],
): PairedColumn[] {
  const mapped = new Map(mappings.map((mapping) => [mapping.source_column, mapping.target_column]));
  const kept = names.flatMap((name, position) => {
    const wanted = mapped.has(name) ? (mapped.get(name) ?? null) : name;
    return wanted === null ? [] : [{ position, name, wanted }];
  });
  const shortNames = shortenNames(kept.map(({ wanted }) => wanted));
  return kept.map((column, i) => ({ ...column, target: findNamed(columns, column.wanted, shortNames[i]) }));
}

function matchByPosition(count: number, table: TargetTable, settings: MatchSettings): MatchedColumn[] {
  const insertable = fillableByPosition(count, table);
  if (count > insertable.length && isRefused(settings)) {
    throw new ConnectorError(
      'unknown_column',
      `the file has ${count} columns, ${quoteTable(table)} has ${insertable.length} to fill`,
      {
        hint: 'Add columns to the table, or set on_unknown_column to ignore.',
      },
    );
  }
  return insertable.slice(0, count).map((target, position) => ({ position, target }));
}

/** Returns the columns that a file with that many columns fills. One that has the ids of an identity has a column for each. */
function fillableByPosition(count: number, { columns }: TargetTable): TableColumn[] {
  const all = columns.filter((column) => column.insertable);
  return count === all.length ? all : all.filter((column) => !column.identityAlways);
}

/** @param ofParts of the key's parts */
function checkConstants(ofParts: ConstantColumn[], { targets }: Lineage): void {
  const named = [
    ...ofParts.map(({ source, target }) => ({ what: `${source}=...`, target })),
    ...targets.map(({ setting, target }) => ({ what: setting, target })),
  ];
  for (const [i, { what, target }] of named.entries()) {
    const earlier = named.slice(0, i).find((column) => column.target === target);
    if (earlier) {
      throw new ConnectorError(
        'duplicate_column',
        `the key's part ${earlier.what} and ${what} both go into column ${target.name}`,
        { hint: 'Give one of them another column in column_mappings.' },
      );
    }
  }
  for (const { source, target } of ofParts) {
    if (!target.insertable) {
      throw new ConnectorError(
        'column_not_writable',
        `column ${target.name} is generated, or computed by a view, and cannot be filled from the key`,
        { hint: `Remove ${source} from hive_columns.` },
      );
    }
  }
}
