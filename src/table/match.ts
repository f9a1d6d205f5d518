/** Matches the columns of a file with the columns of its table. */
import type { ColumnMapping, Connector, File } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { ConstantColumn } from '../formats/constants.ts';
import type { CopyPlan, FilePart, MatchedColumn } from '../formats/format.ts';
import { keyConstants } from './key_columns.ts';
import {
  checkTargets,
  noColumnMatches,
  refuseTwice,
  type UnknownColumn,
  unknownColumns,
} from './match_errors.ts';
import { matchKeys } from './match_keys.ts';
import { findNamed, shortenNames, truncateName } from './names.ts';
import { quoteTable, type TableColumn, type TargetTable } from './table.ts';

export type MatchSettings = Pick<
  Connector,
  'match_columns_by' | 'on_unknown_column' | 'on_bad_row' | 'file_id_column' | 'hive_columns'
>;

/** The file that a part is of, with the settings of its connector: an attempt has them. */
export interface MatchSource {
  connector: MatchSettings;
  mappings: ColumnMapping[];
  file: Pick<File, 'id' | 'key'>;
  /** For a part whose rows name their own columns: only `columnNames` count, and an unknown one is refused at once. */
  onlyNames?: boolean;
}

type MatchedPart = Pick<FilePart, 'columnNames' | 'columnCount' | 'cutsLongRows' | 'namesKeys'>;

/**
 * Returns which column of the file goes into which column of the table, and the constants that fill other columns.
 * @throws ConnectorError `unknown_column`, `no_column_matches`, `duplicate_column`, `column_not_writable`,
 *   `no_file_id_column`, and the errors of `keyConstants`
 */
export function matchColumns(
  part: MatchedPart,
  table: TargetTable,
  { connector: settings, mappings, file, onlyNames = false }: MatchSource,
): CopyPlan {
  const constants = [
    ...keyConstants(file.key, table, settings, mappings),
    ...fileIdConstant(table, settings.file_id_column, file.id),
  ];
  checkConstants(constants);
  const open = table.columns.filter((column) => !constants.some(({ target }) => target === column));
  const rest = { ...table, columns: open };
  if (part.namesKeys) {
    for (const name of part.columnNames ?? []) {
      const mapping = mappings.find(({ source_column }) => source_column === name);
      const wanted = mapping ? mapping.target_column : name;
      if (wanted !== null) refuseTwice(name, wanted, constants);
    }
    const keys = matchKeys(part.columnNames ?? [], rest, mappings, {
      refusesUnknown: settings.on_unknown_column === 'fail',
      onlyNames,
    });
    return { ...keys, constants, splittable: table.splittable };
  }
  const width = widthOf(part, rest, settings);
  const columns =
    part.columnNames !== null && settings.match_columns_by === 'name'
      ? matchByName(part.columnNames, rest, settings, mappings, constants)
      : matchByPosition(width, rest, settings);
  if (columns.length === 0) throw noColumnMatches(part, rest);
  return { columns, width, constants, splittable: table.splittable };
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
  const refusesLong = on_unknown_column === 'fail' && on_bad_row === 'skip';
  return refusesLong || cutsLongRows ? fillable : Math.max(columnCount, fillable);
}

function matchByName(
  names: string[],
  table: TargetTable,
  settings: MatchSettings,
  mappings: ColumnMapping[],
  constants: ConstantColumn[],
): MatchedColumn[] {
  const mapped = new Map(mappings.map((mapping) => [mapping.source_column, mapping.target_column]));
  const matched: MatchedColumn[] = [];
  const unknown: UnknownColumn[] = [];
  const kept = names.flatMap((name, position) => {
    const wanted = mapped.has(name) ? (mapped.get(name) ?? null) : name;
    return wanted === null ? [] : [{ position, name, wanted }];
  });
  const shortNames = shortenNames(kept.map(({ wanted }) => wanted));
  for (const [i, { position, name, wanted }] of kept.entries()) {
    refuseTwice(name, wanted, constants);
    const target = findNamed(table.columns, wanted, shortNames[i]);
    if (target) matched.push({ position, target });
    else unknown.push({ name, wanted });
  }
  if (unknown.length > 0 && settings.on_unknown_column === 'fail') throw unknownColumns(unknown, table);
  checkTargets(matched, names);
  return matched;
}

function matchByPosition(count: number, table: TargetTable, settings: MatchSettings): MatchedColumn[] {
  const insertable = fillableByPosition(count, table);
  if (count > insertable.length && settings.on_unknown_column === 'fail') {
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

function checkConstants(constants: ConstantColumn[]): void {
  for (const [i, { source, target }] of constants.entries()) {
    const earlier = constants.slice(0, i).find((constant) => constant.target === target);
    if (earlier) {
      throw new ConnectorError(
        'duplicate_column',
        `the key's part ${earlier.source}=... and ${source === null ? "the file's id" : `${source}=...`} both go into column ${target.name}`,
        { hint: 'Give one of them another column in column_mappings.' },
      );
    }
    if (source !== null && !target.insertable) {
      throw new ConnectorError(
        'column_not_writable',
        `column ${target.name} is generated, or computed by a view, and cannot be filled from the key`,
        { hint: `Remove ${source} from hive_columns.` },
      );
    }
  }
}

function fileIdConstant(table: TargetTable, name: string | null, fileId: number): ConstantColumn[] {
  if (name === null) return [];
  const target = table.columns.find((column) => column.name === truncateName(name));
  if (target) return [{ source: null, target, value: String(fileId) }];
  throw new ConnectorError(
    'no_file_id_column',
    `file_id_column ${name} is not a column of ${quoteTable(table)}`,
    {
      hint: `Run: alter table ${quoteTable(table)} add column ${name} bigint;`,
    },
  );
}
