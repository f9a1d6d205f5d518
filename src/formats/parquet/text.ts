/**
 * Builds the DuckDB query that writes rows in COPY's text format (https://www.postgresql.org/docs/current/sql-copy.html).
 * PostgreSQL then parses every value itself.
 */
import type { ConstantColumn } from '../constants.ts';
import { jsonText } from './nested.ts';
import { quoteName, quoteText } from './quote.ts';
import { isNested, listElement } from './types.ts';

/** A column of the file, with the type of its table column. */
export interface TextColumn {
  name: string;
  duckdbType: string;
  /** The table column's type without domain and modifiers, for example `jsonb`. */
  targetType: string;
}

/** The prefix of our own text, in an error that our SQL raises or in a line that it marks. */
export const RAISED = 's3_connector|';

/** A value that PostgreSQL cannot hold, as found by our SQL. */
export interface Raised {
  code: string;
  row: number;
  column: string;
  reason: string;
  hint?: string;
}

const REASONS: Record<string, Pick<Raised, 'code' | 'reason' | 'hint'>> = {
  nul_character: {
    code: 'nul_character',
    reason: 'the text has a NUL character, which PostgreSQL cannot hold',
  },
  nanoseconds: {
    code: 'value_out_of_range',
    reason: 'the time has nanoseconds; PostgreSQL only has microseconds',
    hint: 'To keep nanoseconds, map the column to one of type text in column_mappings.',
  },
};

/** Parses the text after RAISED: `code|row|column`. */
export function readRaised(text: string): Raised {
  const [code, row, ...column] = text.split('|');
  return { ...REASONS[code!]!, row: Number(row), column: column.join('|') };
}

export interface TextQueryOptions {
  /** What the query reads from. */
  source: string;
  columns: TextColumn[];
  /** Appended to every row. */
  constants: ConstantColumn[];
  /** The column with the row's number, from 0, if there is one. */
  rowNumber: string | null;
  /** Whether the query also returns the row number. */
  numbered: boolean;
  /** For a value that PostgreSQL cannot hold: fail, or write a line that begins with RAISED. */
  onBadValue: 'fail' | 'mark';
}

/** Returns the query. Its first column is a BLOB with one line of COPY's text format per row. */
export function textQuery(options: TextQueryOptions): string {
  const { source, columns, constants, rowNumber, numbered, onBadValue } = options;
  const fields = columns.map((column) => `coalesce(${fieldText(column)}, '\\N')`);
  fields.push(...constants.map(({ value }) => quoteText(value === null ? '\\N' : escapeConstant(value))));
  const line = fields.join(' || chr(9) || ');
  const checks = columns.flatMap((column) =>
    badValueChecks(column, rowNumber === null ? '0' : `(${rowNumber} + 1)`),
  );
  const checked = checks.map(
    ({ isBad, mark }) => `when ${isBad} then ${onBadValue === 'fail' ? `error(${mark})` : mark}`,
  );
  const value = checked.length > 0 ? `case ${checked.join(' ')} else ${line} end` : line;
  return `select encode(${value} || chr(10))${numbered ? `, ${rowNumber}` : ''} from ${source}`;
}

/** Returns an expression for a value in COPY's text format; null stays null. */
function fieldText(column: TextColumn): string {
  const text = valueText(quoteName(column.name), column);
  return mayNeedEscaping(column) ? escapeText(text) : text;
}

function valueText(value: string, { duckdbType, targetType }: TextColumn): string {
  const element = listElement(duckdbType);
  if (element !== null && !isNested(element) && !/^jsonb?$/.test(targetType))
    return arrayText(value, element);
  if (isNested(duckdbType)) return jsonText(value, duckdbType);
  // The shortest text of a float is another number as a double.
  const widened = duckdbType === 'FLOAT' && targetType === 'double precision';
  return widened ? scalarText(`cast(${value} as double)`, 'DOUBLE') : scalarText(value, duckdbType);
}

/** Returns an expression for a value that is not nested, as text that PostgreSQL reads. */
export function scalarText(value: string, duckdbType: string): string {
  const text = duckdbType === 'TIMESTAMP WITH TIME ZONE' ? utcText(value) : `cast(${value} as varchar)`;
  if (duckdbType === 'BLOB') return `'\\\\x' || lower(hex(${value}))`;
  if (duckdbType === 'DATE' || duckdbType.startsWith('TIMESTAMP')) return `replace(${text}, ' (BC)', ' BC')`;
  return text;
}

/** DuckDB's own text of a time with a zone is inexact: its calendar library computes in doubles. */
function utcText(value: string): string {
  return `case when isfinite(${value}) then cast(make_timestamp(epoch_us(${value})) as varchar) || '+00' else cast(${value} as varchar) end`;
}

/** Returns an expression for `{"a","b",NULL}`; elements of every type may be quoted. */
function arrayText(value: string, element: string): string {
  // The backslash of a BLOB's \x must be doubled in an array; the escaping below does that.
  const text = element === 'BLOB' ? `'\\x' || lower(hex(e))` : scalarText('e', element);
  const quoted = `'"' || replace(replace(${text}, '\\', '\\\\'), '"', '\\"') || '"'`;
  return `'{' || array_to_string(list_transform(${value}, lambda e: coalesce(${quoted}, 'NULL')), ',') || '}'`;
}

/** Returns conditions for values that PostgreSQL cannot hold, each with the mark for its row. */
function badValueChecks(column: TextColumn, row: string): { isBad: string; mark: string }[] {
  const value = quoteName(column.name);
  const mark = (code: string) =>
    `${quoteText(`${RAISED}${code}|`)} || ${row} || ${quoteText(`|${column.name}`)}`;
  const element = listElement(column.duckdbType);
  if (holdsNanoseconds(column.duckdbType) && !isTextType(column.targetType)) {
    return [{ isBad: hasNanoseconds(value, column.duckdbType), mark: mark('nanoseconds') }];
  }
  if (element !== null && holdsNanoseconds(element) && !isTextType(column.targetType.replace('[]', ''))) {
    const isBad = `len(list_filter(${value}, lambda e: ${hasNanoseconds('e', element)})) > 0`;
    return [{ isBad, mark: mark('nanoseconds') }];
  }
  if (!mayNeedEscaping(column)) return [];
  return [{ isBad: `contains(${valueText(value, column)}, chr(0))`, mark: mark('nul_character') }];
}

const holdsNanoseconds = (duckdbType: string) => ['TIMESTAMP_NS', 'TIME_NS'].includes(duckdbType);

/** Whether a table's type accepts any text unchanged. */
const isTextType = (targetType: string) => /^(text|character varying|jsonb?)$/.test(targetType);

function hasNanoseconds(value: string, duckdbType: string): string {
  const remainder = `epoch_ns(${value}) % 1000 <> 0`;
  return duckdbType === 'TIME_NS' ? remainder : `isfinite(${value}) and ${remainder}`;
}

function mayNeedEscaping({ duckdbType }: TextColumn): boolean {
  return ['VARCHAR', 'JSON'].includes(duckdbType) || duckdbType.startsWith('ENUM') || isNested(duckdbType);
}

function escapeConstant(value: string): string {
  const escapes: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };
  return value.replace(/[\\\t\n\r]/g, (char) => escapes[char]!);
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
