/** The "leaves" of a Parquet file: its physical columns. */
import type { DuckDBConnection } from '@duckdb/node-api';

/** A "leaf": one physical column of the file, in schema order. A nested column of DuckDB has several leaves. */
export interface Leaf {
  /** The position of DuckDB's column. */
  column: number;
  /** The name of that column in the file. */
  columnName: string;
  /** INT96 and others; see parquet.thrift. */
  physicalType: string;
  /** Whether it has nothing but nulls, and no type: Arrow's null. */
  untyped: boolean;
  /** The precision of a decimal; otherwise 0. */
  digits: number;
  /** Whether the leaf is inside a list, so that a row may have several values. */
  repeated: boolean;
}

/**
 * Returns the leaves of a file.
 * @param file its path, as an SQL literal
 */
export async function listLeaves(connection: DuckDBConnection, file: string): Promise<Leaf[]> {
  const schema = await connection.runAndReadAll(
    `select coalesce(num_children, 0), coalesce(precision, 0), coalesce(repetition_type = 'REPEATED', false),
        coalesce(type, ''), coalesce(logical_type = 'NullType()', false), name
      from parquet_schema(${file})`,
  );
  // Depth first: each element is followed by its children.
  const elements = schema.getRows().map((row) => row.map(String) as ElementRow);
  let at = 1;
  const take = (column: number, columnName: string, inList: boolean): Leaf[] => {
    const [children, digits, isList, physicalType, isNull] = elements[at++]!;
    const repeated = inList || isList === 'true';
    if (children === '0')
      return [
        { column, columnName, physicalType, untyped: isNull === 'true', digits: Number(digits), repeated },
      ];
    return Array.from({ length: Number(children) }, () => take(column, columnName, repeated)).flat();
  };
  const columns = Array.from({ length: Number(elements[0]?.[0] ?? 0) });
  return columns.flatMap((_, column) => take(column, elements[at]?.[5] ?? '', false));
}

type ElementRow = [
  children: string,
  digits: string,
  isRepeated: string,
  physicalType: string,
  isNull: string,
  name: string,
];
