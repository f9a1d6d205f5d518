/** What can be wrong with how columns of a file match those of the table. */
import { ConnectorError } from '../errors.ts';
import type { ConstantColumn } from '../formats/constants.ts';
import type { FilePart, MatchedColumn } from '../formats/format.ts';
import { findNamed } from './names.ts';
import { showBeside, showName, showNames } from './show_name.ts';
import { quoteTable, type TableColumn, type TargetTable } from './table.ts';

export function noColumnMatches(
  { columnNames, columnCount }: Pick<FilePart, 'columnNames' | 'columnCount'>,
  table: TargetTable,
): ConnectorError {
  return new ConnectorError(
    'no_column_matches',
    `none of the file's columns is a column of ${quoteTable(table)}`,
    {
      hint: `The file has ${columnNames ? showNames(columnNames) : `${columnCount} columns`}; the table has ${showNames(table.columns.map((column) => column.name))}.`,
    },
  );
}

/** Refuses a column of the file that goes into the same column of the table as a part of its key. */
export function refuseTwice(name: string, wanted: string, constants: ConstantColumn[]): void {
  const fromKey = constants.filter(({ source }) => source !== null);
  const target = findNamed(
    fromKey.map((constant) => constant.target),
    wanted,
  );
  if (!target) return;
  const { source } = fromKey.find((constant) => constant.target === target)!;
  throw new ConnectorError(
    'duplicate_column',
    `the file's column ${showName(name)} and the key's part ${source}=... both go into column ${showName(target.name)}`,
    { hint: `Remove ${source} from hive_columns, or leave the file's column out in column_mappings.` },
  );
}

export function checkTargets(matched: MatchedColumn[], names: string[]): void {
  const seen = new Map<TableColumn, number>();
  for (const { position, target } of matched) {
    const earlier = seen.get(target);
    if (earlier !== undefined) {
      throw new ConnectorError(
        'duplicate_column',
        `the file's columns ${showName(names[earlier]!)} and ${showName(names[position]!)} both go into column ${showName(target.name)}`,
        {
          hint:
            names[earlier] === names[position]
              ? 'Rename one of them in the file. Or pause the connector, set match_columns_by to position, resume it, then retry the file: the names no longer count.'
              : 'Leave one out, or give it another column, by a row in column_mappings.',
        },
      );
    }
    seen.set(target, position);
    if (!target.insertable) {
      throw new ConnectorError(
        'column_not_writable',
        `column ${showName(target.name)} is generated, or computed by a view, and cannot be filled from the file`,
        {
          hint: "Leave the file's column out with a row in column_mappings whose target_column is null.",
        },
      );
    }
  }
}

/** A column of the file that the table lacks, and the name that it was to have there. */
export interface UnknownColumn {
  name: string;
  wanted: string;
}

export function unknownColumns(unknown: UnknownColumn[], table: TargetTable): ConnectorError {
  const has = table.columns.map((column) => column.name);
  const shown = unknown.map(({ name, wanted }) =>
    wanted === name ? showBeside(name, has) : `${showName(name)} (as ${showName(wanted)})`,
  );
  return new ConnectorError(
    'unknown_column',
    `the file has columns that ${quoteTable(table)} lacks: ${shown.join(', ')}`,
    {
      hint: `The table has ${showNames(has)}. Add the columns, map them in column_mappings, or set on_unknown_column to ignore.`,
    },
  );
}
