/** Finds the "computed" columns of a table: PostgreSQL computes their values from each row of a file, by SQL over `value` and `row`. */
import pg from 'pg';
import type { ColumnMapping } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { ConstantColumn } from '../formats/constants.ts';
import { type DateFormats, dateFormatOf, isDateWord } from '../formats/date_formats.ts';
import type { ComputedColumn, FilePart, MatchedColumn } from '../formats/format.ts';
import { qualifyType } from './expressions.ts';
import { findNamed } from './names.ts';
import { showName } from './show_name.ts';
import { quoteTable, type TableColumn, type TargetTable } from './table.ts';

/** A row of column_mappings with an expression. */
export type ExpressionMapping = ColumnMapping & { expression: string; target_column: string };

export function withExpression(mappings: ColumnMapping[]): ExpressionMapping[] {
  return mappings.filter((mapping): mapping is ExpressionMapping => mapping.expression !== null);
}

/**
 * Returns the columns whose expression needs no column of the file.
 * @throws ConnectorError `unknown_column`, `column_not_writable`
 */
export function computedFromRow(table: TargetTable, mappings: ColumnMapping[]): ComputedColumn[] {
  const free = withExpression(mappings).filter(({ source_column }) => source_column === null);
  return free.map(({ expression, target_column }) => ({
    target: requireTarget(table, target_column),
    expression,
    isOwn: true,
    value: null,
  }));
}

/** Returns the columns whose expression, or template of to_timestamp, reads a part of the key. */
export function computedFromKey(constants: ConstantColumn[], mappings: ColumnMapping[]): ComputedColumn[] {
  return constants.flatMap(({ source, target, value }) => {
    const mapping = mappings.find(({ source_column }) => source !== null && source_column === source);
    const format = mapping?.date_format ?? 'server';
    const isOwn = typeof mapping?.expression === 'string';
    const expression = mapping?.expression ?? (isDateWord(format) ? null : byTemplate(target, format));
    return expression === null ? [] : [{ target, expression, isOwn, value: { text: value } }];
  });
}

export function isComputed(column: TableColumn, computed: ComputedColumn[]): boolean {
  return computed.some(({ target }) => target === column);
}

/** What decides whether a matched column is computed. */
export interface ComputedBy {
  names: string[];
  mappings: ExpressionMapping[];
  format: DateFormats;
  columnTypes: FilePart['columnTypes'];
}

/** Returns the column with its expression; null if the field goes into it by COPY. */
export function computedFromField(
  { position, target }: MatchedColumn,
  { names, mappings, format, columnTypes }: ComputedBy,
): ComputedColumn | null {
  const name = names[position];
  const mapping = mappings.find(({ source_column }) => source_column === name);
  if (mapping) return { target, expression: mapping.expression, isOwn: true, value: position };
  const dateFormat = dateFormatOf(format, name);
  if (isDateWord(dateFormat) || (columnTypes && columnTypes[position] !== 'text')) return null;
  const expression = byTemplate(target, dateFormat);
  return expression === null ? null : { target, expression, isOwn: false, value: position };
}

/**
 * Returns the expression that reads times by a template of to_timestamp; null for a column without times. A blank is no time: of it,
 * to_timestamp makes one in the year 1 BC.
 */
function byTemplate({ baseType }: TableColumn, template: string): string | null {
  const read = templateCall(baseType, pg.escapeLiteral(template));
  return (
    read &&
    `case when value operator(pg_catalog.~) '^[[:space:]]*$' then cast(value as ${qualifyType(baseType)}) else ${read} end`
  );
}

function templateCall(baseType: string, literal: string): string | null {
  switch (baseType) {
    case 'date':
      return `pg_catalog.to_date(value, ${literal})`;
    case 'timestamp with time zone':
      return `pg_catalog.to_timestamp(value, ${literal})`;
    case 'timestamp without time zone':
      return `cast(pg_catalog.to_timestamp(value, ${literal}) as timestamp)`;
    default:
      return null;
  }
}

/** Returns the type of a new table's column whose times are written by a template. */
export function typeOfTemplate(template: string): string {
  return /HH|MI|SS|MS|US|FF\d/i.test(template.replaceAll(/"[^"]*"/g, '')) ? 'timestamptz' : 'date';
}

function requireTarget(table: TargetTable, name: string): TableColumn {
  const target = findNamed(table.columns, name);
  if (!target) {
    throw new ConnectorError(
      'unknown_column',
      `column_mappings has an expression for column ${showName(name)}, which ${quoteTable(table)} lacks`,
      { hint: 'Add the column to the table, or delete the mapping.' },
    );
  }
  if (target.insertable) return target;
  throw new ConnectorError(
    'column_not_writable',
    `column ${showName(target.name)} is generated, or computed by a view, and cannot be filled by an expression`,
    { hint: 'Delete the row of column_mappings that has the expression.' },
  );
}
