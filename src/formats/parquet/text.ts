/**
 * Builds the DuckDB query that writes rows in COPY's text format (https://www.postgresql.org/docs/current/sql-copy.html).
 * PostgreSQL then parses every value itself.
 */
import type { ConstantColumn } from '../constants.ts';
import { quoteText } from '../duckdb_quote.ts';
import { jsonText } from './nested.ts';
import { isNested, listElement } from './types.ts';

/** A column of the file, with the type of its table column. */
export interface TextColumn {
  name: string;
  /** An expression for its values in the query's source; `duckdbType` is its type. */
  value: string;
  duckdbType: string;
  /** The table column's type without domain and modifiers, for example `jsonb`. */
  targetType: string;
  /** Whether times before 1900 must be refused: see spark.ts. */
  unknownBefore1900?: boolean;
  /** A condition for numbers that are no times: see epoch.ts. */
  outside?: string;
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
  not_utf8: {
    code: 'invalid_encoding',
    reason: 'the bytes are not UTF-8, so they are no text',
    hint: "Give the table's column the type bytea, or leave it out: add a row to column_mappings with target_column null.",
  },
  old_calendar: {
    code: 'value_out_of_range',
    reason:
      'the time is before 1900 and was written by Spark in its legacy calendar, in which it cannot be read exactly',
    hint: 'Write the file with spark.sql.parquet.datetimeRebaseModeInWrite and int96RebaseModeInWrite = CORRECTED, or with spark.sql.session.timeZone = UTC. Or leave the column out: add a row to column_mappings with target_column null.',
  },
  no_epoch: {
    code: 'value_out_of_range',
    reason: 'the number is too large for a time',
    hint: 'Compare date_format of the column in column_mappings with the file: seconds since 1970, or parts of them.',
  },
  time_of_day: {
    code: 'value_out_of_range',
    reason: 'the time has a time of day, which a date would lose',
    hint: "Give the table's column the type timestamptz or timestamp, or map the column to one of such a type in column_mappings.",
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
  /** The column with the row's number, from 0. */
  rowNumber: string;
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
  const checks = columns.flatMap((column) => badValueChecks(column, `(${rowNumber} + 1)`));
  const checked = checks.map(
    ({ isBad, mark }) => `when ${isBad} then ${onBadValue === 'fail' ? `error(${mark})` : mark}`,
  );
  const value = checked.length > 0 ? `case ${checked.join(' ')} else ${line} end` : line;
  return `select encode(${value} || chr(10))${numbered ? `, ${rowNumber}` : ''} from ${source}`;
}

/** Returns an expression for a value in COPY's text format; null stays null. */
function fieldText(column: TextColumn): string {
  const text = valueText(column.value, column);
  return mayNeedEscaping(column) ? escapeText(text) : text;
}

/** Returns an expression for a value as text that PostgreSQL reads; null stays null. */
export function valueText(value: string, { duckdbType, targetType }: TextColumn): string {
  const element = listElement(duckdbType);
  if (element !== null && !isNested(element) && !/^jsonb?$/.test(targetType))
    return arrayText(value, element, elementType(targetType));
  if (isNested(duckdbType)) return jsonText(value, duckdbType);
  return scalarText(value, duckdbType, targetType);
}

/** Returns an expression for a value that is not nested. */
function scalarText(value: string, duckdbType: string, targetType: string): string {
  if (isDecoded(duckdbType, targetType)) return `try(decode(${value}))`;
  // The shortest text of a float is another number as a double.
  if (duckdbType === 'FLOAT' && targetType === 'double precision')
    return `cast(cast(${value} as double) as varchar)`;
  if (['smallint', 'integer', 'bigint'].includes(targetType)) return integerText(value, duckdbType);
  const text = duckdbType === 'TIMESTAMP WITH TIME ZONE' ? utcText(value) : `cast(${value} as varchar)`;
  if (duckdbType === 'BLOB') return `'\\\\x' || lower(hex(${value}))`;
  if (duckdbType === 'DATE' || duckdbType.startsWith('TIMESTAMP')) return `replace(${text}, ' (BC)', ' BC')`;
  return text;
}

/** Returns a whole number without its fraction of zeros. PostgreSQL refuses any other number that is no integer. */
function integerText(value: string, duckdbType: string): string {
  const text = `cast(${value} as varchar)`;
  const whole = duckdbType.startsWith('DECIMAL') ? `trunc(${value})` : `cast(${value} as hugeint)`;
  if (!/^(FLOAT|DOUBLE|DECIMAL)/.test(duckdbType)) return text;
  // Infinity and NaN are no hugeint, and greater than all numbers.
  return `case when ${value} = trunc(${value}) and abs(${value}) < 1e38 then cast(${whole} as varchar) else ${text} end`;
}

/** Types of a table for which a BLOB holds text. For others, such as an extension's, it holds bytes. */
const WRITTEN_AS_TEXT =
  /^(text|character|character varying|name|citext|jsonb?|xml|smallint|integer|bigint|real|double precision|numeric|boolean|date|time.*|interval|inet|cidr)$/;

/** Whether a BLOB is read as text: some writers do not say which byte arrays are UTF-8. */
function isDecoded(duckdbType: string, targetType: string): boolean {
  return duckdbType === 'BLOB' && WRITTEN_AS_TEXT.test(targetType);
}

const elementType = (targetType: string) => targetType.replace(/\[\]$/, '');

/** DuckDB's own text of a time with a zone is inexact: its calendar library computes in doubles. */
function utcText(value: string): string {
  return `case when isfinite(${value}) then cast(make_timestamp(epoch_us(${value})) as varchar) || '+00' else cast(${value} as varchar) end`;
}

/** Returns an expression for `{"a","b",NULL}`; elements of every type may be quoted. */
function arrayText(value: string, element: string, targetType: string): string {
  const asBytes = element === 'BLOB' && !isDecoded(element, targetType);
  // The backslash of a BLOB's \x must be doubled in an array; the escaping below does that.
  const text = asBytes ? `'\\x' || lower(hex(e))` : scalarText('e', element, targetType);
  const quoted = `'"' || replace(replace(${text}, '\\', '\\\\'), '"', '\\"') || '"'`;
  return `'{' || array_to_string(list_transform(${value}, lambda e: coalesce(${quoted}, 'NULL')), ',') || '}'`;
}

/** Returns conditions for values that PostgreSQL cannot hold, each with the mark for its row. */
function badValueChecks(column: TextColumn, row: string): Check[] {
  const { value } = column;
  const mark = (code: string) =>
    `${quoteText(`${RAISED}${code}|`)} || ${row} || ${quoteText(`|${column.name}`)}`;
  const element = listElement(column.duckdbType);
  if (column.outside) return [{ isBad: column.outside, mark: mark('no_epoch') }];
  const losses = lossChecks(column, element, mark);
  if (losses.length > 0) return losses;
  if (column.unknownBefore1900 && !isNested(column.duckdbType))
    return [{ isBad: `${value} < date '1900-01-01'`, mark: mark('old_calendar') }];
  if (!mayNeedEscaping(column)) return [];
  const notUtf8 = notUtf8Check(column);
  const hasNul = { isBad: `contains(${valueText(value, column)}, chr(0))`, mark: mark('nul_character') };
  const checks = notUtf8 === null ? [] : [{ isBad: notUtf8, mark: mark('not_utf8') }];
  if (column.unknownBefore1900)
    checks.push({
      isBad: `regexp_matches(${valueText(value, column)}, ${OLD_TIME})`,
      mark: mark('old_calendar'),
    });
  return [...checks, hasNul];
}

type Check = { isBad: string; mark: string };

/** Returns conditions for times, also in a list, of which the table's type would keep only a part. */
function lossChecks(
  { value, duckdbType, targetType, unknownBefore1900 }: TextColumn,
  element: string | null,
  mark: (code: string) => string,
): Check[] {
  const type = element ?? duckdbType;
  const target = element === null ? targetType : elementType(targetType);
  const anyOf = (isBad: (value: string) => string) =>
    element === null ? isBad(value) : `len(list_filter(${value}, lambda e: ${isBad('e')})) > 0`;
  if (target === 'date' && type.startsWith('TIMESTAMP')) {
    const checks = [{ isBad: anyOf((time) => hasTimeOfDay(time, type)), mark: mark('time_of_day') }];
    if (unknownBefore1900 && element === null)
      checks.unshift({ isBad: `${value} < date '1900-01-01'`, mark: mark('old_calendar') });
    return checks;
  }
  if (!holdsNanoseconds(type) || isTextType(target)) return [];
  return [{ isBad: anyOf((time) => hasNanoseconds(time, type)), mark: mark('nanoseconds') }];
}

/** PostgreSQL reads the text of an instant in UTC, and takes its date. */
function hasTimeOfDay(value: string, duckdbType: string): string {
  const unit = duckdbType === 'TIMESTAMP_NS' ? 'epoch_ns' : 'epoch_us';
  const perDay = duckdbType === 'TIMESTAMP_NS' ? '86400000000000' : '86400000000';
  return `isfinite(${value}) and ${unit}(${value}) % ${perDay} <> 0`;
}

/** A text within JSON, or within an array, that begins like a time before 1900. */
const OLD_TIME = `'"(0\\d|1[0-8])\\d\\d-\\d\\d-\\d\\d'`;

/** Returns a condition for bytes that are no text; null if the column has none to decode. */
function notUtf8Check({ value, duckdbType, targetType }: TextColumn): string | null {
  const isBad = (value: string) => `(${value} is not null and try(decode(${value})) is null)`;
  if (isDecoded(duckdbType, targetType)) return isBad(value);
  const element = listElement(duckdbType);
  if (element === null || !isDecoded(element, elementType(targetType))) return null;
  return /^jsonb?$/.test(targetType) ? null : `len(list_filter(${value}, lambda e: ${isBad('e')})) > 0`;
}

const holdsNanoseconds = (duckdbType: string) => ['TIMESTAMP_NS', 'TIME_NS'].includes(duckdbType);

/** Whether a table's type accepts any text unchanged. */
const isTextType = (targetType: string) => /^(text|character varying|jsonb?)$/.test(targetType);

function hasNanoseconds(value: string, duckdbType: string): string {
  const remainder = `epoch_ns(${value}) % 1000 <> 0`;
  return duckdbType === 'TIME_NS' ? remainder : `isfinite(${value}) and ${remainder}`;
}

function mayNeedEscaping({ duckdbType, targetType }: TextColumn): boolean {
  if (isDecoded(duckdbType, targetType)) return true;
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
