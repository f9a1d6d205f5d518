/** Matches the columns of a file with the columns of its table. */
import type { ColumnMapping, Connector, File, FileFormatRow } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { ConstantColumn } from '../formats/constants.ts';
import type { EncodingOptions } from '../formats/csv/options.ts';
import type { DateFormats } from '../formats/date_formats.ts';
import type { ComputedColumn, CopyPlan, FilePart, MatchedColumn } from '../formats/format.ts';
import {
  computedFromField,
  computedFromKey,
  computedFromRow,
  type ExpressionMapping,
  isComputed,
  withExpression,
} from './computed.ts';
import { keyConstants } from './key_columns.ts';
import { type Lineage, type LineageSettings, matchLineage, refuseLineage } from './lineage.ts';
import { checkTargets, noColumnMatches } from './match_errors.ts';
import { isRefused, matchFields, rescuedFields } from './match_fields.ts';
import { matchKeys } from './match_keys.ts';
import { refuseMissing } from './missing.ts';
import { planRescue, rescueTarget } from './rescue.ts';
import { showName } from './show_name.ts';
import type { TableColumn, TargetTable } from './table.ts';

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
  const {
    columns: matched,
    names,
    width,
  } = byKey
    ? { ...byKey, names: byKey.keys.names }
    : matchFields(part, rest, settings, mappings, { computed: ofRow, ofParts, lineage });
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
  const unknown = byKey ? [] : rescuedFields(names, matched, mappings, settings);
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
