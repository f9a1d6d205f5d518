/** Decides which Parquet columns can be read in COPY's binary format, and plans the query for them. */
import type { BinaryFields } from '../../constants.ts';
import { jsonText } from '../nested.ts';
import type { TextColumn } from '../text.ts';
import { isNested } from '../types.ts';

/** A "kind" names how a column's values are written in COPY's binary format; see `makeWriter`. */
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
 * Kinds by DuckDB's type and PostgreSQL's type. An entry needs a binary value that equals, bit for bit, the one that
 * PostgreSQL parses from the text. Other pairs are copied as text. A new type is one new entry.
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

/** The type to which DuckDB casts a column, so that its values have the width of the kind. */
const CASTS: Partial<Record<BinaryKind, string>> = {
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  float8: 'double',
  timestamp: 'timestamp',
};
/** Types that need no cast: their values already have 64 bits. */
const UNCAST = ['TIME', 'TIMESTAMP WITH TIME ZONE'];

/** How to read columns in binary form: the query, and the kind of each column except the row number. */
export interface BinaryPlan {
  query: string;
  kinds: BinaryKind[];
  /** The scale of each decimal column. */
  scales: number[];
  /** Appended to each row. */
  constants: BinaryFields;
}

/**
 * Returns the plan for these columns; null if one of them must be copied as text.
 * @param constants null if a constant must be copied as text
 * @param rowNumber the query's last column, which is not part of the rows
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

/** Returns the kind of a column; undefined if it must be copied as text. */
export function kindOf(column: TextColumn): BinaryKind | undefined {
  const { duckdbType, targetType, unknownBefore1900, outside } = column;
  if (unknownBefore1900 || outside) return undefined;
  if (duckdbType.startsWith('DECIMAL') && targetType === 'numeric') return 'decimal';
  if (isNested(duckdbType) && targetType === 'jsonb') return 'jsonb';
  return KINDS[duckdbType]?.[targetType];
}

function expressionOf({ value, duckdbType }: TextColumn, kind: BinaryKind | undefined): string {
  if (isNested(duckdbType)) return jsonText(value, duckdbType);
  const cast = kind && !UNCAST.includes(duckdbType) ? CASTS[kind] : undefined;
  return cast ? `cast(${value} as ${cast})` : value;
}
