/** Matches the columns of a file with the columns of its table. */
import type { ColumnMapping, Connector, File, FileFormatRow } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { ConstantColumn } from '../formats/constants.ts';
import { columnName, columnNames } from '../formats/csv/infer.ts';
import type { EncodingOptions } from '../formats/csv/options.ts';
import type { DateFormats } from '../formats/date_formats.ts';
import type { ComputedColumn, CopyPlan, FilePart, MatchedColumn } from '../formats/format.ts';
import {
  computedFromField,
  computedFromKey,
  computedFromRow,
  type ExpressionMapping,
  withExpression,
} from './computed.ts';
import { sourceNames } from './expressions.ts';
import { keyConstants } from './key_columns.ts';
import { type Lineage, type LineageSettings, matchLineage, refuseLineage } from './lineage.ts';
import {
  checkTargets,
  noColumnMatches,
  refuseTwice,
  type UnknownColumn,
  unknownColumns,
} from './match_errors.ts';
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
  | 'on_conflict'
  | 'change_column'
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
  // A column that an expression over the whole row fills is no place for a field.
  const places = byName ? rest : { ...rest, columns: open.filter((column) => !isComputed(column, ofRow)) };
  const targets: Targets = new Map(mappings.map((mapping) => [mapping.source_column, mapping.target_column]));
  const byKey = part.namesKeys
    ? matchKeys(part.columnNames ?? [], rest, mappings, {
        refusesUnknown: isRefused(settings),
        refusesNames: onlyNames || settings.format.reads_row,
        onlyNames,
        updates: settings.on_conflict === 'update' || settings.change_column !== null,
        fixed,
        computed: ofRow,
      })
    : null;
  if (byKey?.keys.refusesUnknown)
    refuseLineage(
      byKey.unknown.map((name) => ({ name, wanted: name })),
      lineage,
    );
  const width = byKey ? byKey.width : widthOf(part, places, settings, targets);
  const names = byKey
    ? byKey.keys.names
    : byName
      ? part.columnNames!
      : columnNames(sourceNames(part, width), true);
  const matched = byKey
    ? byKey.columns
    : byName
      ? matchByName(names, rest, settings, targets, ofParts, lineage)
      : matchByPosition(keptFields(names, targets), { table: rest, places }, settings, ofParts, lineage);
  checkTargets(matched, names);
  const by = {
    names,
    mappings: withExpression(mappings),
    format: settings.format,
    columnTypes: part.columnTypes,
  };
  const ofMappings = [
    ...matched.flatMap((column) => computedFromField(column, by) ?? []),
    ...ofKey,
    ...ofRow,
  ];
  checkComputed(ofMappings, matched, fixedTargets, names);
  const computed = [...ofMappings, ...lineage.computed];
  const columns = matched.filter(({ target }) => !isComputed(target, computed));
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
  const known = matched.map(({ position }) => position);
  const unknown = byKey ? [] : unknownOf(names, known, mappings, settings);
  const rescue = rescueColumn && planRescue(rescueColumn, unknown, settings, byKey);
  const keys = byKey && { keys: byKey.keys };
  // Any row may have a key that others lack.
  const notice = byKey ? null : noticeOfMissing(by.mappings, [...names, ...(settings.hive_columns ?? [])]);
  const { line } = lineage;
  return { columns, width, line, constants, computed, rescue, splittable: table.splittable, notice, ...keys };
}

/** Returns which expressions have nothing to compute a value from; null: none. */
function noticeOfMissing(mappings: ExpressionMapping[], sources: string[]): string | null {
  const missing = mappings.flatMap(({ source_column: name }) =>
    name === null || sources.includes(name) ? [] : [showName(name)],
  );
  if (missing.length === 0) return null;
  return `column_mappings has an expression for ${missing.join(', ')}, which the file lacks: it was not evaluated`;
}

function isComputed(column: TableColumn, computed: ComputedColumn[]): boolean {
  return computed.some(({ target }) => target === column);
}

/** Refuses an expression for a column that is filled otherwise, too. */
function checkComputed(
  computed: ComputedColumn[],
  matched: MatchedColumn[],
  fixed: TableColumn[],
  names: string[],
): void {
  for (const [i, { target, value }] of computed.entries()) {
    const field = matched.find((column) => column.target === target && column.position !== value);
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

/** The target_column of each column of a file that has a row in column_mappings. */
type Targets = Map<string | null, string | null>;

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
  part: MatchedPart,
  table: TargetTable,
  { on_unknown_column, on_bad_row }: MatchSettings,
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
  names: string[],
  table: TargetTable,
  settings: MatchSettings,
  targets: Targets,
  ofParts: ConstantColumn[],
  lineage: Lineage,
): MatchedColumn[] {
  const paired = pairFields(keptFields(names, targets), table);
  for (const { name, wanted } of paired) refuseTwice(name, wanted, ofParts);
  const unknown = paired.filter(({ target }) => target === undefined);
  if (unknown.length > 0 && isRefused(settings)) {
    refuseLineage(unknown, lineage);
    throw unknownColumns(unknown, table);
  }
  return paired.flatMap(({ position, target }) => (target ? [{ position, target }] : []));
}

/** Whether a column that the table lacks fails the file. With `add`, the table has all of them by now, or cannot have them. */
function isRefused({ on_unknown_column }: Pick<MatchSettings, 'on_unknown_column'>): boolean {
  return on_unknown_column === 'fail' || on_unknown_column === 'add';
}

/**
 * Returns the file's columns that are to be rescued, because they have no place in the table.
 * @param known the positions of the columns that have one
 */
function unknownOf(
  names: string[],
  known: number[],
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
export function pairByName(names: string[], table: TargetTable, mappings: ColumnMapping[]): PairedColumn[] {
  const targets: Targets = new Map(mappings.map((mapping) => [mapping.source_column, mapping.target_column]));
  return pairFields(keptFields(names, targets), table);
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
  settings: MatchSettings,
  ofParts: ConstantColumn[],
  lineage: Lineage,
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
