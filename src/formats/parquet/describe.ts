import type { DuckDBConnection } from '@duckdb/node-api';
import { HOLDS_JSON, levelsOf } from './nested.ts';
import type { ReaderColumn, RowGroup } from './protocol.ts';

/**
 * The columns of a file.
 * @param file its path, as a literal of SQL
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
  return described.getRows().map(([name, type], position) => ({
    name: String(name),
    duckdbType: String(type),
    nullable: nullable.get(String(name)) ?? true,
    unreadable: whyUnreadable(String(type), digitsOf(leaves, position)),
  }));
}

/**
 * The row groups of a file, in their order.
 * @param file its path, as a literal of SQL
 * @param leaves see listLeaves
 * @throws Error where the footer contradicts itself: DuckDB would take bytes for rows that are none, or leave rows out
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
    // A value a row, null or not; only of lists there are more.
    const values = fewest < rows ? fewest : mostFlat;
    if (rows < 0 || fewest < rows || mostFlat > rows) {
      throw new Error(`row group ${i + 1} has ${rows} rows, and a column of it ${values} values`);
    }
    return { rows, start, end };
  });
  if (listed.length !== groupCount) throw new Error(`row group ${listed.length + 1} has no columns`);
  const rowsOfGroups = listed.reduce((sum, { rows }) => sum + rows, 0);
  if (rowsOfGroups !== rowCount) {
    throw new Error(`the file has ${rowCount} rows, and its row groups have ${rowsOfGroups}`);
  }
  return listed;
}

/** Why a column of a type cannot be read as it is, or not in a time that anybody would wait; null where it can. */
export function whyUnreadable(type: string, digits = 0): ReaderColumn['unreadable'] {
  if (digits > DECIMAL_DIGITS) {
    const reason = `it holds decimals of ${digits} digits, of which ${DECIMAL_DIGITS} can be read without loss`;
    return { code: 'unsupported_type', reason };
  }
  const levels = levelsOf(type);
  const allowed = HOLDS_JSON.test(type) ? LEVELS_AROUND_JSON : LEVELS;
  if (levels <= allowed) return null;
  const reason = `its lists and maps are nested ${levels} levels deep; ${allowed} levels are allowed`;
  return { code: 'unsupported_nesting', reason };
}

/**
 * DuckDB's to_json takes twice as long with each level of lists and maps, and with structs none: at 16 levels 20 to 40 ms
 * a query, at 30 some minutes.
 */
const LEVELS = 16;
/** The same, where we compose the JSON ourselves: at 8 levels 10,000 rows take a second, at 12 half a minute. */
const LEVELS_AROUND_JSON = 8;
/** The most that DuckDB's decimals have; of longer ones it makes doubles. */
const DECIMAL_DIGITS = 38;

/** A column of the file's own, in the order of its schema: one of DuckDB's may be made of several. */
export interface Leaf {
  /** The position of DuckDB's column. */
  column: number;
  /** Of a decimal; otherwise 0. */
  digits: number;
  /** Whether it stands in a list, so that a row may have several of its values. */
  repeated: boolean;
}

/**
 * The file's own columns.
 * @param file its path, as a literal of SQL
 */
export async function listLeaves(connection: DuckDBConnection, file: string): Promise<Leaf[]> {
  const schema = await connection.runAndReadAll(
    `select coalesce(num_children, 0), coalesce(precision, 0), coalesce(repetition_type = 'REPEATED', false)
      from parquet_schema(${file})`,
  );
  // From the root down, each followed by its children.
  const elements = schema.getRows().map((row) => row.map(Number) as [number, number, number]);
  let at = 1;
  const take = (column: number, inList: boolean): Leaf[] => {
    const [children, digits, isList] = elements[at++]!;
    const repeated = inList || isList === 1;
    if (children === 0) return [{ column, digits, repeated }];
    return Array.from({ length: children }, () => take(column, repeated)).flat();
  };
  return Array.from({ length: elements[0]?.[0] ?? 0 }, (_, column) => take(column, false)).flat();
}

/** Of the longest decimal in a column. */
function digitsOf(leaves: Leaf[], position: number): number {
  return Math.max(0, ...leaves.filter(({ column }) => column === position).map(({ digits }) => digits));
}
