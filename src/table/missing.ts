/** Refuses a file that lacks columns of its table, for on_missing_column = 'fail'. */
import type { ColumnMapping } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import { findNamed } from './names.ts';
import { showNames } from './show_name.ts';
import { quoteTable, type TableColumn, type TargetTable } from './table.ts';

/**
 * Refuses a file without a column that only the file can fill. A column with a default or an identity gets its value from the
 * table, and one that column_mappings leaves out is left out on purpose.
 * @param table with the columns that nothing else fills
 * @param filled the columns that the file fills
 * @throws ConnectorError `missing_column`
 */
export function refuseMissing(table: TargetTable, filled: TableColumn[], mappings: ColumnMapping[]): void {
  const leftOut = mappings.map(({ source_column, target_column }) =>
    target_column === null && source_column !== null ? findNamed(table.columns, source_column) : undefined,
  );
  const missing = table.columns.filter(
    (column) =>
      column.insertable && !column.hasDefault && !filled.includes(column) && !leftOut.includes(column),
  );
  if (missing.length === 0) return;
  throw new ConnectorError(
    'missing_column',
    `${quoteTable(table)} has columns that the file lacks: ${showNames(missing.map(({ name }) => name))}`,
    {
      hint: 'Correct the file and retry it, or give the columns a default. Or pause the connector, set on_missing_column to default, resume it, then retry the file: the columns stay null.',
    },
  );
}
