/** Describes a Parquet file for the worker: its columns, its row groups, and its "leaves". */
import type { DuckDBConnection } from '@duckdb/node-api';
import type { Leaf } from './leaves.ts';
import { HOLDS_JSON, LEVELS_COMPOSED, levelsOf } from './nested.ts';
import type { ReaderColumn, RowGroup } from './protocol.ts';
import { listWrittenTimes } from './spark.ts';

/**
 * Returns the columns of a file.
 * @param file its path, as an SQL literal
 * @param leaves see listLeaves
 */
export async function describeColumns(
  connection: DuckDBConnection,
  file: string,
  leaves: Leaf[],
): Promise<ReaderColumn[]> {
  const described = await connection.runAndReadAll(`describe select * from read_parquet(${file})`);
  const nulls = await connection.runAndReadAll(
    `select path_in_schema, coalesce(bool_or(coalesce(stats_null_count, 1) > 0), false) from parquet_metadata(${file}) group by 1`,
  );
  const nullable = new Map(nulls.getRows().map(([name, has]) => [String(name), Boolean(has)]));
  const rows = described.getRows().map(([name, type]) => ({ name: String(name), type: String(type) }));
  const types = rows.map(({ type }) => type);
  const written = await listWrittenTimes(connection, file, types, leaves);
  const names = namesInFile(leaves);
  return rows.map(({ name, type }, position) => ({
    name: names?.[position] || name,
    duckdbName: name,
    duckdbType: written[position]?.int96 ? 'TIMESTAMP WITH TIME ZONE' : type,
    nullable: nullable.get(names?.[position] ?? name) ?? true,
    untyped: leaves.some((leaf) => leaf.column === position && leaf.untyped),
    written: written[position]!,
    unreadable: whyUnreadable(type, digitsOf(leaves, position)),
  }));
}

/** Returns the file's own names: DuckDB numbers names that differ in case only. Null if some are equal, so that DuckDB's must do. */
function namesInFile(leaves: Leaf[]): string[] | null {
  const names = new Map(leaves.map(({ column, columnName }) => [column, columnName]));
  return new Set(names.values()).size === names.size ? [...names.values()] : null;
}

/**
 * Returns the row groups of a file, in order.
 * @param file its path, as an SQL literal
 * @param leaves see listLeaves
 * @throws Error if the footer contradicts itself: DuckDB would read bytes that are not rows, or leave rows out
 */
export async function listRowGroups(
  connection: DuckDBConnection,
  file: string,
  leaves: Leaf[],
): Promise<RowGroup[]> {
  const flat = leaves.flatMap(({ repeated }, id) => (repeated ? [] : [id]));
  const dictionary = 'coalesce(nullif(dictionary_page_offset, 0), data_page_offset)';
  const groups = await connection.runAndReadAll(
    `select row_group_id, any_value(row_group_num_rows), min(num_values),
        coalesce(max(num_values) filter (column_id in (${[-1, ...flat].join(', ')})), any_value(row_group_num_rows)),
        min(least(data_page_offset, ${dictionary})),
        max(greatest(data_page_offset, ${dictionary}, least(data_page_offset, ${dictionary}) + total_compressed_size))
      from parquet_metadata(${file}) group by row_group_id order by row_group_id`,
  );
  const counted = await connection.runAndReadAll(
    `select num_row_groups, num_rows from parquet_file_metadata(${file})`,
  );
  const [groupCount, rowCount] = counted.getRows()[0]!.map(Number) as [number, number];
  const listed = groups.getRows().map((group, i): RowGroup => {
    const [id, rows, fewest, mostFlat, start, end] = group.map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    if (id !== i) throw new Error(`row group ${i + 1} has no columns`);
    // A column has one value or null per row; only lists have more.
    const values = fewest < rows ? fewest : mostFlat;
    if (rows < 0 || fewest < rows || mostFlat > rows) {
      throw new Error(`row group ${i + 1} has ${rows} rows, but one of its columns has ${values} values`);
    }
    return { rows, start, end };
  });
  if (listed.length !== groupCount) throw new Error(`row group ${listed.length + 1} has no columns`);
  const rowsOfGroups = listed.reduce((sum, { rows }) => sum + rows, 0);
  if (rowsOfGroups !== rowCount) {
    throw new Error(`the footer counts ${rowCount} rows, but its row groups have ${rowsOfGroups}`);
  }
  return listed;
}

/** Returns why a column cannot be read without loss, or not in a reasonable time; null if it can. */
export function whyUnreadable(type: string, digits = 0): ReaderColumn['unreadable'] {
  if (digits > DECIMAL_DIGITS) {
    const reason = `its decimals have ${digits} digits; at most ${DECIMAL_DIGITS} can be read without loss`;
    return { code: 'unsupported_type', reason };
  }
  const levels = levelsOf(type);
  const allowed = HOLDS_JSON.test(type) ? LEVELS_COMPOSED : LEVELS;
  if (levels <= allowed) return null;
  const reason = `its lists and maps are nested ${levels} levels deep; ${allowed} levels are allowed`;
  return { code: 'unsupported_nesting', reason };
}

/**
 * DuckDB's to_json takes twice as long with each level of lists and maps (structs do not count): 20 to 40 ms per query at
 * 16 levels, minutes at 30.
 */
const LEVELS = 16;
/** The most digits in DuckDB's decimals; it turns longer ones into doubles. */
const DECIMAL_DIGITS = 38;

/** Returns the precision of the longest decimal in a column. */
function digitsOf(leaves: Leaf[], position: number): number {
  return Math.max(0, ...leaves.filter(({ column }) => column === position).map(({ digits }) => digits));
}
