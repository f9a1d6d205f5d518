import { isNested, listElement } from './types.ts';

/** A column of the file on its way into a column of the table. */
export interface TextColumn {
  name: string;
  duckdbType: string;
  /** The target's type without domain and modifiers, such as `jsonb`. */
  targetType: string;
}

/** Marks, in the message of an error that our own SQL raises, where our words begin and how they part. */
export const RAISED = 's3_connector|';

/**
 * Builds the DuckDB query that writes each row of a Parquet file as one line of COPY's text format
 * (https://www.postgresql.org/docs/current/sql-copy.html), as a BLOB. PostgreSQL then parses every value itself.
 */
export function textQuery(
  path: string,
  columns: TextColumn[],
  constant: string | null,
  hasRowNumber: boolean,
): string {
  const row = hasRowNumber ? 'file_row_number + 1' : "'?'";
  const fields = columns.map((column) => `coalesce(${fieldText(column, row)}, '\\N')`);
  if (constant !== null) fields.push(quoteText(constant));
  const source = `read_parquet(${quoteText(path)}${hasRowNumber ? ', file_row_number = true' : ''})`;
  return `select encode(${fields.join(' || chr(9) || ')} || chr(10)) from ${source}`;
}

/** One value as COPY's text format wants it, null staying null. */
function fieldText(column: TextColumn, row: string): string {
  const value = quoteName(column.name);
  const text = valueText(value, column, row);
  return mayNeedEscaping(column) ? escapeText(checkNul(text, column.name, row)) : text;
}

function valueText(value: string, { name, duckdbType, targetType }: TextColumn, row: string): string {
  const element = listElement(duckdbType);
  if (element !== null && !isNested(element) && !targetType.startsWith('json'))
    return arrayText(value, element, name, row);
  if (isNested(duckdbType)) return `cast(to_json(${value}) as varchar)`;
  return scalarText(value, duckdbType, name, row);
}

function scalarText(value: string, duckdbType: string, name: string, row: string): string {
  const text = `cast(${value} as varchar)`;
  if (duckdbType === 'BLOB') return `'\\\\x' || lower(hex(${value}))`;
  if (duckdbType === 'DATE' || duckdbType.startsWith('TIMESTAMP')) {
    const dated = `replace(${text}, ' (BC)', ' BC')`;
    return duckdbType === 'TIMESTAMP_NS' ? checkNanoseconds(value, dated, name, row) : dated;
  }
  return text;
}

/** `{"a","b",NULL}`; quotes are allowed around elements of every type. */
function arrayText(value: string, element: string, name: string, row: string): string {
  // A BLOB's \x needs its backslash once more inside an array, which the escaping below gives it.
  const text = element === 'BLOB' ? `'\\x' || lower(hex(e))` : scalarText('e', element, name, row);
  const quoted = `'"' || replace(replace(${text}, '\\', '\\\\'), '"', '\\"') || '"'`;
  return `'{' || array_to_string(list_transform(${value}, lambda e: coalesce(${quoted}, 'NULL')), ',') || '}'`;
}

function mayNeedEscaping({ duckdbType }: TextColumn): boolean {
  return ['VARCHAR', 'JSON'].includes(duckdbType) || duckdbType.startsWith('ENUM') || isNested(duckdbType);
}

function escapeText(text: string): string {
  const escapes: [string, string][] = [
    ["'\\'", "'\\\\'"],
    ['chr(9)', "'\\t'"],
    ['chr(10)', "'\\n'"],
    ['chr(13)', "'\\r'"],
  ];
  return escapes.reduce((escaped, [from, to]) => `replace(${escaped}, ${from}, ${to})`, text);
}

function checkNul(text: string, name: string, row: string): string {
  return `case when contains(${text}, chr(0)) then ${raise('nul_character', name, row)} else ${text} end`;
}

function checkNanoseconds(value: string, text: string, name: string, row: string): string {
  return `case when isfinite(${value}) and epoch_ns(${value}) % 1000 <> 0 then ${raise('nanoseconds', name, row)} else ${text} end`;
}

function raise(code: string, name: string, row: string): string {
  return `error(${quoteText(`${RAISED}${code}|`)} || ${row} || ${quoteText(`|${name}`)})`;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
