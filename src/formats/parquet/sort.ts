/** Sorts rows with DuckDB as PostgreSQL would, for tables with a columnstore. */
import type { DuckDBConnection } from '@duckdb/node-api';
import type { CopyPlan, SortKey } from '../format.ts';
import { type BinaryKind, kindOf } from './binary/kinds.ts';
import type { Sorting } from './protocol.ts';
import type { TextColumn } from './text.ts';

/** A dictionary of more values costs more than it saves. */
const MAX_DICTIONARY = 20_000;

/** Kinds whose values DuckDB orders and compares as PostgreSQL does. Texts need `SortKey.byBytes` as well. */
const SAME_ORDER: BinaryKind[] = [
  'boolean',
  'int2',
  'int4',
  'int8',
  'float4',
  'float8',
  'date',
  'timestamp',
  'uuid',
  'decimal',
  'bytes',
];

/**
 * Returns how DuckDB sorts by columns of the table; null if PostgreSQL may sort differently, or the file lacks a column.
 * @param columns the file's columns, in the plan's order
 * @param last a condition that is true for a row that must come last, if there is one
 */
export function planSorting(
  source: string,
  plan: CopyPlan,
  columns: TextColumn[],
  keys: SortKey[],
  last: string | null,
): Sorting | null {
  const sorting: Sorting = { source, last, keys: [] };
  for (const key of keys) {
    // A constant does not change the order.
    if (plan.constants.some(({ target }) => target.name === key.column)) continue;
    const index = plan.columns.findIndex(({ target }) => target.name === key.column);
    const target = plan.columns[index]?.target;
    const column = columns[index];
    // A type modifier may change a value during COPY, and a domain may have one.
    if (!target || !column || target.type !== target.baseType || !isSortable(column, key)) return null;
    sorting.keys.push({
      column: column.value,
      dictionary: key.segment && column.duckdbType === 'VARCHAR',
      direction: `${key.descending ? 'desc' : 'asc'} nulls ${key.nullsFirst ? 'first' : 'last'}`,
    });
  }
  return sorting;
}

function isSortable(column: TextColumn, key: SortKey): boolean {
  const kind = kindOf(column);
  return kind !== undefined && SAME_ORDER.includes(kind) && key.byBytes;
}

/** Calls `run` with the `order by` clause, and removes the dictionaries afterwards. */
export async function withOrder<T>(
  connection: DuckDBConnection,
  { source, last, keys }: Sorting,
  run: (orderBy: string) => Promise<T>,
): Promise<T> {
  const dictionaries: string[] = [];
  const terms: string[] = [];
  if (last !== null && keys.length > 0) terms.push(last);
  try {
    for (const { column, dictionary, direction } of keys) {
      const name = `dictionary_${dictionaries.length}`;
      const made = dictionary && (await makeDictionary(connection, name, source, column));
      if (made) dictionaries.push(name);
      terms.push(`${made ? `cast(${column} as ${name})` : column} ${direction}`);
    }
    return await run(terms.length > 0 ? ` order by ${terms.join(', ')}` : '');
  } finally {
    for (const name of dictionaries) await connection.run(`drop type ${name}`);
  }
}

/** Returns false, and creates nothing, if the column has too many values. */
async function makeDictionary(
  connection: DuckDBConnection,
  name: string,
  source: string,
  column: string,
): Promise<boolean> {
  const values = `select distinct ${column} from ${source} where ${column} is not null`;
  const counted = await connection.runAndReadAll(
    `select count(*) from (${values} limit ${MAX_DICTIONARY + 1})`,
  );
  if (Number(counted.getRows()[0]![0]) > MAX_DICTIONARY) return false;
  await connection.run(`create type ${name} as enum (${values})`);
  return true;
}
