import type { BinaryFields } from '../../constants.ts';
import { jsonText } from '../nested.ts';
import { quoteName } from '../quote.ts';
import type { TextColumn } from '../text.ts';
import { isNested } from '../types.ts';

/** How a column's values are written as COPY's binary format wants them; see WRITERS. */
export type BinaryKind =
  | 'boolean'
  | 'int2'
  | 'int4'
  | 'int8'
  | 'float4'
  | 'float8'
  | 'date'
  | 'timestamp'
  | 'interval'
  | 'uuid'
  | 'decimal'
  | 'bytes'
  | 'jsonb';

const TEXTS = ['text', 'character varying', 'character', 'json'];
const STAMP = 'timestamp without time zone';

/**
 * By DuckDB's type and PostgreSQL's: only pairs whose binary value is, bit for bit, what PostgreSQL makes of the
 * text. Whatever is not here goes the text way. A new type is one new entry.
 */
const KINDS: Record<string, Record<string, BinaryKind>> = {
  BOOLEAN: { boolean: 'boolean' },
  TINYINT: { smallint: 'int2', integer: 'int4', bigint: 'int8' },
  UTINYINT: { smallint: 'int2', integer: 'int4', bigint: 'int8' },
  SMALLINT: { smallint: 'int2', integer: 'int4', bigint: 'int8' },
  USMALLINT: { integer: 'int4', bigint: 'int8' },
  INTEGER: { integer: 'int4', bigint: 'int8' },
  UINTEGER: { bigint: 'int8' },
  BIGINT: { bigint: 'int8' },
  FLOAT: { real: 'float4', 'double precision': 'float8' },
  DOUBLE: { 'double precision': 'float8' },
  DATE: { date: 'date' },
  TIME: { 'time without time zone': 'int8' },
  TIMESTAMP: { [STAMP]: 'timestamp' },
  TIMESTAMP_S: { [STAMP]: 'timestamp' },
  TIMESTAMP_MS: { [STAMP]: 'timestamp' },
  'TIMESTAMP WITH TIME ZONE': { 'timestamp with time zone': 'timestamp' },
  INTERVAL: { interval: 'interval' },
  UUID: { uuid: 'uuid' },
  BLOB: { bytea: 'bytes' },
  VARCHAR: { ...Object.fromEntries(TEXTS.map((type) => [type, 'bytes' as const])), jsonb: 'jsonb' },
  JSON: { json: 'bytes', jsonb: 'jsonb' },
};

/** What DuckDB is to cast a column to, so that its values have the width of the kind. */
const CASTS: Partial<Record<BinaryKind, string>> = {
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  float8: 'double',
  timestamp: 'timestamp',
};
/** Types whose values are 64 bits wide as they are, and are no integers to be cast. */
const UNCAST = ['TIME', 'TIMESTAMP WITH TIME ZONE'];

/** How to read the columns in binary form: a query, and the kind of each of its columns that is the rows'. */
export interface BinaryPlan {
  query: string;
  kinds: BinaryKind[];
  /** Digits after the point of each decimal column. */
  scales: number[];
  /** What ends each row. */
  constants: BinaryFields;
}

/**
 * The binary way for these columns; null where one of them has to go the text way.
 * @param constants null where they have to
 * @param rowNumber a last column of the query, which is none of the rows'
 */
export function planBinary(
  source: string,
  columns: TextColumn[],
  constants: BinaryFields | null,
  rowNumber: string | null,
): BinaryPlan | null {
  const kinds = columns.map((column) => kindOf(column));
  const values = columns.map((column, i) => expressionOf(column, kinds[i]));
  const scales = columns.map((column) => Number(/^DECIMAL\(\d+,(\d+)\)$/.exec(column.duckdbType)?.[1] ?? 0));
  if (constants === null || !kinds.every((kind) => kind !== undefined)) return null;
  if (rowNumber !== null) values.push(rowNumber);
  return { query: `select ${values.join(', ')} from ${source}`, kinds, scales, constants };
}

/** How a column's values are written; undefined where they go the text way. */
export function kindOf({ duckdbType, targetType }: TextColumn): BinaryKind | undefined {
  if (duckdbType.startsWith('DECIMAL') && targetType === 'numeric') return 'decimal';
  if (isNested(duckdbType) && targetType === 'jsonb') return 'jsonb';
  return KINDS[duckdbType]?.[targetType];
}

function expressionOf({ name, duckdbType }: TextColumn, kind: BinaryKind | undefined): string {
  const value = quoteName(name);
  if (isNested(duckdbType)) return jsonText(value, duckdbType);
  const cast = kind && !UNCAST.includes(duckdbType) ? CASTS[kind] : undefined;
  return cast ? `cast(${value} as ${cast})` : value;
}
