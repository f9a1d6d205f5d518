/** DuckDB's types (https://duckdb.org/docs/stable/sql/data_types/overview) and the PostgreSQL types that hold them. */
/** Types without a list or a struct in them; for the others see `postgresType`. */
const TYPES: Record<string, string> = {
  BOOLEAN: 'boolean',
  TINYINT: 'smallint',
  SMALLINT: 'smallint',
  INTEGER: 'integer',
  BIGINT: 'bigint',
  // PostgreSQL has no unsigned integers; the next wider type holds all values.
  UTINYINT: 'smallint',
  USMALLINT: 'integer',
  UINTEGER: 'bigint',
  UBIGINT: 'numeric',
  HUGEINT: 'numeric',
  UHUGEINT: 'numeric',
  BIGNUM: 'numeric',
  FLOAT: 'real',
  DOUBLE: 'double precision',
  VARCHAR: 'text',
  JSON: 'jsonb',
  BLOB: 'bytea',
  BIT: 'bit varying',
  DATE: 'date',
  TIME: 'time',
  TIME_NS: 'time',
  'TIME WITH TIME ZONE': 'timetz',
  TIMESTAMP: 'timestamp',
  TIMESTAMP_S: 'timestamp',
  TIMESTAMP_MS: 'timestamp',
  TIMESTAMP_NS: 'timestamp',
  'TIMESTAMP WITH TIME ZONE': 'timestamptz',
  INTERVAL: 'interval',
  UUID: 'uuid',
};

/** Returns the PostgreSQL type: lists of scalars become arrays, and anything nested deeper becomes jsonb. */
export function postgresType(duckdbType: string): string {
  const element = listElement(duckdbType);
  if (element !== null) return isNested(element) ? 'jsonb' : `${postgresType(element)}[]`;
  if (isNested(duckdbType)) return 'jsonb';
  if (duckdbType.startsWith('DECIMAL')) return duckdbType.replace('DECIMAL', 'numeric');
  return TYPES[duckdbType] ?? 'text';
}

/** Returns the element type of a list `T[]` or an array `T[3]`; null for other types. */
export function listElement(duckdbType: string): string | null {
  const found = /^(.*)\[\d*\]$/s.exec(duckdbType);
  return found ? found[1]! : null;
}

export function isNested(duckdbType: string): boolean {
  return /^(STRUCT|MAP|UNION|VARIANT)\b/.test(duckdbType) || listElement(duckdbType) !== null;
}
